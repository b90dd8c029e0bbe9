"""A version is a model that MLflow loads by itself, and that answers as the champion does."""

import io
import json
import os
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml
from mlflow.models import infer_signature

from pipeline.base import artifacts
from pipeline.base.names import FAMILIES, registered_name
from pipeline.dataset.tables import read_table
from pipeline.registry import loader
from pipeline.registry.client import Registry
from pipeline.table.contract import FEATURES
from pipeline.training.trained_model import answering
from tests.conftest import ROOT
from tests.model_files import loaded

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
    ask, registered, published, patients, tmp_path
):
    """Exactly what the service answers, which cuts a forest's rounded sum at 1."""
    answers = ask(PYFUNC, tmp_path)

    assert not [*registered.rglob("__pycache__")]
    for family in FAMILIES:
        expected = answering(published[family]["model.onnx"])(patients)
        np.testing.assert_array_equal(np.minimum(answers[registered_name(family)], 1), expected)


def test_mlflow_loads_the_fitted_pipeline_in_a_clone(ask, published, patients):
    """It answers exactly as the pipeline that was published."""
    answers = ask(SKLEARN, ROOT)

    for family in FAMILIES:
        pipeline = loaded(published[family]["model.skops"])
        expected = pipeline.predict_proba(patients)[:, 1]
        np.testing.assert_array_equal(answers[registered_name(family)], expected)


@pytest.fixture(scope="module")
def svm(published, tmp_path_factory):
    """Return a version as MLflow loads it."""
    folder = tmp_path_factory.mktemp("svm")
    for name, content in published["svm"].items():
        (folder / name).write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        # MLflow leaves the version's code on the path.
        patch.setattr(sys, "path", [*sys.path])
        return mlflow.pyfunc.load_model(str(folder))


def as_csv(table):
    """Return what pandas reads from a table that a person saved: whole numbers without a point."""
    return pd.read_csv(io.StringIO(table.convert_dtypes().to_csv(index=False)))


FORMS = {
    "integers and fractions, from CSV": as_csv,
    "integers alone": lambda table: table.fillna(1).astype("int64"),
    "one patient, with None": lambda table: (
        table.fillna(1).head(1).astype(object).assign(thal=None)
    ),
    "None in columns of objects": lambda table: table.astype(object).where(table.notna(), None),
    "nullable integers": lambda table: table.convert_dtypes(),
    "float32": lambda table: table.astype("float32"),
    "numbers as text": lambda table: table.astype(object).where(table.isna(), table.astype(str)),
    "truth values": lambda table: table.fillna(1).astype({"sex": bool, "exang": bool}),
    "columns in another order": lambda table: table[table.columns[::-1]],
    "a column more": lambda table: table.assign(name="Ann"),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_pyfunc_takes_numbers_of_every_type(svm, published, patients, form):
    """The same numbers get the same answers, exactly those of the ONNX file."""
    given = form(patients)

    answers = svm.predict(given)["probability"]

    numbers = given[list(FEATURES)].astype("Float64").astype("float64")
    np.testing.assert_array_equal(answers, answering(published["svm"]["model.onnx"])(numbers))


def test_an_answer_has_the_index_of_its_patient(svm, patients):
    """A person who joins the answers to a part of a table joins each to its own patient."""
    some = patients.sample(20, random_state=1)
    assert svm.predict(some).index.equals(some.index)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda table: table.rename(columns={"chol": "cholesterol"}),
            r"missing inputs \['chol'\]. Note that there were extra inputs: \['cholesterol'\]",
        ),
        (lambda table: table.drop(columns="thal"), r"missing inputs \['thal'\]"),
        (
            lambda table: table.astype({"sex": object}).assign(sex="male"),
            "could not convert string to float: 'male'.* column 'sex'",
        ),
    ],
    ids=["misspelt", "missing", "text"],
)
def test_pyfunc_names_the_column_that_is_wrong(svm, patients, change, said):
    """A missing one, a misspelt one, and one with a value that is not a number."""
    with pytest.raises(Exception, match=said):
        svm.predict(change(patients))


def test_the_signature_says_what_is_answered(svm, patients):
    """Name and type are those of the real answer."""
    inferred = infer_signature(patients, svm.predict(patients))
    assert svm.metadata.signature.outputs == inferred.outputs


@pytest.mark.parametrize("family", FAMILIES)
def test_the_code_of_a_version_is_the_loader(published, family):
    """And no other code, in an archive, beside which Python leaves no caches."""
    with zipfile.ZipFile(io.BytesIO(published[family]["code.zip"])) as archive:
        (module,) = archive.namelist()
        assert archive.read(module) == Path(loader.__file__).read_bytes()

    assert yaml.safe_load(published[family]["MLmodel"])["flavors"]["python_function"].items() >= {
        ("loader_module", module.removesuffix(".py")),
        ("code", "code.zip"),
    }
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


def test_the_signature_names_the_thirteen_fields(published):
    """Each is needed; a type of MLflow's would refuse numbers of other types."""
    described = yaml.safe_load(published["svm"]["MLmodel"])
    fields = json.loads(described["signature"]["inputs"])
    expected = [{"name": name, "type": "any", "required": True} for name in FEATURES]
    assert fields == expected


def test_the_input_example_is_real_patients(published, patients):
    """A person sees what a request looks like."""
    example = json.loads(published["svm"]["input_example.json"])
    assert example["columns"] == list(FEATURES)
    np.testing.assert_array_equal(example["data"], patients.head(2).to_numpy())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_version_holds_no_pickle(published, family):
    """Nothing that runs code when it is read."""
    assert not [name for name in published[family] if name.endswith((".pkl", ".pickle", ".joblib"))]
