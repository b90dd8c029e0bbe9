"""An embedded registry."""

import pytest

from pipeline.base import config
from pipeline.registry.client import Registry
from tests import prepared
from tests.registries import EXPERIMENT, Store, empty


@pytest.fixture(scope="session")
def registered(tmp_path_factory):
    """Return a clone in which the first three tasks ran, with the champion in its own registry."""
    return prepared.registered(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def embedded(tmp_path_factory):
    """Return the folder of an embedded registry. To make one takes MLflow seconds: it is shared."""
    return tmp_path_factory.mktemp("embedded")


@pytest.fixture
def store(embedded, monkeypatch):
    """Return an empty registry, and where its files are."""
    uri = f"sqlite:///{embedded}/mlflow.db"
    monkeypatch.chdir(embedded)
    monkeypatch.setenv(config.TRACKING_URI, uri)
    empty(uri)
    return Store(uri, embedded)


@pytest.fixture
def registry(store):
    """Return the registry that is tested."""
    return Registry(store.uri, EXPERIMENT)
