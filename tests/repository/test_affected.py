"""The integration tests that a change reaches."""

import json
import subprocess

import pytest

from tests import affected
from tests.conftest import ROOT

EVERY = set(affected.groups())
INTEGRATION = EVERY - {affected.WORKFLOWS}


def groups_of(*changed):
    """Return the groups that run."""
    return set(affected.reached(changed))


@pytest.mark.parametrize("room", ["base", "table", "dataset", "training", "evaluation"])
def test_a_change_in_a_room_that_all_stand_on_reaches_all_integration_tests(room):
    """Each of them starts from trained models."""
    modules = (ROOT / "pipeline" / room).glob("[a-z]*.py")

    assert groups_of(*(path.relative_to(ROOT).as_posix() for path in modules)) == INTEGRATION


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ("README.md", set()),
        ("docs/serving.md", set()),
        ("tests/gate/test_gate_table.py", set()),
        ("config.yaml", {"candidate"}),
        ("data/raw/processed.cleveland.data", {"candidate"}),
        ("pipeline/release/publish.py", {"release"}),
        ("tests/integration/team_server/test_accounts.py", {"team_server"}),
        (".github/workflows/train.yml", {"workflows"}),
        ("tests/nightly/workflows/test_story.py", {"workflows"}),
        ("requirements.txt", EVERY),
        (".ci/tools", EVERY),
        ("tests/conftest.py", EVERY),
    ],
)
def test_a_change_reaches_what_uses_it(changed, expected):
    """By imports, by names of modules to start and by paths."""
    assert groups_of(changed) == expected


def test_a_service_s_change_reaches_whatever_serves():
    """Not what only registers."""
    found = groups_of("pipeline/serving/protocol.py")

    assert {"serving", "image", "candidate"} <= found
    assert not {"registry_transfer", "team_server"} & found


def test_a_template_reaches_what_reads_templates():
    """No module names it by its path."""
    assert groups_of("pipeline/templates/page.html.j2") == groups_of("pipeline/base/pages.py")


def test_every_integration_test_belongs_to_a_group():
    """One beside the folders would never run on a pull request."""
    tests = set((ROOT / "tests/integration").rglob("test_*.py"))

    assert tests == {
        path
        for group in INTEGRATION
        for path in (ROOT / "tests/integration" / group).rglob("test_*.py")
    }


@pytest.fixture
def repository(tmp_path, monkeypatch, git_of_nobody):
    """Return a clone with one commit on main; git knows Ann."""
    assert git_of_nobody is None
    monkeypatch.setattr(affected, "ROOT", tmp_path)
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "Ann")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "ann@example.org")
    for command in ("init -q -b main", "commit -q --allow-empty -m begin"):
        subprocess.run(["git", *command.split()], cwd=tmp_path, check=True)
    return tmp_path


def test_a_work_tree_is_compared_with_where_it_left_main(repository, capsys, monkeypatch):
    """Later commits of main are not its changes; what is not committed yet is."""
    monkeypatch.setenv("GITHUB_OUTPUT", str(repository / "output"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(repository / "summary"))
    (repository / "config.yaml").write_text("seed: 1\n")
    subprocess.run(["git", "add", "config.yaml"], cwd=repository, check=True)

    assert affected.main(["main"]) == 0

    shown = capsys.readouterr().out
    assert "| candidate | yes: `config.yaml` reaches it |" in shown
    assert "| serving | no: nothing it uses changed |" in shown
    assert (repository / "summary").read_text() == shown
    outputs = dict(line.split("=") for line in (repository / "output").read_text().splitlines())
    assert json.loads(outputs["integration"]) == []
    assert (outputs["candidate"], outputs["workflows"]) == ("true", "false")


def test_a_commit_that_is_not_there_is_one_line(repository, capsys):
    """In a clone of one commit, for example."""
    assert repository.is_dir()
    assert affected.main(["origin/main"]) == 1
    assert capsys.readouterr().err.startswith("error: fatal: Not a valid object name origin/main")
