"""Registries of every kind, as the tests start and empty them."""

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest
from mlflow import MlflowClient

from pipeline.base.names import FAMILIES, HISTORY, SERVED, registered_name
from pipeline.registry.publishing import Submission
from tests.containers import free_port

SECONDS_TO_START = 60
EXPERIMENT = "tests"
# So begins the name of a file that is still being written; MLflow never lists it.
UNFINISHED = ".artifact.uploading."
ADMIN, CI = "admin", "ci"
# Of both at the server with accounts, which lives as long as the tests.
PASSWORD = "correct-horse"  # noqa: S105


class Store(NamedTuple):
    """Where a registry answers, and the folder below which its files are."""

    uri: str
    folder: Path
    has_accounts: bool = False

    def client(self):
        """Return MLflow's own client, which sees the registry as its owner does."""
        client = MlflowClient(self.uri, self.uri)
        return AsAdmin(client) if self.has_accounts else client

    def path(self, version):
        """Return the folder that holds the files of a version that was published."""
        model_id = version.source.removeprefix("models:/")
        (found,) = self.folder.rglob(f"{model_id}/artifacts")
        return found

    def begin_again(self, name):
        """Delete a registered model and make it anew: the numbers of versions begin again."""
        client = self.client()
        client.delete_registered_model(name)
        client.create_registered_model(name)
        if self.has_accounts:
            accounts(self.uri).grant_user_permission(CI, "registered_model", name, "EDIT")


class Snapshot:
    """An embedded registry as it was once, to be put back for each test that changes it.

    To make one takes MLflow seconds, to put it back takes none.
    """

    def __init__(self, folder: Path) -> None:
        """Remember what stands in the folder of a registry, which nobody uses now."""
        self.folder = folder
        self.uri = f"sqlite:///{folder}/mlflow.db"
        self._kept = shutil.copytree(folder, folder.with_suffix(".kept"))

    def put_back(self):
        """Make the folder hold that again, and nothing else; MLflow may keep its database open."""
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
        without_database = shutil.ignore_patterns("mlflow.db*")
        shutil.copytree(self._kept, self.folder, ignore=without_database, dirs_exist_ok=True)
        with (
            contextlib.closing(sqlite3.connect(self._kept / "mlflow.db")) as kept,
            contextlib.closing(sqlite3.connect(self.folder / "mlflow.db")) as used,
        ):
            kept.backup(used)
        return Store(self.uri, self.folder)


def empty(uri):
    """Remove every registered model, so that the next version is the first again."""
    client = MlflowClient(uri, uri)
    for model in client.search_registered_models():
        client.delete_registered_model(model.name)


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


@contextlib.contextmanager
def with_accounts(folder):
    """Run a server with accounts, set up as a team's is; we are CI, with its grants alone."""
    settings = folder / "basic_auth.ini"
    settings.write_text(
        "[mlflow]\ndefault_permission = NO_PERMISSIONS\ngrant_default_workspace_access = false\n"
        f"auth_cache_ttl_seconds = 3600\ndatabase_uri = sqlite:///{folder}/accounts.db\n"
        f"admin_username = {ADMIN}\n"
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
        auth, client = accounts(address), AsAdmin(MlflowClient(address, address))
        auth.create_user(CI, PASSWORD)
        auth.grant_user_permission(CI, "experiment", client.create_experiment(EXPERIMENT), "EDIT")
        yield Store(address, folder, has_accounts=True)


class AsAdmin:
    """A client of MLflow's that asks as the admin of a server with accounts."""

    def __init__(self, client) -> None:
        """Ask nothing yet."""
        self._client = client

    def __getattr__(self, name):
        """Return one of the client's methods, for the admin."""

        def call(*args, **kwargs):
            with pytest.MonkeyPatch.context() as patch:
                be(ADMIN, patch)
                return getattr(self._client, name)(*args, **kwargs)

        return call


def accounts(uri):
    """Return MLflow's client of the accounts, as the admin."""
    from mlflow.server.auth.client import AuthServiceClient  # noqa: PLC0415 (takes seconds)

    return AsAdmin(AuthServiceClient(uri))


def be(account, patch):
    """Sign in to a server with accounts."""
    patch.setenv("MLFLOW_TRACKING_USERNAME", account)
    patch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)


def empty_of_accounts(uri):
    """Empty a server with accounts, and give CI its models again: grants go with their models."""
    client, auth = AsAdmin(MlflowClient(uri, uri)), accounts(uri)
    models = {*map(registered_name, FAMILIES), SERVED, HISTORY}
    present = {
        model.name: model.last_updated_timestamp > model.creation_timestamp
        for model in client.search_registered_models()
    }
    used = {name for name, changed in present.items() if changed}
    for name in used:
        client.delete_registered_model(name)
    for name in models - (present.keys() - used):
        client.create_registered_model(name)
        auth.grant_user_permission(CI, "registered_model", name, "EDIT")


def submission(**changes):
    """Return a small submission with a key of its own."""
    given = Submission(
        model_name="heart_disease_svm",
        description="A model",
        run_name="svm",
        source_name="pipeline.experiment_tracking",
        user="ann",
        key=uuid.uuid4().hex,
        files={"MLmodel": b"flavors: {}\n", "model.skops": b"skops", "code/a.py": b"a = 1\n"},
        figures={"roc.png": b"png"},
        parameters={"C": "0.5", "exam.folds": "10"},
        metrics={"roc_auc": 0.9, "brier": 0.12},
        tags={"family": "svm", "model_digest": "d" * 64, "git_commit": "c" * 40},
        dataset={
            "name": "cleveland",
            "digest": "e" * 36,
            "source_type": "local",
            "source": '{"uri": "data/processed/training.parquet"}',
        },
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
