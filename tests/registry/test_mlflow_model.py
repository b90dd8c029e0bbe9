"""A version is a model that MLflow loads by itself, and that answers as the champion does."""

import json
import os
import subprocess
import sys
from importlib import metadata

import numpy as np
import pytest
import yaml

from pipeline.base import artifacts
from pipeline.base.names import FAMILIES, registered_name
from pipeline.dataset.tables import read_table
from pipeline.registry.client import Registry
from pipeline.table.contract import FEATURES
from pipeline.training import conversion, persistence
from tests.conftest import ROOT

READ = """
import json, sys, warnings
warnings.simplefilter("ignore")
import mlflow, pandas
table = pandas.read_parquet(sys.argv[1])
"""
# Run where nothing of the repository is in reach.
PYFUNC = """
load = mlflow.pyfunc.load_model
models = {name: load(f"models:/{name}/1") for name in sys.argv[2:]}
answers = {name: model.predict(table)["probability"].tolist() for name, model in models.items()}
print(json.dumps(answers))
"""
# Run in a clone.
SKLEARN = """
load = mlflow.sklearn.load_model
models = {name: load(f"models:/{name}/1") for name in sys.argv[2:]}
answers = {name: model.predict_proba(table)[:, 1].tolist() for name, model in models.items()}
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def patients(registered):
    """Return the 303 patients of the training table."""
    data = artifacts.read_folder(registered / artifacts.PROCESSED, "data_acquisition_eda")
    return read_table(data["training.parquet"])[list(FEATURES)]


@pytest.fixture(scope="module")
def published(registered):
    """Return the files of the first version of each family."""
    with pytest.MonkeyPatch.context() as patch:
        uri = f"sqlite:///{registered}/mlflow.db"
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        registry = Registry(uri, "heart-disease")
        return {f: registry.files(registry.version(registered_name(f), 1)) for f in FAMILIES}


@pytest.fixture(scope="module")
def ask(registered, patients, tmp_path_factory):
    """Return a function that lets a script in a folder load every version and answer."""
    table = tmp_path_factory.mktemp("elsewhere") / "patients.parquet"
    patients.to_parquet(table)

    def asked(script, folder):
        environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run(
            [sys.executable, "-c", READ + script, table, *map(registered_name, FAMILIES)],
            cwd=folder,
            env=environment | {"MLFLOW_TRACKING_URI": f"sqlite:///{registered}/mlflow.db"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return asked


def test_pyfunc_answers_from_the_onnx_file_without_the_repository(
    ask, published, patients, tmp_path
):
    """Exactly what the service answers, which cuts a forest's rounded sum at 1."""
    answers = ask(PYFUNC, tmp_path)

    for family in FAMILIES:
        expected = conversion.probabilities(published[family]["model.onnx"], patients)
        np.testing.assert_array_equal(np.minimum(answers[registered_name(family)], 1), expected)


def test_mlflow_loads_the_fitted_pipeline_in_a_clone(ask, published, patients):
    """It answers exactly as the pipeline that was published."""
    answers = ask(SKLEARN, ROOT)

    for family in FAMILIES:
        pipeline = persistence.load(published[family]["model.skops"])
        expected = pipeline.predict_proba(patients)[:, 1]
        np.testing.assert_array_equal(answers[registered_name(family)], expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_version_carries_no_code(published, family):
    """MLflow would run it where it is stored, and Python would leave its caches there."""
    assert not [name for name in published[family] if name.endswith(".py")]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_model_file_is_the_canonical_one(published, registered, family):
    """The bytes that task 2 wrote, not MLflow's, which differ on every run."""
    on_disk = registered / artifacts.MODELS / family / "model.skops"
    assert published[family]["model.skops"] == on_disk.read_bytes()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_size_is_that_of_what_task_two_wrote(published, registered, family):
    """MLflow itself only saw the unfitted pipeline."""
    written = (registered / artifacts.MODELS / family).iterdir()
    described = yaml.safe_load(published[family]["MLmodel"])
    assert described["model_size_bytes"] == sum(path.stat().st_size for path in written)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_requirements_are_what_is_installed(published, family):
    """Each with its exact version, MLflow's own included; neither tests nor tools among them."""
    lines = published[family]["requirements.txt"].decode().splitlines()
    names = [line.partition("==")[0] for line in lines]

    assert lines == [f"{name}=={metadata.version(name)}" for name in names]
    assert sorted(names) == [
        *("mlflow", "numpy", "onnx", "onnxruntime", "pandas"),
        *("scikit-learn", "scipy", "skops"),
    ]


def test_the_signature_takes_the_thirteen_fields_as_doubles(published):
    """An integer column would refuse a missing value."""
    described = yaml.safe_load(published["svm"]["MLmodel"])
    fields = json.loads(described["signature"]["inputs"])
    assert [(field["name"], field["type"]) for field in fields] == [(f, "double") for f in FEATURES]


def test_the_input_example_is_real_patients(published, patients):
    """A person sees what a request looks like."""
    example = json.loads(published["svm"]["input_example.json"])
    assert example["columns"] == list(FEATURES)
    np.testing.assert_array_equal(example["data"], patients.head(2).to_numpy())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_version_holds_no_pickle(published, family):
    """Nothing that runs code when it is read."""
    assert not [name for name in published[family] if name.endswith((".pkl", ".pickle", ".joblib"))]
