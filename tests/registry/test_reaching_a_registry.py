"""A registry that does not answer, or is none: one line, at once."""

import os
import subprocess
import sys
import time

import pytest

from pipeline.base.errors import RegistryError, RegistryUnavailableError
from pipeline.registry.client import Registry
from tests.conftest import ROOT
from tests.containers import free_port
from tests.registries import submission

NAME = "heart_disease_svm"


def command(uri):
    """Ask the registry at ``uri`` for the champion as a task does, in a process of its own."""
    code = (
        "from pipeline.base import cli\nfrom pipeline.registry.client import Registry\n"
        "def ask() -> None:\n  'Ask.'\n"
        f"  print(Registry({str(uri)!r}, 'e').champion('heart_disease'))\ncli.run(ask)"
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


def test_a_server_that_does_not_answer_is_told_quickly(tmp_path, monkeypatch):
    """MLflow's client alone would try for minutes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    started = time.monotonic()
    with pytest.raises(RegistryUnavailableError):
        Registry(f"http://127.0.0.1:{free_port()}", "tests").versions(NAME)
    assert time.monotonic() - started < 5


def test_a_password_in_the_address_is_never_shown(tmp_path, monkeypatch):
    """Neither by us nor in what MLflow says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    with pytest.raises(RegistryUnavailableError) as refused:
        Registry(f"http://ann:secret@127.0.0.1:{free_port()}", "tests").versions(NAME)
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
