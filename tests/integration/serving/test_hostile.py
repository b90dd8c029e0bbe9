"""Hostile requests are refused as they must be, and nothing of them comes back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from pipeline.image import refusals
from pipeline.serving.patients import MAXIMUM_PATIENTS, REQUIRED
from pipeline.table.contract import FIELDS
from tests.serving.hostile import DRAWN, LOWEST, MAXIMUM_BODY, NAMED, NUMBER, PATIENT, WORD

# A number may come back in another form.
SECRETS = (WORD, f"{NUMBER}", f"{NUMBER:,}", f"{NUMBER:x}", f"{NUMBER:g}")
CHUNKED = {"content-type": "application/json", "transfer-encoding": "chunked"}
JSON = "application/json"
# What looks hostile and is not: each body with its media type.
ACCEPTED = {
    "the highest values": (JSON, json.dumps({field.name: field.high for field in FIELDS})),
    "exponents": (JSON, PATIENT.replace(LOWEST["trestbps"], f"{float(LOWEST['trestbps']):e}")),
    "-0": (JSON, PATIENT.replace('"sex": 0', '"sex": -0').replace('"fbs": 0', '"fbs": -0.0')),
    "what is required": (JSON, json.dumps({name: float(LOWEST[name]) for name in REQUIRED})),
    "an escaped name": (JSON, PATIENT.replace("age", "\\u0061g\\u0065")),
    "spaces around the patient": (JSON, f" \t\r\n{PATIENT}\r\n"),
    "as many patients as are allowed": (JSON, f"[{', '.join([PATIENT] * MAXIMUM_PATIENTS)}]"),
    "exactly 1 MiB": (JSON, PATIENT.ljust(MAXIMUM_BODY)),
    "a character set": ("application/json;charset=utf-8", PATIENT),
    "capitals": ('APPLICATION/JSON ; Charset="UTF-8"', PATIENT),
}


def by_name(probe):
    """Name a test by the request."""
    return probe.name


def repeated(text):
    """Name what requests hid and a text holds."""
    return [secret for secret in SECRETS if secret in text]


@pytest.fixture(scope="session")
def refuse(process, document, served):
    """Return a function that sends a request and checks the refusal and the log."""
    problem = Draft202012Validator(document["components"]["schemas"]["Problem"])

    def check(probe):
        answer = process.send(probe)
        assert answer.status == probe.status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["model-version"] == served.title
        problem.validate(answer.json())
        assert answer.json()["status"] == answer.status
        assert repeated(str(answer)) == []
        # The service only ever says where it answers.
        (line,) = process.log.read_text().splitlines()
        assert "answers at http://" in line

    return check


@pytest.mark.parametrize("kind", DRAWN)
@given(drawn=st.data())
def test_a_hostile_request_is_refused(refuse, kind, drawn):
    """With its status and the documented problem; answer and log say nothing of the request."""
    refuse(drawn.draw(DRAWN[kind]))


@pytest.mark.parametrize("probe", NAMED, ids=by_name)
def test_a_request_too_odd_to_be_drawn_is_refused(refuse, probe):
    """In the same way."""
    refuse(probe)


@pytest.mark.parametrize("probe", refusals.REFUSED, ids=by_name)
def test_what_an_image_is_verified_with_is_refused(process, probe):
    """Here without an image, so that the dozen is right before one is built."""
    assert process.send(probe).status == probe.status


@pytest.mark.parametrize(("kind", "body"), ACCEPTED.values(), ids=ACCEPTED)
def test_what_only_looks_hostile_is_answered(process, kind, body):
    """The limits themselves, and other ways to write the same patient."""
    with process.connect() as connection:
        connection.request("POST", "/predict", body, {"content-type": kind})
        answer = connection.getresponse()

        patients = json.loads(body)
        assert answer.status == 200
        predictions = json.loads(answer.read())["predictions"]
        assert len(predictions) == (len(patients) if type(patients) is list else 1)


def test_a_body_in_chunks_is_answered(process):
    """A client need not know its length beforehand."""
    with process.connect() as connection:
        chunks = (PATIENT[n : n + 20].encode() for n in range(0, len(PATIENT), 20))
        connection.request("POST", "/predict", chunks, CHUNKED, encode_chunked=True)

        assert connection.getresponse().status == 200


def test_a_body_in_chunks_is_refused_as_soon_as_it_is_too_large(process):
    """It declares no length, and need not come to an end."""
    with process.connect() as connection:
        connection.putrequest("POST", "/predict")
        for name, value in CHUNKED.items():
            connection.putheader(name, value)
        connection.endheaders()
        size = MAXIMUM_BODY + 1
        connection.send(f"{size:x}\r\n".encode() + b" " * size)

        assert connection.getresponse().status == 413


def test_a_body_that_is_declared_too_large_is_refused_before_it_comes(process):
    """Nothing of it is read."""
    with process.connect() as connection:
        connection.putrequest("POST", "/predict")
        connection.putheader("content-type", "application/json")
        connection.putheader("content-length", f"{MAXIMUM_BODY + 1}")
        connection.endheaders()

        assert connection.getresponse().status == 413


def test_a_connection_outlives_a_body_that_was_refused_unread(process):
    """The rest of that body is not taken for the next request."""
    with process.connect() as connection:
        for body, status in ((" " * (MAXIMUM_BODY + 1), 413), (PATIENT, 200)):
            connection.request("POST", "/predict", body, {"content-type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == status
