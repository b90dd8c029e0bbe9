"""The registry that a repository keeps in its branch is moved there and back as any other."""

import sys

import pytest

from pipeline.base import config
from pipeline.registry import branch
from tests.conftest import ROOT
from tests.registry.branch.conftest import run_git
from tests.registry.transfer.conftest import census


@pytest.fixture
def clone(place, tmp_path, git_of_nobody, monkeypatch):
    """Return a function that makes a clone of a bare remote and goes there, by its name."""
    assert git_of_nobody is None
    remote = tmp_path / "remote.git"
    run_git(tmp_path, "init", "--quiet", "--bare", str(remote))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def make(name):
        made = place(name)
        run_git(made.folder, "init", "--quiet")
        run_git(made.folder, "remote", "add", "origin", str(remote))
        run_git(made.folder, "commit", "--quiet", "--allow-empty", f"--message={name}")
        monkeypatch.setenv(config.TRACKING_URI, "")
        return made

    return make


def move(*arguments):
    """Return the command that moves a registry."""
    return [sys.executable, "-m", "pipeline.registry", "transfer", *arguments]


@pytest.mark.once
def test_everything_goes_through_the_branch_as_it_was(origin, clone):
    """One clone fills it by a push, another one reads it, and nothing is pushed then."""
    ours = clone("ours")
    assert branch.run(config.load(), move("--from", origin.uri)) == 0
    pushed = run_git(ours.folder, "ls-remote", "origin", "mlflow-registry")

    theirs = clone("theirs")
    assert branch.run(config.load(), move("--to", theirs.uri), read_only=True) == 0

    assert pushed == run_git(theirs.folder, "ls-remote", "origin", "mlflow-registry")
    assert census(theirs.uri) == census(origin.uri)
