"""The OpenAPI document: it is one, it is made from the data contract, and it is true."""

import json

import pytest
import schemathesis
from jsonschema import Draft202012Validator

from pipeline.table.contract import patient_schema
from tests.serving import hostile

ROUTES = {"/predict", *hostile.PAGES}
SCHEMAS = ("Patient", "Predictions", "Problem")


@pytest.fixture(scope="session")
def operations(document):
    """Return every operation by its path."""
    return {path: each for path, item in document["paths"].items() for each in item.values()}


def test_the_document_is_one_of_openapi_3_1(document):
    """By the schema of OpenAPI itself."""
    schemathesis.openapi.from_dict(document).validate()

    assert document["openapi"] == "3.1.0"


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_in_it_is_one(document, name):
    """Of JSON Schema, draft 2020-12, which is that of OpenAPI 3.1."""
    Draft202012Validator.check_schema(document["components"]["schemas"][name])


def test_every_reference_leads_somewhere(document):
    """To one of those schemas."""
    text = json.dumps(document)
    named = {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}

    assert named == set(SCHEMAS) == set(document["components"]["schemas"])


def test_the_service_publishes_this_document(application, document):
    """As JSON, at the path that a refusal of an unknown path names."""
    response = application.get("/openapi.json")

    assert response.headers["content-type"] == "application/json"
    assert response.json() == document


def test_it_names_the_version_that_answers(document, served):
    """A client sees which model the document is about."""
    assert document["info"]["version"] == served.title


def test_it_says_that_this_is_no_medical_device(document):
    """Where a reader begins."""
    assert "Not a medical device" in document["info"]["description"]


def test_every_route_is_described_and_nothing_else(operations):
    """A route that is not described is not checked."""
    assert set(operations) == ROUTES


@pytest.mark.parametrize("path", sorted(ROUTES))
def test_every_response_of_a_route_names_the_model(operations, path):
    """In a header, also where it refuses."""
    for response in operations[path]["responses"].values():
        assert response["headers"]["model-version"]["required"]


@pytest.mark.parametrize("path", sorted(ROUTES))
def test_every_refusal_of_a_route_is_a_problem(operations, path):
    """In the one shape that a client has to know."""
    for status, response in operations[path]["responses"].items():
        if status != "200":
            schema = response["content"]["application/problem+json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/Problem"}


def test_every_status_that_a_body_may_get_is_described(operations):
    """Those of a refusal, the one at capacity, and those that the connection gives."""
    described = set(map(int, operations["/predict"]["responses"]))
    assert described == {200, 400, 413, 415, 422, 429, 408, 431, 503}


def test_the_patient_is_the_one_of_the_data_contract(document):
    """The schema that packages carry, word for word."""
    patient = document["components"]["schemas"]["Patient"]

    assert {"$schema": patient_schema()["$schema"], **patient} == patient_schema()


def test_the_example_is_answered_as_the_document_says(application, document, operations):
    """The service answers it as promised."""
    example = operations["/predict"]["requestBody"]["content"]["application/json"]["example"]
    response = application.predict(example)

    assert response.status_code == 200
    schemas = document["components"]["schemas"]
    assert Draft202012Validator(schemas["Patient"]).is_valid(example)
    Draft202012Validator(schemas["Predictions"]).validate(response.json())


def test_the_body_is_one_patient_or_up_to_1000(operations):
    """Each of them that of the contract."""
    body = operations["/predict"]["requestBody"]["content"]["application/json"]
    one, several = body["schema"]["oneOf"]

    assert one == several["items"] == {"$ref": "#/components/schemas/Patient"}
    assert (several["minItems"], several["maxItems"]) == (1, 1000)
