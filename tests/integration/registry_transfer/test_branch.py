"""The registry that a repository keeps in its branch moves to a server."""

import sys

import pytest

from pipeline.base import artifacts
from pipeline.base.context import RunContext
from pipeline.registry import branch, mlflow_server
from tests.conftest import ROOT
from tests.registry.branch.conftest import run_git
from tests.registry.transfer.conftest import census

# What a release does: it publishes and promotes.
LIFE = """
from pipeline.base import config
from pipeline.registry.client import connect
from tests.registries import submission
from tests.registry.transfer.conftest import promote
registry = connect(config.load().registry)
promote(registry, registry.publish(submission()), None)
"""


@pytest.fixture
def clone(place, tmp_path, git_of_nobody, monkeypatch):
    """Return a clone of a remote that has no branch for a registry yet, and go there."""
    assert git_of_nobody is None
    remote = tmp_path / "remote.git"
    run_git(tmp_path, "init", "--quiet", "--bare", str(remote))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    made = place("clone").folder
    run_git(made, "init", "--quiet")
    run_git(made, "remote", "add", "origin", str(remote))
    run_git(made, "add", "config.yaml")
    run_git(made, "commit", "--quiet", "--message=first")
    return made


@pytest.mark.once
def test_everything_moves_from_the_branch_as_it_was(clone, team):
    """The branch stays as it is."""
    assert branch.run(RunContext.read(), [sys.executable, "-c", LIFE]) == 0
    before = run_git(clone, "ls-remote", "origin")
    team.take("branch")

    assert run_git(clone, "ls-remote", "origin") == before
    with mlflow_server.serving(clone / artifacts.REGISTRY) as address:
        expected = census(address)
    assert len(expected["versions"]) == 3
    assert census(team.uri) == expected
