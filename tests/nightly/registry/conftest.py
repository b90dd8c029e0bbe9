"""Registries as teams have them: on PostgreSQL, and with accounts."""

import pytest

from pipeline.base import config
from tests import registries
from tests.databases import postgres
from tests.registries import Store
from tests.registry.conftest import client, interrupted, published, registry

__all__ = ["client", "interrupted", "published", "registry"]


@pytest.fixture(scope="session")
def on_postgresql(tmp_path_factory):
    """Return a server on PostgreSQL, as a team's is."""
    folder = tmp_path_factory.mktemp("postgresql")
    with postgres() as database, registries.serving(folder, database.uri) as address:
        yield Store(address, folder)


@pytest.fixture(scope="session")
def with_accounts(tmp_path_factory):
    """Return a server with accounts, at which we are CI."""
    with registries.with_accounts(tmp_path_factory.mktemp("accounts")) as store:
        yield store


@pytest.fixture(params=["on_postgresql", "with_accounts"])
def store(request, monkeypatch):
    """Return an empty registry of either kind, and where its files are."""
    store = request.getfixturevalue(request.param)
    monkeypatch.chdir(store.folder)
    monkeypatch.setenv(config.TRACKING_URI, store.uri)
    if store.has_accounts:
        registries.be(registries.CI, monkeypatch)
        registries.empty_of_accounts(store.uri)
    else:
        registries.empty(store.uri)
    return store
