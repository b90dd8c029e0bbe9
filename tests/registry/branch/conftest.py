"""A bare remote on disk, and branches of it that are read into folders of their own."""

import subprocess

import pytest

from pipeline.base.git import Remote
from pipeline.registry.git_branch import GitBranch
from tests.conftest import ROOT, lay_out


@pytest.fixture(autouse=True)
def _nobody(git_of_nobody):
    """Use a git without an identity."""


def run_git(folder, *arguments):
    """Run git in ``folder`` and return what it prints."""
    command = ["git", "-c", "user.name=Ann", "-c", "user.email=ann@example.org", *arguments]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def remote_at(folder):
    """Return the repository in ``folder`` as a remote."""
    return Remote(folder.parent, (("remote.origin.url", str(folder)),))


@pytest.fixture
def remote(tmp_path):
    """Return an empty repository that others push to."""
    folder = tmp_path / "remote.git"
    subprocess.run(["git", "init", "--quiet", "--bare", folder], check=True)
    return folder


@pytest.fixture
def branch(remote, tmp_path):
    """Return a function that gives a clone's view of the branch, by the clone's name."""
    return lambda name: GitBranch(remote_at(remote), "mlflow-registry", tmp_path / name)


@pytest.fixture
def clone(remote, tmp_path):
    """Return a clone of the remote with one commit."""
    folder = tmp_path / "clone"
    folder.mkdir()
    run_git(folder, "init", "--quiet")
    run_git(folder, "remote", "add", "origin", str(remote))
    run_git(folder, "commit", "--quiet", "--allow-empty", "--message=first")
    return folder


@pytest.fixture
def project(clone, monkeypatch):
    """Return a clone that holds what the commands read."""
    lay_out(clone)
    (clone / ".gitignore").write_text(".registry*\n")
    run_git(clone, "add", "--all")
    run_git(clone, "commit", "--quiet", "--message=second")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return clone
