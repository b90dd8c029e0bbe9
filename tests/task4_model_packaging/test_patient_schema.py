"""The JSON Schema of a patient: it accepts what the data contract allows, and nothing else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from pipeline.dataset.contract import Kind
from pipeline.table.contract import FEATURES, FIELDS, patient_schema

SCHEMA = patient_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
MEASURED = [field for field in FIELDS if not field.codes]


def by_name(field):
    """Name a test by the field."""
    return field.name


def accepts(patient):
    """Say whether a patient keeps the schema, read from JSON as a service reads it."""
    return VALIDATOR.is_valid(json.loads(json.dumps(patient)))


PATIENT = {
    "age": 63,
    "sex": 1,
    "cp": 1,
    "trestbps": 145,
    "chol": 233,
    "fbs": 1,
    "restecg": 2,
    "thalach": 150,
    "exang": 0,
    "oldpeak": 2.3,
    "slope": 3,
    "ca": 0,
    "thal": 6,
}


def test_the_schema_is_one_of_draft_2020_12():
    """By that draft's own schema."""
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_the_package_holds_this_schema(files):
    """As JSON."""
    assert json.loads(files["patient.schema.json"]) == SCHEMA


def test_every_real_patient_is_accepted(patients):
    """All 920, missing values as null."""
    rows = json.loads(patients.to_json(orient="records"))

    assert len(rows) == 920
    assert [row for row in rows if not accepts(row)] == []


def test_every_golden_patient_is_accepted(files):
    """What readiness asks a service is a request it must take."""
    golden = json.loads(files["golden_patients.json"])["patients"]

    assert [one for one in golden if not accepts(one["patient"])] == []


def test_a_complete_patient_is_accepted():
    """The one that the tests below change in one place."""
    assert tuple(PATIENT) == FEATURES
    assert accepts(PATIENT)


def allowed(field, value):
    """Say whether the data contract allows a value that JSON can hold."""
    if value is None:
        return field.nullable
    if type(value) not in {int, float}:
        return False
    whole = field.kind is not Kind.COUNT or value % 1 == 0
    return value in field.codes if field.codes else field.low <= value <= field.high and whole


def values(field):
    """Draw JSON for a field: what it allows, what lies just beside that, and all other kinds."""
    edges = [field.low, field.high, field.low - 1, field.high + 1, 0, *field.codes]
    numbers = st.integers(-1, 12) | st.floats(field.low - 1, field.high + 1)
    others = st.none() | st.booleans() | st.text() | st.lists(numbers, max_size=1) | st.just({})
    return st.sampled_from(edges) | numbers | numbers.map(round).map(float) | others


@given(drawn=st.data())
@pytest.mark.parametrize("field", FIELDS, ids=by_name)
def test_a_value_is_accepted_where_the_contract_allows_it(field, drawn):
    """Both limits are, and 1.0 for 1; a zero that means missing is not, and 1.5 is no count."""
    value = drawn.draw(values(field))

    assert accepts({**PATIENT, field.name: value}) == allowed(field, value)


@pytest.mark.parametrize("field", FIELDS, ids=by_name)
def test_only_a_value_that_may_be_missing_can_be_left_out(field):
    """Left out, it means the same as null."""
    without = {name: value for name, value in PATIENT.items() if name != field.name}

    assert accepts(without) == field.nullable


@pytest.mark.parametrize("name", ["disease", "num", "Age", "age ", "hospital"])
def test_an_unknown_field_is_refused(name):
    """A misspelt one is not taken for a missing value, and the target is no field."""
    assert not accepts({**PATIENT, name: 1})


@pytest.mark.parametrize("value", [[], None, 1, "patient", [{}]])
def test_what_is_no_object_is_refused(value):
    """A list of patients is not a patient."""
    assert not accepts(value)


@pytest.mark.parametrize("field", FIELDS, ids=by_name)
def test_every_field_says_what_it_is_and_what_is_allowed(field):
    """Title, allowed values in words, and the unit of what is measured."""
    about = SCHEMA["properties"][field.name]

    assert about["title"] == field.title
    assert field.allowed in about["description"]
    assert ("null" in about["description"]) == field.nullable
    assert about.get("x-unit", "") == field.unit
    assert all(
        f"{code} ({meaning})" in about["description"] for code, meaning in field.codes.items()
    )


@pytest.mark.parametrize("field", MEASURED, ids=by_name)
def test_every_measurement_has_a_unit(field):
    """In words, in the description too."""
    about = SCHEMA["properties"][field.name]

    assert about["x-unit"]
    assert about["x-unit"] in about["description"]
