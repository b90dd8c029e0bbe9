"""However a person reads a version with MLflow, it stays what was published."""

import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from benchmarks.rivals import mlflow_sklearn
from pipeline.base import config
from pipeline.base.artifacts import files_below
from pipeline.base.context import RunContext
from pipeline.base.errors import RegistryError
from pipeline.base.names import SERVED
from pipeline.model_packaging import ModelPackager
from pipeline.registry import doctor
from pipeline.registry.client import connect
from tests import prepared
from tests.conftest import ROOT
from tests.containers import free_port
from tests.prepared import be_in
from tests.registries import submission, wait_for

CHAMPION = f"models:/{SERVED}@champion"
# Of MLflow's command line; the serving of a model is asked below.
COMMANDS = {
    "pyfunc": ["-c", f"import mlflow; mlflow.pyfunc.load_model('{CHAMPION}')"],
    "sklearn": ["-c", f"import mlflow.sklearn; mlflow.sklearn.load_model('{CHAMPION}')"],
    "onnx": ["-c", f"import mlflow.onnx; mlflow.onnx.load_model('{CHAMPION}')"],
    "download": ["-m", "mlflow", "artifacts", "download", "--artifact-uri", CHAMPION],
    "dependencies": [
        "-c",
        f"import mlflow; mlflow.pyfunc.get_model_dependencies('{CHAMPION}')",
    ],
}


def as_a_person(uri):
    """Return the environment of a person: Python keeps its caches, and the registry is named."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    # MLflow starts uvicorn by its name.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return kept | {"MLFLOW_TRACKING_URI": uri, "PATH": path}


def python(arguments, folder, uri):
    """Run Python as a person does."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=as_a_person(uri),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def context(registered, monkeypatch):
    """Return what a command reads in a clone with a champion, whose versions are not changed."""
    be_in(registered, monkeypatch)
    return RunContext.read()


@pytest.mark.parametrize("way", COMMANDS)
def test_the_registry_stays_healthy_when_a_person_reads_the_champion(context, way, capsys):
    """Whether or not the code of this repository can be imported there."""
    python(COMMANDS[way], ROOT, context.settings.registry.tracking_uri)

    doctor.run(context)
    assert "healthy" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "path"),
    [
        (["models", "serve", "--model-uri", CHAMPION, "--env-manager", "local"], "/ping"),
        (["ui", "--workers", "1"], "/health"),
    ],
    ids=["serve", "ui"],
)
def test_the_registry_stays_healthy_when_a_server_reads_it(
    context, command, path, capsys, tmp_path
):
    """MLflow's own page, and its own service of the champion."""
    port, uri = free_port(), context.settings.registry.tracking_uri
    store = ["--backend-store-uri", uri] if command[0] == "ui" else []
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", *command, *store, "--port", str(port)],
        cwd=tmp_path,
        env=as_a_person(uri) | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}{path}", process)
        if command[0] == "ui":
            look_at_the_champion(f"http://127.0.0.1:{port}", context.settings)
    finally:
        process.terminate()
        process.wait(timeout=30)

    doctor.run(context)
    assert "healthy" in capsys.readouterr().out


def look_at_the_champion(address, settings):
    """Ask MLflow's page for a file of the champion, as a click on it does."""
    version = connect(settings.registry).champion(SERVED)
    asked = f"model-versions/get-artifact?path=MLmodel&name={SERVED}&version={version.version}"
    with urllib.request.urlopen(f"{address}/{asked}") as answer:  # noqa: S310 (our own server)
        assert b"flavors" in answer.read()


@pytest.fixture
def with_code(clone, registered, tmp_path, tmp_path_factory):
    """Return a registry with a version that carries code, as at first, and that was loaded."""
    package = prepared.packaged(tmp_path_factory.getbasetemp()) / "packages/heart_disease_model_v1"
    mlflow_sklearn.save(package, tmp_path / "saved")
    with pytest.MonkeyPatch.context() as patch:
        be_in(registered, patch)
        source = connect(config.load().registry)
        published = source.files(source.champion(SERVED))
    saved = files_below(tmp_path / "saved")
    files = {**published, **saved, "model.skops": published["model.skops"]}
    registry = connect(config.load().registry)
    version = registry.publish(submission(model_name=SERVED, files=files))
    load = f"import mlflow; mlflow.pyfunc.load_model('models:/{version.title}')"
    python(["-c", load], tmp_path.parent, config.load().registry.tracking_uri)
    assert list(clone.rglob("artifacts/code/**/__pycache__/*.pyc"))
    return registry, version


def test_a_version_with_code_can_be_read_after_python_left_its_caches_in_it(with_code):
    """The caches are no part of it: every file that was published is as it was."""
    registry, version = with_code

    files = registry.files(version)

    assert "code/pipeline/core/transformers.py" in files
    assert not [name for name in files if "__pycache__" in name]


def test_the_package_of_a_version_with_code_holds_no_caches(with_code):
    """They would run where the package is used."""
    _, version = with_code
    folder = ModelPackager().create_package(SERVED, version.version)

    assert [*folder.rglob("core/transformers.py")]
    assert not [*folder.rglob("*.pyc")]


def test_other_files_beside_the_code_of_a_version_are_still_refused(with_code, clone):
    """Only the folder that Python names is left out."""
    registry, version = with_code
    (core,) = clone.rglob("artifacts/code/pipeline/core")
    (core / "planted.py").write_text("")

    with pytest.raises(RegistryError, match=r"code/pipeline/core/planted.py is not expected"):
        registry.files(version)
