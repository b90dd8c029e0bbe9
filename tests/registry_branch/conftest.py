"""A bare remote on disk, and branches of it that are read into folders of their own."""

import subprocess

import pytest

from pipeline.adapters.git_branch import GitBranch


@pytest.fixture(autouse=True)
def _nobody(git_of_nobody):
    """Use a git that knows nobody."""


def run_git(folder, *arguments):
    """Run git in ``folder`` and return what it prints."""
    command = ["git", "-c", "user.name=Ann", "-c", "user.email=ann@example.org", *arguments]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def remote(tmp_path):
    """Return an empty repository that others push to."""
    folder = tmp_path / "remote.git"
    subprocess.run(["git", "init", "--quiet", "--bare", folder], check=True)
    return folder


@pytest.fixture
def branch(remote, tmp_path):
    """Return a function that gives a clone's view of the branch, by the clone's name."""
    return lambda name: GitBranch(str(remote), "mlflow-registry", tmp_path / name)
