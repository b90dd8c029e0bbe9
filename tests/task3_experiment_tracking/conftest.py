"""What the tests of task 3 share: models trained once, a server, both kinds of registry."""

import contextlib
import os
import shutil
import signal
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
from pipeline.adapters.mlflow_admin import MlflowAdmin
from pipeline.adapters.registry import Registry, Submission
from pipeline.core import access, training
from tests import prepared
from tests.containers import free_port
from tests.faults.servers import postgres
from tests.prepared import be_in

SECONDS_TO_START = 60
EXPERIMENT = "tests"
# Of everybody at the server with accounts, which lives as long as the tests.
PASSWORD = "correct-horse"  # noqa: S105


class Store(NamedTuple):
    """Where a registry answers, and the folder below which its files are."""

    uri: str
    folder: Path
    has_accounts: bool = False

    def client(self):
        """Return MLflow's own client, which sees the registry as its owner does."""
        return Admin(self.uri) if self.has_accounts else MlflowClient(self.uri, self.uri)

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
    with serving(server_folder, f"sqlite:///{server_folder}/mlflow.db") as address:
        yield address


@contextlib.contextmanager
def serving(folder, database, *options, **environment):
    """Run an MLflow server that keeps files for its clients below ``folder``."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--workers", "1", *options),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--backend-store-uri", database),
        *("--serve-artifacts", "--artifacts-destination", str(folder / "artifacts")),
    ]
    ours = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **environment}
    theirs = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=theirs | ours,
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


@pytest.fixture(scope="session")
def with_postgresql(tmp_path_factory):
    """Return a server on PostgreSQL, as a team's is."""
    folder = tmp_path_factory.mktemp("postgresql")
    with postgres() as database, serving(folder, database.uri) as address:
        yield Store(address, folder)


@pytest.fixture(scope="session")
def with_accounts(tmp_path_factory):
    """Return a server with accounts, set up as a team's is; we are CI, with its grants alone."""
    folder = tmp_path_factory.mktemp("accounts")
    settings = folder / "basic_auth.ini"
    settings.write_text(
        "[mlflow]\ndefault_permission = NO_PERMISSIONS\ngrant_default_workspace_access = false\n"
        f"auth_cache_ttl_seconds = 3600\ndatabase_uri = sqlite:///{folder}/accounts.db\n"
        f"admin_username = {access.ADMIN}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    environment = {
        "MLFLOW_AUTH_CONFIG_PATH": str(settings),
        "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": PASSWORD,
        "MLFLOW_ENABLE_WORKSPACES": "true",
    }
    database, options = f"sqlite:///{folder}/mlflow.db", ("--app-name", "basic-auth")
    with serving(folder, database, *options, **environment) as address:
        admin = MlflowAdmin(address, PASSWORD)
        admin.ensure_user(access.CI, PASSWORD)
        for grant in access.wanted(access.CI, admin.ensure_experiment(EXPERIMENT)):
            if grant.kind == access.EXPERIMENT:
                admin.grant(access.CI, grant)
        yield Store(address, folder, has_accounts=True)


class Admin:
    """MLflow's client as the admin of a server with accounts, whoever we are besides."""

    def __init__(self, uri) -> None:
        """Ask nothing yet."""
        self._client = MlflowClient(uri, uri)

    def __getattr__(self, name):
        """Return one of the client's methods, for the admin."""

        def call(*args, **kwargs):
            with pytest.MonkeyPatch.context() as patch:
                be(access.ADMIN, patch)
                return getattr(self._client, name)(*args, **kwargs)

        return call


def be(account, patch):
    """Be somebody to a server with accounts."""
    patch.setenv("MLFLOW_TRACKING_USERNAME", account)
    patch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)


def empty_of_accounts(uri):
    """Empty a server with accounts, and give CI its models again: grants go with their models."""
    client, admin = Admin(uri), MlflowAdmin(uri, PASSWORD)
    present = {
        model.name: model.last_updated_timestamp > model.creation_timestamp
        for model in client.search_registered_models()
    }
    used = {name for name, changed in present.items() if changed}
    for name in used:
        client.delete_registered_model(name)
    for name in set(access.MODELS) - (present.keys() - used):
        admin.ensure_model(name)
        grant = access.Grant(kind=access.MODEL, resource=name, permission="EDIT")
        admin.grant(access.CI, grant)


@pytest.fixture(
    params=[
        *("embedded", "server"),
        *(pytest.param(kind, marks=pytest.mark.once) for kind in ("postgresql", "accounts")),
    ]
)
def store(request, monkeypatch):
    """Return an empty registry, of every kind that there is, and where its files are."""
    if request.param == "embedded":
        folder = request.getfixturevalue("embedded")
        found = Store(f"sqlite:///{folder}/mlflow.db", folder)
    elif request.param == "server":
        found = Store(request.getfixturevalue("server"), request.getfixturevalue("server_folder"))
    else:
        found = request.getfixturevalue(f"with_{request.param}")
    monkeypatch.chdir(found.folder)
    monkeypatch.setenv(config.TRACKING_URI, found.uri)
    if found.has_accounts:
        be(access.CI, monkeypatch)
        empty_of_accounts(found.uri)
    else:
        empty(found.uri)
    return found


@pytest.fixture
def registry(store):
    """Return the registry that is tested."""
    return Registry(store.uri, EXPERIMENT)


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
