"""Everything hostile that we know is refused as it must be, and nothing of it comes back."""

import json
from collections import Counter

import pytest
from jsonschema import Draft202012Validator

from pipeline.image import refusals
from pipeline.table.contract import FEATURES
from tests.serving.hostile import ACCEPTED, MAXIMUM_BODY, NUMBER, PATIENT, REFUSED, WORD

# A number may come back in another form.
SECRETS = (WORD, f"{NUMBER}", f"{NUMBER:,}", f"{NUMBER:x}", f"{NUMBER:g}")
LARGE = next(probe for probe in REFUSED if probe.status == 413)
CHUNKED = {"content-type": "application/json", "transfer-encoding": "chunked"}


def by_name(probe):
    """Name a test by the request."""
    return probe.name


def repeated(text):
    """Name what requests hid and a text holds."""
    return [secret for secret in SECRETS if secret in text]


@pytest.fixture(scope="session")
def problem(document):
    """Return a validator of the problems that the OpenAPI document describes."""
    return Draft202012Validator(document["components"]["schemas"]["Problem"])


@pytest.mark.parametrize("probe", REFUSED, ids=by_name)
def test_a_hostile_request_is_refused(answers, problem, served, probe):
    """With exactly its status and the documented problem, which says nothing of the request."""
    answer = answers[0][probe.name]

    assert answer.status == probe.status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["model-version"] == served.title
    problem.validate(answer.json())
    assert answer.json()["status"] == answer.status
    assert repeated(str(answer)) == []


@pytest.mark.parametrize("probe", refusals.REFUSED, ids=by_name)
def test_what_an_image_is_verified_with_is_refused(process, probe):
    """Here without an image, so that the dozen is right before one is built."""
    assert process.send(probe).status == probe.status


def test_no_hostile_request_leaves_a_trace_in_the_log(answers):
    """All that the service ever said is where it answers: so no value can be in it."""
    (line,) = answers[1].splitlines()

    assert "answers at http://" in line
    assert repeated(line) == []


def test_the_service_is_as_well_as_before(process, answers):
    """After all of them, it answers a patient as its model does."""
    assert len(answers[0]) == len(REFUSED)
    assert process.send(ACCEPTED[0]).status == 200


@pytest.mark.parametrize("probe", ACCEPTED, ids=by_name)
def test_what_only_looks_hostile_is_answered(process, probe):
    """The limits themselves, and every other way to write the same patient."""
    answer = process.send(probe)

    patients = json.loads(probe.body)
    assert answer.status == 200
    assert len(answer.json()["predictions"]) == (len(patients) if type(patients) is list else 1)


def test_a_body_in_chunks_is_answered(process):
    """Nobody has to know its length beforehand."""
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
        for body, status in ((LARGE.body, 413), (PATIENT, 200)):
            connection.request("POST", "/predict", body, {"content-type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == status


def test_the_corpus_is_large_and_no_name_in_it_stands_twice():
    """A name is how a failure is found."""
    assert len(REFUSED) >= 150
    assert Counter(probe.name for probe in REFUSED + ACCEPTED).most_common(1)[0][1] == 1


def test_the_corpus_expects_a_refusal_of_every_kind():
    """Six statuses; none is the service's own fault."""
    assert {probe.status for probe in REFUSED} == {400, 404, 405, 413, 415, 422}


@pytest.mark.parametrize("field", FEATURES)
def test_the_corpus_tries_every_field(field):
    """With every kind of value that is none."""
    names = {probe.name.split(": ")[1] for probe in REFUSED if probe.name.startswith(f"{field}: ")}

    assert names >= {"just below the range", "just above the range", "a text", "true", "1e999"}


def test_the_corpus_hides_something_in_most_requests():
    """Otherwise a service that repeats values would not be found out."""
    hiding = [probe for probe in REFUSED if repeated(f"{probe.path} {probe.headers} {probe.body}")]

    assert len(hiding) > 200
