"""The registry branch of a repository whose workflows attest what they write."""

import os
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from pipeline.base import config, manifest
from pipeline.base.context import RunContext
from pipeline.base.errors import RegistryError
from pipeline.registry import branch
from pipeline.registry.git_branch import SUMS
from tests.registry.branch.conftest import run_git

WORK = [sys.executable, "-c", "from mlflow import MlflowClient as C; C().create_experiment('x')"]
# GitHub is asked by its own program: this one knows the sums that the tests signed.
GH = """\
#!/usr/bin/env bash
set -e
fail() { echo "$*" >&2; exit 1; }
test "$GH_TOKEN $1 $2" = "t0ken attestation verify"
test "$4 $5 $6" = "--repo ann/heart --cert-identity-regex"
sums=$(sha256sum <"$3" | head -c 64)
grep --quiet "$sums" "$HOME/signed" || fail "no attestations found"
grep --quiet --extended-regexp "$7" "$HOME/signer" || fail "another signer"
echo '[{}]'
"""
TRAIN = "https://github.com/ann/heart/.github/workflows/train.yml@refs/heads/main"


@pytest.fixture
def attested(project, tmp_path, monkeypatch):
    """Return a function that runs a command as a workflow does, in a clone on GitHub."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "gh").write_text(GH)
    (programs / "gh").chmod(0o755)
    (tmp_path / "signed").touch()
    (tmp_path / "signer").write_text(TRAIN)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    for name, value in [
        ("SERVER_URL", "https://github.com"),
        ("REPOSITORY", "ann/heart"),
        ("TOKEN", "t0ken"),
        ("OUTPUT", str(tmp_path / "output")),
    ]:
        monkeypatch.setenv(f"GITHUB_{name}", value)
    monkeypatch.setenv("PIPELINE__REGISTRY_BRANCH__ATTESTED_WITHIN", "0")
    monkeypatch.delenv(config.TRACKING_URI, raising=False)
    monkeypatch.chdir(project)
    # MLflow sets the variable of its address in this process.
    context = RunContext.read()

    def run(*command, **changed):
        plan = context.settings.registry_branch.model_copy(update=changed)
        settings = context.settings.model_copy(update={"registry_branch": plan})
        return branch.run(replace(context, settings=settings), list(command), attested=True)

    return run


@pytest.fixture
def poisoned(attested, remote, project, tmp_path):
    """Return the digest of a branch that somebody wrote by hand, with checksums to match."""
    assert attested(*WORK) == 0
    (tmp_path / "signed").write_text((tmp_path / "output").read_text())
    other = tmp_path / "other"
    run_git(project, "clone", "--quiet", "--branch=mlflow-registry", str(remote), str(other))
    (other / "README.md").write_text("better\n")
    command = ["bash", "-c", f"git ls-files | grep -v {SUMS} | xargs sha256sum"]
    sums = subprocess.run(command, cwd=other, capture_output=True, check=True).stdout
    (other / SUMS).write_bytes(sums)
    run_git(other, "commit", "--quiet", "--all", "--amend", "--message=poisoned")
    run_git(other, "push", "--quiet", "--force", "origin", "HEAD:mlflow-registry")
    return manifest.sha256(sums)


def test_what_a_workflow_leaves_can_be_attested_and_is_taken_by_the_next(attested, tmp_path):
    """The first finds no branch; the digest that it names is what the next one asks about."""
    assert attested(*WORK) == 0
    (tmp_path / "signed").write_text((tmp_path / "output").read_text())

    assert attested("true") == 0
    first, second = (tmp_path / "output").read_text().splitlines()
    assert first == second
    assert first.startswith("sums=sha256:")


def test_a_branch_that_no_workflow_wrote_is_taken_by_none(attested, poisoned, remote, project):
    """Nothing runs, and the branch stays."""
    before = run_git(remote, "rev-parse", "mlflow-registry")

    with pytest.raises(RegistryError, match=rf"no workflow of ann/heart signed.*{poisoned}"):
        attested("touch", "ran")
    assert not (project / "ran").exists()
    assert run_git(remote, "rev-parse", "mlflow-registry") == before


def test_a_branch_that_a_reviewed_setting_trusts_is_taken_without_a_signature(attested, poisoned):
    """That one state, and no other."""
    assert attested("true", trusted=poisoned) == 0


def test_a_signature_of_another_workflow_proves_nothing(attested, tmp_path):
    """Whoever may push a branch can sign as a workflow of that branch."""
    assert attested(*WORK) == 0
    (tmp_path / "signed").write_text((tmp_path / "output").read_text())
    (tmp_path / "signer").write_text(TRAIN.replace("main", "mine"))

    with pytest.raises(RegistryError, match=r"cannot tell who wrote the registry.*another signer"):
        attested("true")


def test_a_state_that_was_just_pushed_is_waited_for(attested, tmp_path, monkeypatch):
    """The job that signs it comes a moment later."""
    assert attested(*WORK) == 0
    output = (tmp_path / "output").read_text()
    monkeypatch.setattr(time, "sleep", lambda _: (tmp_path / "signed").write_text(output))

    assert attested("true", attested_within=60.0) == 0


def test_a_repository_that_attests_nothing_says_so(project, monkeypatch, capsys):
    """Whoever reads the log of a release must not believe more."""
    monkeypatch.delenv(config.TRACKING_URI, raising=False)
    monkeypatch.chdir(project)

    assert branch.run(RunContext.read(), ["true"], read_only=True, attested=False) == 0
    assert "nothing proves who wrote it" in capsys.readouterr().out
