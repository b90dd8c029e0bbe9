"""The registry branch of a repository whose workflows attest what they write."""

import os
import subprocess
import sys

import pytest

from pipeline.base import config
from pipeline.base.context import RunContext
from pipeline.base.errors import RegistryError
from pipeline.registry import branch
from pipeline.registry.git_branch import SUMS
from tests.registry.branch.conftest import run_git

WORK = [sys.executable, "-c", "from mlflow import MlflowClient as C; C().create_experiment('x')"]
# GitHub is asked by its own program: this one knows the sums that the tests signed.
GH = """\
#!/usr/bin/env bash
test "$GH_TOKEN" = t0ken && test "$1 $2" = "attestation verify"
grep --quiet "$(sha256sum < "$3" | head -c 64)" "$HOME/signed" && exit
echo "none found" >&2
exit 1
"""


@pytest.fixture
def attested(project, tmp_path, monkeypatch):
    """Return a function that runs a command as a workflow does, in a clone on GitHub."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "gh").write_text(GH)
    (programs / "gh").chmod(0o755)
    (tmp_path / "signed").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    for name, value in [
        ("SERVER_URL", "https://github.com"),
        ("REPOSITORY", "ann/heart"),
        ("TOKEN", "t0ken"),
        ("OUTPUT", str(tmp_path / "output")),
    ]:
        monkeypatch.setenv(f"GITHUB_{name}", value)
    monkeypatch.delenv(config.TRACKING_URI, raising=False)
    monkeypatch.chdir(project)
    # MLflow sets the variable of its address in this process.
    context = RunContext.read()
    return lambda *command: branch.run(context, list(command), attested=True)


def test_what_a_workflow_leaves_can_be_attested_and_is_taken_by_the_next(attested, tmp_path):
    """The first finds no branch; the digest that it names is what the next one asks about."""
    assert attested(*WORK) == 0
    (tmp_path / "signed").write_text((tmp_path / "output").read_text())

    assert attested("true") == 0
    first, second = (tmp_path / "output").read_text().splitlines()
    assert first == second
    assert first.startswith("sums=sha256:")


def test_a_branch_that_no_workflow_wrote_is_taken_by_none(attested, remote, project, tmp_path):
    """Not even where its checksums are right; nothing runs, and the branch stays."""
    assert attested(*WORK) == 0
    (tmp_path / "signed").write_text((tmp_path / "output").read_text())
    other = tmp_path / "other"
    run_git(project, "clone", "--quiet", "--branch=mlflow-registry", str(remote), str(other))
    (other / "README.md").write_text("better\n")
    sums = subprocess.run(
        ["bash", "-c", f"git ls-files | grep -v {SUMS} | xargs sha256sum"],
        cwd=other,
        capture_output=True,
        text=True,
        check=True,
    )
    (other / SUMS).write_text(sums.stdout)
    run_git(other, "commit", "--quiet", "--all", "--amend", "--message=poisoned")
    run_git(other, "push", "--quiet", "--force", "origin", "HEAD:mlflow-registry")
    before = run_git(remote, "rev-parse", "mlflow-registry")

    with pytest.raises(RegistryError, match=r"no workflow of ann/heart is known.*none found"):
        attested("touch", "ran")
    assert not (project / "ran").exists()
    assert run_git(remote, "rev-parse", "mlflow-registry") == before


def test_a_repository_that_attests_nothing_says_so(project, monkeypatch, capsys):
    """Whoever reads the log of a release must not believe more."""
    monkeypatch.delenv(config.TRACKING_URI, raising=False)
    monkeypatch.chdir(project)

    assert branch.run(RunContext.read(), ["true"], read_only=True, attested=False) == 0
    assert "nothing proves who wrote it" in capsys.readouterr().out
