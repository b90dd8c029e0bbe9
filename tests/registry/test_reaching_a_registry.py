"""A registry that does not answer, or is none: one line, at once."""

import os
import re
import sqlite3
import subprocess
import sys
import time
from collections import deque
from contextlib import closing

import pytest
import sqlalchemy
from mlflow import MlflowClient

from pipeline.base.errors import RegistryError, RegistryUnavailableError
from pipeline.base.policies import RetryPolicy
from pipeline.registry import mlflow_calls
from pipeline.registry.client import Registry
from pipeline.registry.mlflow_calls import MlflowCalls, plain
from tests.conftest import ROOT
from tests.containers import free_port
from tests.registries import submission

NAME = "heart_disease_svm"


def command(uri):
    """Ask the registry at ``uri`` for the champion as a task does, in a process of its own."""
    code = (
        "from pipeline.base import cli\nfrom pipeline.registry.client import Registry\n"
        "from pipeline.base.policies import RetryPolicy\n"
        "def ask() -> None:\n  'Ask.'\n"
        f"  registry = Registry({str(uri)!r}, 'e', RetryPolicy(total_seconds=1))\n"
        "  print(registry.champion('heart_disease'))\ncli.run(ask)"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_server_that_does_not_answer_is_one_line_and_exit_code_4():
    """With the next step, within seconds of MLflow's import."""
    uri = f"http://127.0.0.1:{free_port()}"
    done = command(uri)

    assert done.stderr.startswith(
        f"error: the registry at {uri} does not answer: start it, or unset MLFLOW_TRACKING_URI"
    )
    assert done.stderr.count("\n") == 1
    assert done.returncode == 4


def test_a_server_that_does_not_answer_is_asked_until_the_time_is_over(tmp_path, monkeypatch):
    """Not longer: MLflow's client alone would try for minutes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    policy = RetryPolicy(total_seconds=3, wait_seconds=0.2)
    started = time.monotonic()
    with pytest.raises(
        RegistryUnavailableError, match=r"\(asked \d+ times in [123] s: "
    ) as refused:
        Registry(f"http://127.0.0.1:{free_port()}", "tests", policy).versions(NAME)
    assert time.monotonic() - started < 3.5
    assert int(re.search(r"asked (\d+) times", str(refused.value))[1]) > 4


def test_a_race_is_not_repeated_as_long_as_a_restart_may_take(registry, store, monkeypatch):
    """The database refuses what another client has set meanwhile; here it does so for good."""
    registry.publish(submission())
    raced = "BEGIN SELECT RAISE(ABORT, 'raced'); END"
    with closing(sqlite3.connect(store.folder / "mlflow.db")) as database:
        database.execute(f"CREATE TRIGGER t BEFORE INSERT ON registered_model_tags {raced}")
    calls, asked = MlflowCalls(store.uri, RetryPolicy()), []
    monkeypatch.setattr(mlflow_calls, "_RACE_SECONDS", 1)

    def lose(client):
        asked.append(time.monotonic())
        client.set_registered_model_tag(NAME, "a", "b")

    try:
        with pytest.raises(RegistryError, match=r"refused: .*raced"):
            calls.ask(lose)
    finally:
        with closing(sqlite3.connect(store.folder / "mlflow.db")) as database:
            database.execute("DROP TRIGGER t")
    assert len(asked) > 1
    assert asked[-1] - asked[0] < 2


def test_a_lock_that_lasts_is_said_when_the_time_is_over(tmp_path, monkeypatch):
    """Another process writes to the file all the time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    assert Registry(uri, "tests").versions(NAME) == []
    started = time.monotonic()
    with closing(sqlite3.connect("mlflow.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(RegistryUnavailableError, match="is locked: another process writes to"):
            Registry(uri, "tests", RetryPolicy(total_seconds=1))
    assert 1 <= time.monotonic() - started < 3


def test_a_full_database_is_called_that_and_asked_once(tmp_path, monkeypatch):
    """SQLite may take no further page: asking again makes no room."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    uri, asked = f"sqlite:///{tmp_path}/mlflow.db", []
    calls = MlflowCalls(uri, RetryPolicy())
    calls.ask(lambda client: client.create_registered_model(NAME))

    def write(client):
        asked.append(time.monotonic())
        client.set_registered_model_tag(NAME, f"tag {len(asked)}", "b" * 5000)

    engine = plain(MlflowClient(uri, uri)).store.engine
    sqlalchemy.event.listen(engine, "checkout", let_it_grow_no_more)
    with pytest.raises(RegistryUnavailableError, match="the disk of this machine is full: make r"):
        deque(calls.ask(write) for _ in range(99))
    assert time.monotonic() - asked[-1] < 1


def let_it_grow_no_more(connection, *_):
    """Give a SQLite file no page more than it has."""
    connection.execute("PRAGMA max_page_count = 1")


def test_a_password_in_the_address_is_never_shown(tmp_path, monkeypatch):
    """Neither by us nor in what MLflow says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    address = f"http://ann:secret@127.0.0.1:{free_port()}"
    with pytest.raises(RegistryUnavailableError) as refused:
        Registry(address, "tests", RetryPolicy(total_seconds=0)).versions(NAME)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("address", "explanation"),
    [
        ("sqlite:///folder", "the registry folder cannot be opened: unable to open database file"),
        ("sqlite:///text", "the registry text cannot be opened: file is not a database"),
        ("sqlite:///text/mlflow.db", "the registry text/mlflow.db cannot be opened: "),
    ],
    ids=["a folder", "another file", "below a file"],
)
def test_an_address_that_is_no_registry_is_one_line(tmp_path, monkeypatch, address, explanation):
    """At once, and without a traceback."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("This is no database, but long enough to be taken for one." * 9)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    started = time.monotonic()
    with pytest.raises(RegistryError) as refused:
        Registry(address, "tests").versions(NAME)

    assert str(refused.value).startswith(explanation)
    assert time.monotonic() - started < 5


def test_an_embedded_registry_may_stand_in_a_new_folder(tmp_path, monkeypatch):
    """The folder is made."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    assert Registry(f"sqlite:///{tmp_path}/new/folder/mlflow.db", "tests").versions(NAME) == []


def test_a_version_that_was_made_without_a_run_is_one(store, registry):
    """MLflow allows it, on an embedded registry; a server takes no source that is a path."""
    published = registry.publish(submission())
    store.client().create_model_version(NAME, str(store.folder))
    assert [version.run_id for version in registry.versions(NAME)] == [published.run_id, ""]
