"""An embedded registry."""

import pytest

from pipeline.base import config
from pipeline.registry.client import Registry
from tests import prepared
from tests.registries import EXPERIMENT, Snapshot, submission


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


class Interrupted(Registry):
    """A registry whose process dies before a version's upload is verified."""

    def _complete(self, version, submission):
        raise KeyboardInterrupt(version.title, submission.key)


@pytest.fixture
def client(store):
    """Return MLflow's own client, which sees the registry as any other program does."""
    return store.client()


@pytest.fixture
def published(registry):
    """Return a version that was published without trouble."""
    return registry.publish(submission())


@pytest.fixture
def interrupted(store, registry):
    """Return what an interrupted publish leaves behind, and the submission it was given."""
    given = submission()
    with pytest.raises(KeyboardInterrupt):
        Interrupted(store.uri, "tests").publish(given)
    (left,) = registry.versions(given.model_name)
    return left, given
