"""What a repository was not told yet: GitHub's own command line, at the stand-in for its API."""

import copy
import os
import shutil
import subprocess
import sys

import pytest

from pipeline.base.errors import ReleaseError
from pipeline.release import github_check
from tests import github_api, github_settings, stand_ins
from tests.conftest import ROOT
from tests.containers import needs

PACKAGE = "/users/ann/packages/container/heart"
KEY = "/repos/ann/Heart/environments/model-registry/secrets/REGISTRY_KEY"


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Return what GitHub holds about a new repository, whose clone the tests are in."""
    if shutil.which("gh") is None:
        needs("gh, GitHub's command line, is not installed")
    shutil.copytree(ROOT / ".github" / "rulesets", tmp_path / ".github" / "rulesets")
    monkeypatch.chdir(tmp_path)
    context, certificate = stand_ins.encryption(tmp_path, "DNS:localhost")
    with github_api.serving() as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.state.settings = copy.deepcopy(github_settings.NEW)
        # As of a company's own GitHub.
        for name, value in [
            ("GH_HOST", f"localhost:{server.server_port}"),
            ("GH_REPO", "ann/Heart"),
            ("GH_ENTERPRISE_TOKEN", "t0ken"),
            ("GH_CONFIG_DIR", str(tmp_path / "gh")),
            ("SSL_CERT_FILE", certificate),
        ]:
            monkeypatch.setenv(name, value)
        yield server.state


def advised(capsys):
    """Return the commands of the answer that can be run here."""
    with pytest.raises(ReleaseError, match="missing on GitHub"):
        github_check.run()
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    return [line for line in lines if line.startswith("gh api")]


def test_a_new_repository_is_told_everything_by_the_commands_that_are_printed(repository, capsys):
    """Each is run as it is; then nothing is left to be said."""
    commands = advised(capsys)
    for command in commands:
        subprocess.run(["bash", "-c", command], check=True, capture_output=True)
    github_settings.finish(repository)

    github_check.run()
    assert "everything is set" in capsys.readouterr().out
    assert len(repository.settings["rulesets"]) == 4


@pytest.fixture
def told(repository, capsys):
    """Return what GitHub holds once all was told."""
    for command in advised(capsys):
        subprocess.run(["bash", "-c", command], check=True, capture_output=True)
    github_settings.finish(repository)
    return repository


CHANGES = {
    "workflows may write": lambda s: s[github_settings.WORKFLOW].update(
        default_workflow_permissions="write"
    ),
    "a ruleset is gone": lambda s: s["rulesets"].pop(),
    "a ruleset only watches": lambda s: s["rulesets"][0].update(enforcement="evaluate"),
    "one more may pass": lambda s: s["rulesets"][1]["bypass_actors"].append(
        {"actor_id": 4, "actor_type": "RepositoryRole", "bypass_mode": "always"}
    ),
    "a rule is gone": lambda s: s["rulesets"][2]["rules"].pop(),
    "no environment": lambda s: s["environments"].pop("release"),
    "an environment for all": lambda s: s["environments"]["release"].update(policy=None),
    "an environment of one more branch": lambda s: s["environments"]["model-registry"][
        "limits"
    ].append({"id": 99, "type": "branch", "name": "*"}),
    "an environment of nothing": lambda s: s["environments"]["release"]["limits"].clear(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_each_thing_that_is_taken_back_is_told_again(told, capsys, change):
    """By its own command."""
    change(told.settings)
    for command in advised(capsys):
        subprocess.run(["bash", "-c", command], check=True, capture_output=True)

    github_check.run()


def test_what_no_command_can_set_is_said_with_its_place(told, capsys):
    """The first image of a repository is private; and without a key, anybody writes its branch."""
    told.settings.pop(KEY)
    told.settings[PACKAGE] = {"visibility": "private", "html_url": "https://github.com/x"}

    assert advised(capsys) == []
    with pytest.raises(ReleaseError, match="2 settings"):
        github_check.run()
    said = capsys.readouterr().out
    assert "https://github.com/x: Package settings" in said
    assert "gh repo deploy-key add key.pub --allow-write" in said


@pytest.mark.usefixtures("repository")
def test_who_is_not_logged_in_is_told_so(monkeypatch):
    """In one line, by `gh` itself."""
    monkeypatch.delenv("GH_ENTERPRISE_TOKEN")
    command = [sys.executable, "-m", "pipeline.release", "github"]
    shutil.copy(ROOT / "config.yaml", ".")
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "gh ended with" in done.stderr
    assert "gh auth status" in done.stderr
