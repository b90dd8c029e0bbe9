"""A version is a model that MLflow loads by itself, and that answers as the pipeline does."""

import json
import os
import subprocess
import sys
from importlib import metadata

import numpy as np
import pytest
import yaml

from pipeline import artifacts
from pipeline.adapters.registry import Registry
from pipeline.core import persistence
from pipeline.core.contract import FEATURES
from pipeline.core.policies import FAMILIES
from pipeline.core.promotion import registered_name
from pipeline.core.tables import read_table

# Run where nothing of the repository is in reach.
LOAD = """
import json, sys, warnings
warnings.simplefilter("ignore")
import mlflow, pandas
table = pandas.read_parquet(sys.argv[1])
answers = {}
for name in sys.argv[2:]:
    fitted = mlflow.sklearn.load_model(f"models:/{name}/1")
    anything = mlflow.pyfunc.load_model(f"models:/{name}/1")
    answers[name] = {
        "sklearn": fitted.predict_proba(table)[:, 1].tolist(),
        "pyfunc": anything.predict(table)[:, 1].tolist(),
    }
import pipeline
print(json.dumps({"answers": answers, "code": pipeline.__file__}))
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
def loaded(registered, patients, tmp_path_factory):
    """Load every version with MLflow, in a process that knows nothing of the repository."""
    folder = tmp_path_factory.mktemp("elsewhere")
    patients.to_parquet(folder / "patients.parquet")
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", LOAD, "patients.parquet", *map(registered_name, FAMILIES)],
        cwd=folder,
        env=environment | {"MLFLOW_TRACKING_URI": f"sqlite:///{registered}/mlflow.db"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("way", ["sklearn", "pyfunc"])
@pytest.mark.parametrize("family", FAMILIES)
def test_mlflow_loads_a_version_that_answers_as_the_pipeline(
    loaded, published, patients, family, way
):
    """Exactly, for all 303 patients."""
    pipeline = persistence.load(published[family]["model.skops"])
    expected = pipeline.predict_proba(patients)[:, 1]
    np.testing.assert_array_equal(loaded["answers"][registered_name(family)][way], expected)


def test_a_version_brings_the_code_that_it_needs(loaded):
    """The blocks that scikit-learn does not have come from the version, not from a clone."""
    assert "/code/pipeline/" in loaded["code"]


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
    assert sorted(names) == ["mlflow", "numpy", "pandas", "scikit-learn", "scipy", "skops"]


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
