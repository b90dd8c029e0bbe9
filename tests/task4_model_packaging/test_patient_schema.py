"""The JSON Schema of a patient: it accepts every real one, and nobody else."""

import json

import pytest
from jsonschema import Draft202012Validator

from pipeline.dataset.contract import Kind
from pipeline.table.contract import BY_NAME, FEATURES, FIELDS, patient_schema

SCHEMA = patient_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
CODED = [field for field in FIELDS if field.codes]
MEASURED = [field for field in FIELDS if not field.codes]
NULLABLE = [field for field in FIELDS if field.nullable]
REQUIRED = [field for field in FIELDS if not field.nullable]


def by_name(field):
    """Name a test by the field."""
    return field.name


def accepts(patient):
    """Say whether a patient keeps the schema, read from JSON as a service reads it."""
    return VALIDATOR.is_valid(json.loads(json.dumps(patient)))


@pytest.fixture
def patient():
    """Return a patient with every field."""
    return {
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


def test_a_complete_patient_is_accepted(patient):
    """The one that the tests below change in one place."""
    assert tuple(patient) == FEATURES
    assert accepts(patient)


@pytest.mark.parametrize("field", MEASURED, ids=by_name)
def test_the_limits_of_a_measurement_are_allowed(patient, field):
    """Both are inclusive."""
    assert accepts({**patient, field.name: field.low})
    assert accepts({**patient, field.name: field.high})


@pytest.mark.parametrize("field", MEASURED, ids=by_name)
def test_a_measurement_out_of_range_is_refused(patient, field):
    """On either side."""
    assert not accepts({**patient, field.name: field.low - 1})
    assert not accepts({**patient, field.name: field.high + 1})


@pytest.mark.parametrize("field", CODED, ids=by_name)
def test_exactly_the_codes_are_allowed(patient, field):
    """As whole numbers and as 1.0; no code in between and none beside."""
    allowed = {code for code in range(-1, 12) if accepts({**patient, field.name: code})}

    assert allowed == set(field.codes)
    assert all(accepts({**patient, field.name: float(code)}) for code in field.codes)
    assert not accepts({**patient, field.name: min(field.codes) + 0.5})


@pytest.mark.parametrize("name", ["trestbps", "chol"])
def test_a_zero_that_means_missing_is_refused(patient, name):
    """A caller says null, so that nobody takes it for a measurement."""
    assert BY_NAME[name].zero_is_missing
    assert not accepts({**patient, name: 0})


def test_a_count_is_a_whole_number(patient):
    """1.0 is one, 1.5 is not."""
    assert BY_NAME["ca"].kind is Kind.COUNT
    assert accepts({**patient, "ca": 1.0})
    assert not accepts({**patient, "ca": 1.5})


@pytest.mark.parametrize("field", FIELDS, ids=by_name)
@pytest.mark.parametrize("value", ["1", True, [1], {}], ids=["text", "true", "list", "object"])
def test_what_is_no_number_is_refused(patient, field, value):
    """A number in quotes is a text."""
    assert not accepts({**patient, field.name: value})


@pytest.mark.parametrize("field", NULLABLE, ids=by_name)
def test_a_value_that_may_be_missing_can_be_null_or_left_out(patient, field):
    """Both mean the same."""
    without = {name: value for name, value in patient.items() if name != field.name}

    assert accepts({**patient, field.name: None})
    assert accepts(without)


@pytest.mark.parametrize("field", REQUIRED, ids=by_name)
def test_a_required_value_can_be_neither_null_nor_left_out(patient, field):
    """Age, sex and chest pain type are known of everybody."""
    without = {name: value for name, value in patient.items() if name != field.name}

    assert not accepts({**patient, field.name: None})
    assert not accepts(without)


@pytest.mark.parametrize("name", ["disease", "num", "Age", "age ", "hospital"])
def test_an_unknown_field_is_refused(patient, name):
    """A misspelt one is not taken for a missing value, and the target is no field."""
    assert not accepts({**patient, name: 1})


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
    assert all(meaning in about["description"] for meaning in field.codes.values())


@pytest.mark.parametrize("field", MEASURED, ids=by_name)
def test_every_measurement_has_a_unit(field):
    """In words, in the description too."""
    about = SCHEMA["properties"][field.name]

    assert about["x-unit"]
    assert about["x-unit"] in about["description"]
