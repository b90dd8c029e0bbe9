"""The script of the accounts, as far as it needs no server."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT


def run(*arguments, **environment):
    """Run the script as `make` does, and return how it ended."""
    command = [sys.executable, "-W", "ignore", "docker/mlflow/accounts.py", *map(str, arguments)]
    given = {**os.environ, "PYTHONPATH": ".", **environment}
    return subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, check=False)


def test_every_secret_is_written_once(tmp_path):
    """In a folder for its owner, long, and each another one."""
    folder = tmp_path / "secrets"
    run("secrets", "--secrets", folder)
    first = {path.name: path.read_text() for path in folder.iterdir()}
    again = run("secrets", MLFLOW_SECRETS=str(folder))

    assert {path.name: path.read_text() for path in folder.iterdir()} == first
    assert set(first) == {
        *("postgres_password", "admin_password", "ci_password", "reader_password"),
        "flask_secret_key",
    }
    assert len(set(first.values())) == len(first)
    assert min(map(len, first.values())) >= 32
    assert folder.stat().st_mode & 0o777 == 0o700
    assert "all there, nothing was changed" in again.stdout


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("", "error: name the server: export MLFLOW_TRACKING_URI=http://127.0.0.1:5000"),
        ("http://127.0.0.1:9", "error: cannot read none/admin_password: "),
    ],
)
def test_a_missing_step_is_named(address, said):
    """In one line, before the server is asked for anything."""
    done = run("accounts", "--secrets", "none", MLFLOW_TRACKING_URI=address)

    assert done.returncode == 1
    assert done.stderr.startswith(said)
    assert "make mlflow-secrets" in done.stderr or not address
    assert len(done.stderr.splitlines()) == 1


def test_the_help_shows_what_to_type():
    """Without a command, too."""
    assert "make mlflow-accounts" in run().stdout
