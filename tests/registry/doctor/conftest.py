"""An embedded registry with two champions, as it is after two promotions."""

from typing import NamedTuple

import pytest
from mlflow import MlflowClient

from pipeline.base import config
from pipeline.registry.client import Registry
from pipeline.registry.history import Promotion
from tests.registries import Store, empty, submission

NAME = "heart_disease_svm"
SERVED = "heart_disease"


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Return the folder of the registry. To make one takes MLflow seconds: it is shared."""
    return tmp_path_factory.mktemp("doctor")


@pytest.fixture
def store(folder, workspace, monkeypatch):
    """Return where the registry is; the current folder is another one, with the settings."""
    assert workspace.is_dir()
    uri = f"sqlite:///{folder}/mlflow.db"
    monkeypatch.setenv(config.TRACKING_URI, uri)
    monkeypatch.setenv("COLUMNS", "300")
    # Where an embedded registry keeps its files is settled when it is opened first.
    monkeypatch.chdir(folder)
    empty(uri)
    client = MlflowClient(uri, uri)
    for experiment in client.search_experiments():
        for run in client.search_runs([experiment.experiment_id]):
            client.delete_run(run.info.run_id)
    monkeypatch.chdir(workspace)
    return Store(uri, folder)


@pytest.fixture
def client(store):
    """Return MLflow's own client, with which any user can do damage."""
    return MlflowClient(store.uri, store.uri)


def promotion():
    """Return why a version becomes champion."""
    return Promotion(at="2026-01-01", by="ada", action="promoted", reason="better", commit="abc")


@pytest.fixture
def registry(store):
    """Return a registry in which version 2 has followed version 1 as champion."""
    made = Registry(store.uri, "heart-disease")
    for number in (1, 2):
        version = made.publish(submission(key=f"job {number}"))
        made.ensure_registered(SERVED, "served")
        copied = made.copy(version, SERVED, {})
        for promoted in (version, copied):
            made.promote(promoted, promotion(), over=made.settle(promoted.model_name))
    return made


class World(NamedTuple):
    """A registry, where it is, and a client that may do anything with it."""

    store: Store
    client: MlflowClient
    registry: Registry


@pytest.fixture
def world(store, client, registry):
    """Return all three."""
    return World(store, client, registry)
