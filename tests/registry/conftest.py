"""An embedded registry."""

import pytest

from pipeline.base import config
from pipeline.registry.client import Registry
from tests import prepared
from tests.registries import EXPERIMENT, Snapshot


@pytest.fixture(scope="session")
def registered(tmp_path_factory):
    """Return a clone in which the first three tasks ran, with the champion in its own registry."""
    return prepared.registered(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def embedded(tmp_path_factory):
    """Return an empty embedded registry."""
    folder = tmp_path_factory.mktemp("embedded")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Registry(f"sqlite:///{folder}/mlflow.db", EXPERIMENT)
    return Snapshot(folder)


@pytest.fixture
def store(embedded, monkeypatch):
    """Return an empty registry, and where its files are."""
    monkeypatch.chdir(embedded.folder)
    monkeypatch.setenv(config.TRACKING_URI, embedded.uri)
    return embedded.put_back()


@pytest.fixture
def registry(store):
    """Return the registry that is tested."""
    return Registry(store.uri, EXPERIMENT)
