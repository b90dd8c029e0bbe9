"""An embedded registry with two champions, as it is after two promotions."""

from typing import NamedTuple

import pytest
from mlflow import MlflowClient

from pipeline.base import config
from pipeline.base.context import RunContext
from pipeline.base.errors import RegistryError
from pipeline.registry import doctor
from pipeline.registry.client import Registry
from pipeline.registry.history import Promotion
from tests.registries import Snapshot, Store, submission
from tests.stored_models import stored

# A real model, as champions have to be.
MODEL = stored.files_of("scikit-learn-1.8")["svm"]
NAME = "heart_disease_svm"
SERVED = "heart_disease"


def promotion():
    """Return why a version becomes champion."""
    return Promotion(at="2026-01-01", by="ada", action="promoted", reason="better", commit="abc")


def examine(**options):
    """Return what the doctor complains of, or nothing; everything is old enough."""
    try:
        doctor.run(RunContext.read(), grace=0, **options)
    except RegistryError as error:
        return str(error)
    return ""


@pytest.fixture(scope="session")
def promoted(tmp_path_factory):
    """Return a registry in which version 2 has followed version 1 as champion."""
    folder = tmp_path_factory.mktemp("doctor")
    with pytest.MonkeyPatch.context() as patch:
        # Where an embedded registry keeps its files is settled when it is opened first.
        patch.chdir(folder)
        made = Registry(f"sqlite:///{folder}/mlflow.db", "heart-disease")
        for number in (1, 2):
            files = {**submission().files, **MODEL}
            version = made.publish(submission(key=f"job {number}", files=files))
            made.ensure_registered(SERVED, "served")
            verdict = {"gate_outcome": "promote", "gate_verdict": f'{{"number": {number}}}'}
            version = made.tag(version, verdict)
            copied = made.copy(version, SERVED, {})
            for champion in (version, copied):
                made.promote(champion, promotion(), over=made.settle(champion.model_name))
    return Snapshot(folder)


@pytest.fixture
def store(promoted, workspace, monkeypatch):
    """Return where the registry is; the current folder is another one, with the settings."""
    assert workspace.is_dir()
    monkeypatch.setenv(config.TRACKING_URI, promoted.uri)
    monkeypatch.setenv("COLUMNS", "300")
    return promoted.put_back()


@pytest.fixture
def client(store):
    """Return MLflow's own client, with which any user can do damage."""
    return MlflowClient(store.uri, store.uri)


@pytest.fixture
def registry(store):
    """Return the registry that is examined."""
    return Registry(store.uri, "heart-disease")


class World(NamedTuple):
    """A registry, where it is, and a client that may do anything with it."""

    store: Store
    client: MlflowClient
    registry: Registry


@pytest.fixture
def world(store, client, registry):
    """Return all three."""
    return World(store, client, registry)
