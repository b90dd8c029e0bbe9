"""A registry that a server keeps."""

import pytest

from pipeline.base import config
from tests import registries
from tests.registries import Store
from tests.registry.conftest import client, interrupted, published, registry
from tests.task3_experiment_tracking.conftest import clone, registered, trained, weak

__all__ = [
    "client",
    "clone",
    "interrupted",
    "published",
    "registered",
    "registry",
    "trained",
    "weak",
]


@pytest.fixture(scope="session")
def server_folder(tmp_path_factory):
    """Return where the server keeps its database and its clients' files."""
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="session")
def server(server_folder):
    """Return the address of an MLflow server that keeps files for its clients."""
    with registries.serving(server_folder, f"sqlite:///{server_folder}/mlflow.db") as address:
        yield address


@pytest.fixture
def store(server, server_folder, monkeypatch):
    """Return the server's registry, empty, and where its files are."""
    monkeypatch.chdir(server_folder)
    monkeypatch.setenv(config.TRACKING_URI, server)
    registries.empty(server)
    return Store(server, server_folder)
