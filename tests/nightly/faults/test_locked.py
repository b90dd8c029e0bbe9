"""An embedded registry that another process writes to: waited for, and said within the time."""

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest

from pipeline.base.errors import RegistryUnavailableError
from pipeline.base.policies import RetryPolicy
from pipeline.registry.client import Registry
from tests.registries import EXPERIMENT, submission

TOTAL = RetryPolicy().total_seconds


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """Return an embedded registry with a version, and the patience of every command."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    registry = Registry(f"sqlite:///{tmp_path}/mlflow.db", EXPERIMENT)
    registry.publish(submission())
    return registry


@contextmanager
def lock(kind):
    """Be another process that writes."""
    with closing(sqlite3.connect("mlflow.db", isolation_level=None)) as other:
        other.execute(f"BEGIN {kind}")
        yield other


@pytest.mark.parametrize("kind", ["IMMEDIATE", "EXCLUSIVE"])
def test_a_lock_that_lasts_is_said_within_the_time(registry, kind):
    """Each attempt waits 20 seconds for SQLite, so there are two; then one line says why."""
    with lock(kind):
        started = time.monotonic()
        with pytest.raises(
            RegistryUnavailableError,
            match=r"mlflow\.db is locked: another process writes to it; wait for it, and run the "
            r"same command again; .* \(asked 2 times in 4\d s: ",
        ):
            registry.publish(submission())
        assert time.monotonic() - started < TOTAL + 1


def test_a_lock_that_passes_delays_what_is_published(registry):
    """As long as the time of all attempts is not over."""
    with lock("IMMEDIATE") as other:
        other.execute("CREATE TABLE another (one)")
        with ThreadPoolExecutor() as pool:
            published = pool.submit(registry.publish, submission())
            time.sleep(25)
            assert not published.done()
            other.execute("COMMIT")

    assert published.result().version == 2
