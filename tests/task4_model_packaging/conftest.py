"""What the tests of task 4 share: a folder in which the tasks ran once, and the package it gave."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from pipeline import experiment_tracking
from pipeline.base import artifacts, config
from pipeline.base.context import RunContext
from pipeline.base.names import FAMILIES, SERVED, registered_name
from pipeline.model_packaging import ModelPackager
from pipeline.table import parsing
from pipeline.table.contract import FEATURES
from pipeline.training import trained_model
from tests import prepared
from tests.conftest import ROOT, lay_out

# Every file of a package, as the guide lists them.
TREE = (
    "MODEL_CARD.md",
    "deployment/compose.yaml",
    "deployment/kubernetes/autoscaler.yaml",
    "deployment/kubernetes/deployment.yaml",
    "deployment/kubernetes/disruption-budget.yaml",
    "deployment/kubernetes/kustomization.yaml",
    "deployment/kubernetes/network-policy.yaml",
    "deployment/kubernetes/service.yaml",
    "environment/conda.yaml",
    "environment/packaged_with.json",
    "environment/python_env.yaml",
    "environment/requirements.txt",
    "golden_patients.json",
    "manifest.json",
    "model/code.zip",
    "model/mlflow/MLmodel",
    "model/mlflow/answers.parquet",
    "model/mlflow/code.zip",
    "model/mlflow/conda.yaml",
    "model/mlflow/input_example.json",
    "model/mlflow/metrics.json",
    "model/mlflow/model.onnx",
    "model/mlflow/model.skops",
    "model/mlflow/parameters.json",
    "model/mlflow/python_env.yaml",
    "model/mlflow/recipe.json",
    "model/mlflow/requirements.txt",
    "model/mlflow/serving_input_example.json",
    "model/model.joblib",
    "model/model.onnx",
    "model/model.skops",
    "patient.schema.json",
)
# The champion, and version 1 of each family.
PACKAGED = (SERVED, *map(registered_name, FAMILIES))


@pytest.fixture(scope="session")
def factory(tmp_path_factory):
    """Return a folder in which tasks 1 to 3 ran, then task 4 for the champion and each family."""
    trained = prepared.trained(tmp_path_factory.getbasetemp())
    folder = shutil.copytree(trained, tmp_path_factory.mktemp("factory") / "clone")
    with pytest.MonkeyPatch.context() as patch:
        prepared.be_in(folder, patch)
        context = RunContext.read()
        experiment_tracking.run(context)
        packager = ModelPackager(context.settings)
        for model_name in PACKAGED:
            packager.create_package(model_name, 1)
    return folder


@pytest.fixture(scope="session")
def tracking_uri(factory):
    """Return the address of the registry that holds version 1 of every model."""
    return f"sqlite:///{factory}/mlflow.db"


@pytest.fixture
def place(tmp_path, monkeypatch, tracking_uri):
    """Return an empty clone as the current folder, whose registry is the factory's."""
    lay_out(tmp_path)
    prepared.be_in(tmp_path, monkeypatch)
    monkeypatch.setenv(config.TRACKING_URI, tracking_uri)
    return tmp_path


@pytest.fixture
def packager(place):
    """Return a packager that works in ``place``."""
    assert place.is_dir()
    return ModelPackager()


@pytest.fixture(scope="session")
def files(factory):
    """Return the files of the champion's package; no test changes them."""
    return artifacts.files_below(factory / "packages" / f"{SERVED}_model_v1")


@pytest.fixture
def copied(factory, place):
    """Return a copy of the champion's package, to be damaged."""
    return Path(shutil.copytree(factory / "packages" / f"{SERVED}_model_v1", place / "copied"))


@pytest.fixture(scope="session")
def trained(factory):
    """Return each family's model, as task 2 wrote it."""
    folders = {family: artifacts.files_below(factory / "models" / family) for family in FAMILIES}
    return {family: trained_model.read(found, family) for family, found in folders.items()}


@pytest.fixture(scope="session")
def patients(parsed):
    """Return the features of all 920 patients."""
    tables = [parsing.training_table(parsed), parsing.external_table(parsed)]
    return pd.concat(tables, ignore_index=True)[list(FEATURES)]


@pytest.fixture
def command(place):
    """Return a function that runs a Python command in ``place``, as a person does."""

    def run(*arguments, cwd=place, umask=-1, **environment):
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", **environment},
            umask=umask,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def only_line(done):
    """Return the one line of an expected error."""
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    return done.stderr
