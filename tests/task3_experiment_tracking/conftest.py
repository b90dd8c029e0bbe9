"""What the tests of task 3 share: models trained once, a server, both kinds of registry."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from mlflow import MlflowClient

from pipeline import config, workspace
from pipeline.adapters.registry import Registry, Submission
from pipeline.core import training
from tests import prepared
from tests.prepared import be_in

SECONDS_TO_START = 60


class Store(NamedTuple):
    """Where a registry answers, and the folder below which its files are."""

    uri: str
    folder: Path

    def path(self, version):
        """Return the folder that holds the files of a version that was published."""
        model_id = version.source.removeprefix("models:/")
        (found,) = self.folder.rglob(f"{model_id}/artifacts")
        return found


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Return a clone in which tasks 1 and 2 ran once; tests work in copies of it."""
    return prepared.trained(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def weak(trained):
    """Return the files of ``models/`` with one small tree in the place of every family.

    It separates the outcomes, but worse than any of the families. The figures are its own.
    """
    with pytest.MonkeyPatch.context() as patch:
        be_in(trained, patch)
        plan, data, models = config.load().training, workspace.read_data(), workspace.read_models()
    forest = plan.models.random_forest.model_copy(
        update={"n_estimators": 1, "min_samples_leaf": 40}
    )
    one_tree = plan.model_copy(
        update={"models": plan.models.model_copy(update={"random_forest": forest})}
    )
    fitted = training.fit("random_forest", data, one_tree, 1, lambda items, _: items)
    tree = training.describe("random_forest", fitted, data, one_tree)
    planted = {
        family: replace(
            tree,
            parameters=model.parameters,
            evaluation=tree.evaluation.model_copy(update={"family": family}),
        )
        for family, model in models.items()
    }
    return {
        f"{family}/{name}": content
        for family, model in planted.items()
        for name, content in model.files().items()
    }


@pytest.fixture(scope="session")
def registered(tmp_path_factory):
    """Return a clone in which task 3 ran once too, with the champion in its own registry."""
    return prepared.registered(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def server_folder(tmp_path_factory):
    """Return where the server keeps its database and its clients' files."""
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="session")
def server(server_folder):
    """Return the address of an MLflow server that keeps files for its clients."""
    folder = server_folder
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
        *("--serve-artifacts", "--artifacts-destination", str(folder / "artifacts")),
    ]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={k: v for k, v in environment.items() if k != "MLFLOW_TRACKING_URI"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def wait_for(address, process):
    """Wait until a server answers at ``address``; fail when it ended or takes too long."""
    give_up = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < give_up and process.poll() is None:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(address, timeout=5).close()  # noqa: S310 (our own server)
            return
        time.sleep(0.2)
    pytest.fail(f"nothing answers at {address}")


def empty(uri):
    """Remove every registered model, so that the next version is the first again."""
    client = MlflowClient(uri, uri)
    for model in client.search_registered_models():
        client.delete_registered_model(model.name)


@pytest.fixture
def clone(trained, tmp_path, monkeypatch):
    """Return a copy of the trained clone as the current folder, with an empty embedded registry."""
    folder = shutil.copytree(trained, tmp_path / "clone")
    be_in(folder, monkeypatch)
    return folder


@pytest.fixture(scope="session")
def embedded(tmp_path_factory):
    """Return the folder of an embedded registry. To make one takes MLflow seconds: it is shared."""
    return tmp_path_factory.mktemp("embedded")


@pytest.fixture(params=["embedded", "server"])
def store(request, monkeypatch):
    """Return an empty registry, embedded or behind a server, and where its files are."""
    if request.param == "server":
        folder, uri = request.getfixturevalue("server_folder"), request.getfixturevalue("server")
    else:
        folder = request.getfixturevalue("embedded")
        uri = f"sqlite:///{folder}/mlflow.db"
    monkeypatch.chdir(folder)
    monkeypatch.setenv(config.TRACKING_URI, uri)
    empty(uri)
    return Store(uri, folder)


@pytest.fixture
def registry(store):
    """Return the registry that is tested."""
    return Registry(store.uri, "tests")


def submission(**changes):
    """Return a small submission with a key of its own."""
    given = Submission(
        model_name="heart_disease_svm",
        description="A model",
        run_name="svm",
        source_name="pipeline.experiment_tracking",
        key=uuid.uuid4().hex,
        files={"MLmodel": b"flavors: {}\n", "model.skops": b"skops", "code/a.py": b"a = 1\n"},
        figures={"roc.png": b"png"},
        parameters={"C": "0.5", "exam.folds": "10"},
        metrics={"roc_auc": 0.9, "brier": 0.12},
        tags={"family": "svm", "model_digest": "d" * 64, "git_commit": "c" * 40},
        dataset="cleveland",
        dataset_digest="e" * 64,
        dataset_source="data/processed/training.parquet",
    )
    return given.model_copy(update=changes)


def counts(uri):
    """Return how many runs, registered models and versions of each model a registry holds."""
    client = MlflowClient(uri, uri)
    experiments = [found.experiment_id for found in client.search_experiments()]
    return {
        "runs": len(client.search_runs(experiments)),
        "models": len(client.search_registered_models()),
        **Counter(version.name for version in client.search_model_versions()),
    }
