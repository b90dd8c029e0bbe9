"""The running service against its OpenAPI document, as schemathesis sees both."""

import os
import subprocess
import sys
from copy import deepcopy

import pytest

from benchmarks import contract
from pipeline.base.errors import PipelineError
from tests.conftest import ROOT
from tests.serving.hostile import PAGES

CASES = 300
SEED = 1
ROUTES = {"POST /predict", *(f"GET {path}" for path in PAGES)}


@pytest.fixture(scope="session")
def found(process, document, tmp_path_factory):
    """Return what comes out when the service is held against its document."""
    return contract.examine(
        process.address, document, CASES, SEED, tmp_path_factory.mktemp("contract")
    )


def test_every_route_keeps_to_the_document(found):
    """In every check, with what the document allows and with what it forbids."""
    assert {route.name for route in found.routes} == ROUTES
    assert {route.name: route.failures for route in found.routes if route.failures} == {}, (
        found.report
    )


def test_every_route_is_asked_often(found):
    """Each with every method, and the one that takes patients with as many cases as were wanted."""
    cases = {route.name: route.cases for route in found.routes}

    assert cases["POST /predict"] > CASES
    assert min(cases.values()) >= 9


@pytest.fixture(scope="session")
def lies(process, document, tmp_path_factory):
    """Return what comes out when the service is held against a document that is wrong."""
    wrong = deepcopy(document)
    schemas = wrong["components"]["schemas"]
    schemas["Patient"]["properties"]["age"]["maximum"] = 150
    schemas["Patient"]["properties"]["chol"]["maximum"] = 500
    prediction = schemas["Predictions"]["properties"]["predictions"]["items"]
    prediction["properties"]["probability"] = {"type": "number", "minimum": 1, "maximum": 100}
    responses = wrong["paths"]["/predict"]["post"]["responses"]
    responses["200"]["headers"]["trace-id"] = {"required": True, "schema": {"type": "string"}}
    responses["400"]["content"] = {"text/plain": {}}
    del responses["422"]
    wrong["paths"]["/gone"] = {"get": wrong["paths"]["/info"]["get"]}
    return contract.examine(process.address, wrong, 20, SEED, tmp_path_factory.mktemp("lies"))


@pytest.mark.parametrize(
    "lie",
    [
        "Schema-valid request rejected",
        "Schema-violating request accepted",
        "Response violates schema",
        "Missing required response headers",
        "Undocumented Content-Type",
        "Undocumented status code",
    ],
)
def test_a_document_that_is_wrong_is_found_out(lies, lie):
    """Each of the checks above can fail."""
    assert lie in lies.report


def test_the_routes_that_a_document_is_wrong_about_are_counted(lies):
    """And no other."""
    wrong = {route.name for route in lies.routes if route.failures}

    assert wrong == {"POST /predict", "GET /gone"}


def test_an_examination_that_did_not_happen_is_no_success(tmp_path):
    """No service answers at port 1."""
    with pytest.raises(PipelineError, match="schemathesis ended with 2"):
        contract.examine("http://127.0.0.1:1", {"openapi": "3.1.0"}, 1, SEED, tmp_path)


def test_the_command_shows_every_route_and_the_sum(package_folder):
    """And starts the service itself."""
    done = run(str(package_folder), "--cases", "20")

    rows = [
        line.split("\u2502")[1].strip() for line in done.stdout.splitlines() if "\u2502" in line
    ]
    assert done.returncode == 0, done.stderr
    assert rows == [*sorted(ROUTES), "all"]


def test_the_command_explains_itself():
    """With examples that can be copied."""
    assert "python -m benchmarks.contract packages/heart_disease_model_v1" in run("--help").stdout


def test_a_package_that_cannot_be_served_ends_the_command_with_exit_code_1(tmp_path):
    """The service says what is wrong with it."""
    done = run(str(tmp_path))

    assert done.returncode == 1
    assert "holds no manifest.json" in done.stderr


def run(*arguments):
    """Run the command as a person does."""
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.contract", *arguments],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
