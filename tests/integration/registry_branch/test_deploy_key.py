"""`.ci/deploy-key`: the registry branch is written with a key, which a ruleset lets pass."""

import os
import shutil
import subprocess

import pytest

from tests.conftest import ROOT
from tests.containers import needs
from tests.registry.branch.conftest import run_git

GH = "#!/bin/sh\necho 'github.example ssh-ed25519 AAAA'\n"


@pytest.fixture
def run(clone, tmp_path):
    """Return a function that runs the script as a job does, with a key or without."""
    if shutil.which("ssh") is None:
        needs("ssh is not installed")
    programs, temporary = tmp_path / "programs", tmp_path / "temp"
    for folder in (programs, temporary):
        folder.mkdir()
    (programs / "gh").write_text(GH)
    (programs / "gh").chmod(0o755)

    def given(key):
        variables = {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "REGISTRY_KEY": key,
            "RUNNER_TEMP": str(temporary),
            "GITHUB_SERVER_URL": "https://github.example",
            "GITHUB_REPOSITORY": "ann/heart",
        }
        script = ROOT / ".ci" / "deploy-key"
        subprocess.run([script], cwd=clone, env=variables, check=True)
        return temporary

    return given


def test_without_a_key_nothing_changes(run, clone):
    """As in every new repository."""
    before = (clone / ".git" / "config").read_text()
    run("")

    assert (clone / ".git" / "config").read_text() == before


def test_ssh_is_told_the_key_the_hosts_and_nothing_of_the_user(run, clone):
    """As ssh itself reads its options; nobody else can read the key."""
    (folder,) = run("a key").iterdir()
    command = run_git(clone, "config", "core.sshCommand")
    done = subprocess.run(
        ["bash", "-c", f"{command} -G git@github.example"],
        capture_output=True,
        text=True,
        check=True,
    )
    said = dict(line.partition(" ")[::2] for line in done.stdout.splitlines())

    assert run_git(clone, "remote", "get-url", "--push", "origin") == (
        "git@github.example:ann/heart.git"
    )
    assert said["identityfile"] == str(folder / "key")
    assert said["identitiesonly"] == "yes"
    assert said["userknownhostsfile"] == str(folder / "known_hosts")
    assert (folder / "key").read_text() == "a key\n"
    assert (folder / "key").stat().st_mode & 0o777 == 0o600
    assert (folder / "known_hosts").read_text() == "github.example ssh-ed25519 AAAA\n"
