"""The oldest MLflow that the documentation names loads the champion from a server of today."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from pipeline import experiment_tracking
from pipeline.base import artifacts, config
from pipeline.base.context import RunContext
from pipeline.base.names import SERVED
from pipeline.dataset.tables import read_table
from pipeline.registry.client import connect
from pipeline.table.contract import FEATURES
from pipeline.training.trained_model import answering
from tests import prepared, registries
from tests.conftest import ROOT
from tests.nightly.libraries.conftest import python_with, surroundings

PAGE = (ROOT / "docs" / "with-mlflow-alone.md").read_text()
OLDEST = int(re.search(r"MLflow 2\.(\d+) or newer", PAGE)[1])
SAMPLE = re.search(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)[1]
SHOW = """
import json
print(json.dumps([mlflow.__version__, patients["probability"].tolist()]))
"""


@pytest.fixture(scope="module")
def champion(tmp_path_factory):
    """Return the address of a server, a folder with patients, and what its champion answers."""
    folder = tmp_path_factory.mktemp("served")
    clone = shutil.copytree(
        prepared.trained(tmp_path_factory.getbasetemp()), tmp_path_factory.mktemp("c") / "clone"
    )
    with (
        registries.serving(folder, f"sqlite:///{folder}/mlflow.db") as address,
        pytest.MonkeyPatch.context() as patch,
    ):
        prepared.be_in(clone, patch)
        patch.setenv(config.TRACKING_URI, address)
        experiment_tracking.run(RunContext.read())
        registry = connect(config.load().registry)
        files = registry.files(registry.champion(SERVED))
        data = artifacts.read_folder(clone / artifacts.PROCESSED, "data_acquisition_eda")
        patients = read_table(data["training.parquet"])[list(FEATURES)]
        patients.convert_dtypes().to_csv(folder / "patients.csv", index=False)
        yield address, folder, answering(files["model.onnx"])(patients)


@pytest.fixture
def ask(request, champion, tmp_path):
    """Let a client of the version 2.N run the sample of the page, and return what became of it."""
    version = f"2.{request.param}.0"
    parts = ("mlflow", "mlflow-skinny")
    python = python_with([f"{part}=={version}" for part in parts], tmp_path / "venv")
    address, folder, _ = champion
    return subprocess.run(
        [python, "-c", SAMPLE.replace("http://localhost:5000", address) + SHOW],
        cwd=folder,
        env=surroundings() | {"PYTHONPATH": ""},
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("ask", [OLDEST], indirect=True)
def test_the_oldest_client_answers_as_the_champion_does(ask, champion):
    """From a table with integers and missing values, as a person has it in a CSV file."""
    assert ask.returncode == 0, ask.stderr[-2000:]
    version, answers = json.loads(ask.stdout.splitlines()[-1])

    assert version == f"2.{OLDEST}.0"
    np.testing.assert_array_equal(np.minimum(answers, 1), champion[2])


@pytest.mark.parametrize("ask", [OLDEST - 1], indirect=True)
def test_the_client_before_knows_no_signature_without_types(ask):
    """So the page names the oldest: where this begins to work, it is to name an older one."""
    assert ask.returncode
    assert "Unsupported type 'any'" in ask.stderr
