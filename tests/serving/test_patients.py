"""From the body of a request to patients: what is read, what is refused, and what is said of it."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from pipeline.dataset.contract import Kind
from pipeline.serving import patients
from pipeline.serving.patients import BREACHES_SHOWN, MAXIMUM_PATIENTS, REQUIRED, RefusedError
from pipeline.table.contract import BY_NAME, FEATURES, FIELDS, patient_schema

VALIDATOR = Draft202012Validator(patient_schema())
NULLABLE = [field.name for field in FIELDS if field.nullable]
PATIENT = {field.name: field.low for field in FIELDS}


def values_of(field):
    """Draw what a field may hold, null apart."""
    if field.codes or field.kind is Kind.COUNT:
        whole = st.sampled_from(sorted(field.codes) or [0, 1, 2, 3])
        return whole | whole.map(float)
    return st.floats(field.low, field.high) | st.integers(int(field.low), int(field.high))


def a_patient():
    """Draw a patient of the contract; what may be missing is null or left out at times."""
    values = {field.name: values_of(field) for field in FIELDS}
    return st.fixed_dictionaries(
        {name: values[name] for name in REQUIRED},
        optional={name: st.none() | values[name] for name in NULLABLE},
    )


def anything():
    """Draw any JSON."""
    numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    return st.recursive(
        st.none() | st.booleans() | numbers | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )


def almost_a_patient():
    """Draw a patient of the contract in whom up to two fields are of any kind."""
    near = st.integers(-10, 300) | st.floats(-10, 300) | st.none() | anything()
    wrong = st.dictionaries(st.sampled_from([*FEATURES, "disease"]), near, max_size=2)
    return st.builds(lambda patient, changes: {**patient, **changes}, a_patient(), wrong)


def read(document):
    """Read a document as it comes over the wire."""
    return patients.read(json.dumps(document).encode())


def refusal(body):
    """Return why a body, or a document, is refused."""
    with pytest.raises(RefusedError) as caught:
        patients.read(body) if isinstance(body, bytes) else read(body)
    return caught.value


def breaches(document):
    """Return what is said of each place in a document."""
    return {breach.pointer: breach.detail for breach in refusal(document).breaches}


def status(body):
    """Return the status of the answer that a body, or a document, would get."""
    try:
        patients.read(body) if isinstance(body, bytes) else read(body)
    except RefusedError as error:
        return error.status
    return 200


@given(a_patient())
def test_a_patient_becomes_a_row_in_the_order_of_the_contract(patient):
    """Of float32, NaN for what is missing, whatever the order in the request."""
    row = read(dict(reversed(patient.items())))

    expected = [math.nan if patient.get(name) is None else patient[name] for name in FEATURES]
    assert row.dtype == np.float32
    np.testing.assert_array_equal(row, np.array([expected], dtype=np.float32))


@given(st.lists(a_patient(), min_size=1, max_size=5))
def test_a_list_becomes_rows_in_its_order(several):
    """Each is what it would be alone."""
    np.testing.assert_array_equal(read(several), np.vstack([read(one) for one in several]))


@given(a_patient(), st.sampled_from(NULLABLE))
def test_null_and_left_out_are_the_same(patient, name):
    """Both say that a value is missing."""
    without = {key: value for key, value in patient.items() if key != name}

    np.testing.assert_array_equal(read({**patient, name: None}), read(without))


@settings(max_examples=500)
@given(almost_a_patient() | anything())
def test_what_the_published_schema_allows_is_read_and_nothing_else(document):
    """A request that keeps the schema is not refused."""
    listed = document if isinstance(document, list) else [document]

    allowed = len(listed) > 0 and all(map(VALIDATOR.is_valid, listed))
    assert status(document) == (200 if allowed else 422)


@given(st.binary() | st.text().map(str.encode) | anything().map(lambda v: json.dumps(v).encode()))
def test_any_body_is_read_or_refused(body):
    """With 422 where it is JSON and 400 where it is not; no other error ever comes out."""
    assert status(body) in ({200, 422} if is_json(body) else {400})


def is_json(body):
    """Say whether bytes are JSON in UTF-8."""
    try:
        json.loads(body.decode(), parse_constant=int)
    except ValueError:
        return False
    return True


@given(
    st.sampled_from([*FEATURES, "disease", "$where"]),
    st.integers(10**6, 10**20) | st.integers(10**6, 10**20).map(str),
)
def test_a_refusal_never_repeats_a_value(name, value):
    """It may be about a patient, and refusals are shown and logged."""
    error = refusal({**PATIENT, name: value})

    assert str(value) not in f"{error.detail} {error.breaches}"


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_a_wrong_value_is_answered_with_what_is_allowed(field):
    """And where it stands, as a JSON pointer."""
    (found,) = breaches({**PATIENT, field.name: "?"}).items()

    assert found == (
        f"#/{field.name}",
        f"must be {field.allowed}{', or null' if field.nullable else ''}",
    )


@pytest.mark.parametrize("name", REQUIRED)
def test_a_required_field_that_is_left_out_is_named(name):
    """With what is allowed in it."""
    without = {key: value for key, value in PATIENT.items() if key != name}

    assert breaches(without) == {f"#/{name}": f"is required: {BY_NAME[name].allowed}"}


def test_everything_that_is_wrong_is_said_at_once():
    """A person mends all of it in one go."""
    error = refusal([PATIENT, {**PATIENT, "age": 17, "sex": 2, "trestbp": 120}, None])

    assert error.detail == "4 things are wrong with the patients of the request"
    assert [breach.pointer for breach in error.breaches] == [
        "#/1",
        "#/1/age",
        "#/1/sex",
        "#/2",
    ]


def test_one_thing_is_one_thing():
    """The sentence is right for one breach too."""
    assert refusal({**PATIENT, "age": 17}).detail == (
        "1 thing is wrong with the patients of the request"
    )


def test_of_many_breaches_the_first_are_listed():
    """The number of all of them is said; the response stays small."""
    error = refusal([{}] * MAXIMUM_PATIENTS)

    assert error.detail == (
        "3000 things are wrong with the patients of the request, the first 100 are listed"
    )
    assert len(error.breaches) == BREACHES_SHOWN == 100


@pytest.mark.parametrize("name", ["trestbp", "Age", "", "age\n", "Ms Smith", "\ud800", "a" * 33])
def test_an_unknown_name_is_not_repeated(name):
    """It may hold more than a name. The patient is pointed at once, with the names that exist."""
    unknown = f"holds an unknown field; known: {', '.join(FEATURES)}"

    assert breaches({**PATIENT, name: 1}) == {"#": unknown}
    assert breaches([{**PATIENT, name: 1, "b": 2}]) == {"#/0": unknown}


def test_as_many_patients_as_are_allowed_are_read():
    """The limit itself is allowed."""
    assert read([PATIENT] * MAXIMUM_PATIENTS).shape == (1000, 13)


@pytest.mark.parametrize("count", [0, MAXIMUM_PATIENTS + 1])
def test_a_request_without_patients_or_with_too_many_is_refused(count):
    """The number is said, and nothing about any patient."""
    error = refusal([PATIENT] * count)

    assert error.status == 422
    assert error.detail == f"a request holds 1 to 1000 patients, not {count}"
    assert error.breaches == ()


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"\xff", "the body is not UTF-8"),
        (b"[" * 100_000, "the body is nested too deeply"),
        (b'{\n"age": 63,\n}', "the body is not JSON from line 3, column 1 on"),
        (b"", "the body is not JSON from line 1, column 1 on"),
        (b"9" * 5_000, "the body holds a number of too many digits"),
        (b'{"age": 1, "age": 2}', "an object of the body repeats a name"),
        (b'{"chol": NaN}', "NaN is not JSON: leave a missing value out, or use null"),
        (b"[-Infinity]", "-Infinity is not JSON: leave a missing value out, or use null"),
    ],
    ids=["bytes", "depth", "comma", "nothing", "digits", "twice", "NaN", "-Infinity"],
)
def test_what_is_no_json_is_refused_with_the_reason(body, detail):
    """And with the place, where there is one."""
    error = refusal(body)

    assert (error.status, error.detail, error.breaches) == (400, detail, ())
