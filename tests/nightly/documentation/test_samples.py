"""The answers that the pages show are those of the real pipeline with the settings as they are."""

import json
import os
import re
import subprocess
import sys

import pytest

from pipeline.base import artifacts
from pipeline.serving import model
from tests.conftest import ROOT, lay_out
from tests.serving.conftest import Application

pytestmark = pytest.mark.once

README = (ROOT / "README.md").read_text()
GUIDE = (ROOT / "docs" / "team-workflow.md").read_text()
SERVING = (ROOT / "docs" / "serving.md").read_text()
PRINTED = re.search(r"^They print, shortened:\n\n```\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
PYTHON = re.compile(r"^```python\n(.*?)^# (.*?)\n```$", re.DOTALL | re.MULTILINE)
SCRIPT = re.compile(
    r"^```\n(\.venv/bin/python - <<'EOF'\n[^`]*?^EOF\n)```\n\n```\n(.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
REQUEST = re.compile(r"^curl --json '([^']*)'[^`]*```\n\n```\n(.*?)^```$", re.DOTALL | re.MULTILINE)
REFUSAL = re.compile(r'^```\n(\{"type".*?)^```$', re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """Return a clone in which `make pipeline` ran, with what it printed in ``printed``."""
    folder = tmp_path_factory.mktemp("clone")
    lay_out(folder)
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / "printed").write_text(shown(folder, ".venv/bin/python -m pipeline"))
    return folder


def shown(folder, command):
    """Return what a command prints in a folder."""
    outside = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env=outside | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.fixture(scope="module")
def service(clone):
    """Return the service of the champion's package."""
    return Application(model.load(clone / artifacts.PACKAGES / "heart_disease_model_v1"))


def test_the_readme_shows_lines_that_the_pipeline_prints(clone):
    """In this order; others may stand between them."""
    printed = iter((clone / "printed").read_text().splitlines())

    assert [line for line in PRINTED[1].splitlines() if line not in printed] == []


def test_the_champion_of_the_readme_is_the_champion(clone):
    """As Python gives it."""
    [(code, answer)] = PYTHON.findall(README)

    assert shown(clone, f".venv/bin/python - <<'EOF'\n{code}EOF\n") == f"{answer}\n"


@pytest.mark.parametrize(("script", "answer"), SCRIPT.findall(GUIDE))
def test_a_script_of_the_guide_prints_the_answer_below_it(clone, script, answer):
    """Both the model from the registry and the file of the package."""
    assert shown(clone, script) == answer


@pytest.mark.parametrize(("patient", "answer"), REQUEST.findall(README) + REQUEST.findall(SERVING))
def test_a_patient_of_a_page_gets_the_prediction_below(service, patient, answer):
    """But for the last digits, which differ between processors."""
    found = service.ask("POST", "/predict", json=json.loads(patient)).json()
    [prediction], [expected] = found["predictions"], json.loads(answer)["predictions"]
    expected["probability"] = pytest.approx(expected["probability"], abs=1e-5)

    assert prediction == expected
    assert found["model"] == json.loads(answer)["model"]


def test_a_patient_of_an_impossible_age_gets_the_refusal_that_the_page_shows(service):
    """All of the problem details."""
    [refusal] = REFUSAL.findall(SERVING)
    patient = {"age": 3, "sex": 1, "cp": 1}

    assert service.ask("POST", "/predict", json=patient).json() == json.loads(refusal)


def test_the_pages_have_samples():
    """The checks above would be empty if their patterns found nothing."""
    assert PRINTED
    assert len(SCRIPT.findall(GUIDE)) == 2
    assert [len(REQUEST.findall(page)) for page in (README, SERVING)] == [1, 1]
