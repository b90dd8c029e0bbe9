"""The registry in a branch: real git, a real MLflow server, the real task 3 as the command."""

import os
import shutil
import subprocess
import sys

import pytest

from pipeline.base import config
from pipeline.base.context import RunContext
from pipeline.base.errors import RegistryError
from pipeline.base.names import FAMILIES, SERVED, registered_name
from pipeline.registry import branch, mlflow_server
from pipeline.registry.client import Registry
from pipeline.registry.git_branch import GitBranch
from pipeline.registry.history import CHAMPION
from tests import prepared
from tests.conftest import ROOT
from tests.registry.branch.conftest import remote_at, run_git

PYTHON = sys.executable
NAMES = tuple(map(registered_name, FAMILIES))


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Return a clone in which tasks 1 and 2 ran once; tests work in copies of it."""
    return prepared.trained(tmp_path_factory.getbasetemp())


@pytest.fixture
def clone(trained, remote, tmp_path, monkeypatch):
    """Return a function that makes a clone of the remote and goes there, by the clone's name."""

    def make(name):
        folder = shutil.copytree(trained, tmp_path / name)
        run_git(folder, "init", "--quiet")
        run_git(folder, "remote", "add", "origin", str(remote))
        run_git(folder, "add", "config.yaml")
        run_git(folder, "commit", "--quiet", f"--message={name}")
        prepared.be_in(folder, monkeypatch)
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        return folder

    return make


def train(key):
    """Return the command of task 3."""
    return [PYTHON, "-m", "pipeline.experiment_tracking", "--once-per", key]


def seen(remote, tmp_path):
    """Return what a reader who comes later sees: versions by model, champion, and its files."""
    later = GitBranch(remote_at(remote), "mlflow-registry", tmp_path / "later")
    later.read()
    branch.unpack(later.folder)
    with mlflow_server.serving(later.folder) as address:
        registry = Registry(address, "tests")
        versions = {name: registry.versions(name) for name in (*NAMES, SERVED)}
        champion = registry.champion(SERVED)
        return versions, champion, registry.files(champion)


def test_a_first_run_makes_the_branch_and_a_repeated_one_leaves_it(clone, remote, tmp_path):
    """Four families, one champion; the same key registers nothing, so nothing is pushed."""
    clone("ann")
    # MLflow sets the variable of its address in this process.
    context = RunContext.read()

    assert branch.run(context, train("one")) == 0
    first = run_git(remote, "rev-parse", "mlflow-registry")
    assert branch.run(context, train("one")) == 0
    versions, champion, files = seen(remote, tmp_path)

    assert {name: len(found) for name, found in versions.items()} == dict.fromkeys(versions, 1)
    assert champion.version == 1
    assert "model.onnx" in files
    assert run_git(remote, "rev-list", "--count", "mlflow-registry") == "1"
    assert run_git(remote, "rev-parse", "mlflow-registry") == first


def test_what_was_lost_to_another_clone_is_done_again_on_top_of_it(clone, remote, tmp_path):
    """Both clones' versions are there, one champion, and the history has no gap."""
    bob = clone("bob")
    clone("ann")
    meanwhile = tmp_path / "meanwhile.py"
    meanwhile.write_text(
        "import os, pathlib, subprocess, sys\n"
        "done = pathlib.Path('done')\n"
        "outside = {k: v for k, v in os.environ.items() if k != 'MLFLOW_TRACKING_URI'}\n"
        "if not done.exists():\n"
        "    done.touch()\n"
        "    subprocess.run([sys.executable, '-m', 'pipeline.registry', 'branch', '--', *"
        f"{train('bob')!r}], cwd={str(bob)!r}, env=outside, check=True)\n"
        f"sys.exit(subprocess.run({train('ann')!r}).returncode)\n"
    )

    assert branch.run(RunContext.read(), [PYTHON, str(meanwhile)]) == 0
    versions, champion, _ = seen(remote, tmp_path)

    for name in NAMES:
        assert [version.tags["key"] for version in versions[name]] == ["bob", "ann"]
    assert [version.version for version in versions[SERVED]] == [champion.version] == [1]


def test_a_command_that_fails_publishes_nothing_and_hands_its_code_on(clone, remote):
    """Also after it has registered versions."""
    clone("ann")
    command = ["sh", "-c", f"{' '.join(train('one'))} && exit 7"]

    assert branch.run(RunContext.read(), command) == 7
    assert run_git(remote, "for-each-ref") == ""


def test_a_reader_publishes_nothing(clone, remote):
    """Pull requests have no right to, and the command may do what it likes."""
    clone("ann")

    assert branch.run(RunContext.read(), train("one"), read_only=True) == 0
    assert run_git(remote, "for-each-ref") == ""


def test_what_is_not_consistent_is_not_published(clone, remote):
    """A command, or a disk, that damages a file of a version."""
    clone("ann")
    damage = "find .registry/artifacts -name model.onnx -exec sh -c 'echo >> {}' ';'"
    command = ["sh", "-c", f"{' '.join(train('one'))} && {damage}"]

    with pytest.raises(
        RegistryError, match=r"/1 is not what was published: model\.onnx has changed"
    ):
        branch.run(RunContext.read(), command)
    assert run_git(remote, "for-each-ref") == ""


def test_what_was_repaired_is_published_though_something_is_left(clone, remote, tmp_path):
    """Or no repair would ever be, where one thing cannot be repaired."""
    clone("ann")
    damage = "find .registry/artifacts -name recipe.json -exec sh -c 'echo >> {}' ';'"
    move = "from mlflow import MlflowClient as C; C().delete_registered_model_alias"
    alias = f'{PYTHON} -c "{move}({SERVED!r}, {CHAMPION!r})"'
    repair = f"{PYTHON} -m pipeline.registry doctor --repair"
    command = ["sh", "-c", f"{' '.join(train('one'))} && {damage} && {alias}; {repair}"]

    assert branch.run(RunContext.read(), command) == 5

    later = GitBranch(remote_at(remote), "mlflow-registry", tmp_path / "later")
    later.read()
    branch.unpack(later.folder)
    with mlflow_server.serving(later.folder) as address:
        assert Registry(address, "tests").aliases(SERVED) == {CHAMPION: 1}


def test_old_versions_stay_without_their_files_and_champions_keep_theirs(
    clone, remote, tmp_path, monkeypatch
):
    """So the branch does not grow with every merge."""
    folder = clone("ann")
    monkeypatch.setenv("PIPELINE__REGISTRY_BRANCH__KEEP__VERSIONS", "1")
    monkeypatch.setenv("PIPELINE__REGISTRY_BRANCH__KEEP__RUNS", "1")
    context = RunContext.read()
    for key in ("one", "two", "three"):
        assert branch.run(context, train(key)) == 0

    kept = list((folder / ".registry" / "artifacts").glob("*/models/*"))
    versions, champion, files = seen(remote, tmp_path)
    families = [version for name in NAMES for version in versions[name]]
    pruned = {version.title for version in families if version.pruned}

    assert len(families) == 12
    assert champion.tags["promoted_from"] not in pruned
    assert files
    # The newest stay, and so does whatever is champion of its family.
    assert {f"{name}/2" for name in NAMES} <= pruned
    assert not {f"{name}/3" for name in NAMES} & pruned
    assert len(kept) == len(families) - len(pruned)


def test_with_a_server_the_command_is_run_with_it_and_no_branch_is_made(
    clone, remote, tmp_path, monkeypatch
):
    """The workflows need no other line for a team's server."""
    clone("ann")
    monkeypatch.setenv(config.TRACKING_URI, "http://127.0.0.1:9")
    command = [
        PYTHON,
        "-c",
        "import os; print(os.environ['MLFLOW_TRACKING_URI'], file=open('x','w'))",
    ]

    assert branch.run(RunContext.read(), command) == 0
    assert (tmp_path / "ann" / "x").read_text() == "http://127.0.0.1:9\n"
    assert run_git(remote, "for-each-ref") == ""


def test_a_clone_without_a_remote_is_one_line(clone):
    """It names both ways out."""
    folder = clone("ann")
    run_git(folder, "remote", "remove", "origin")

    with pytest.raises(RegistryError, match=r"no remote named origin.*MLFLOW_TRACKING_URI"):
        branch.run(RunContext.read(), ["true"])


def test_a_folder_in_the_clone_of_another_project_has_no_remote(clone):
    """Its registry is none of that project's."""
    folder = clone("ann")
    run_git(folder, "rm", "--quiet", "--cached", "config.yaml")
    run_git(folder, "commit", "--quiet", "--allow-empty", "--message", "another project")

    with pytest.raises(RegistryError, match=r"this folder has no remote: the commit .* not hold"):
        branch.run(RunContext.read(), ["true"])


def test_a_database_that_is_cut_is_refused(clone, remote, tmp_path):
    """With the checksums put right again."""
    clone("ann")
    other = GitBranch(remote_at(remote), "mlflow-registry", tmp_path / "hand")
    other.read()
    (other.folder / "mlflow.db.gz").write_bytes(b"\x1f\x8b\x08\0")
    other.replace("", "by hand")

    with pytest.raises(RegistryError, match=r"mlflow\.db\.gz of the branch is damaged"):
        branch.run(RunContext.read(), ["true"])


def test_the_command_line_shows_one_line_and_the_exit_code(clone):
    """As a workflow runs it."""
    folder = clone("ann")
    command = [PYTHON, "-m", "pipeline.registry", "branch", "--read-only", "--", "false"]
    done = subprocess.run(command, cwd=folder, env=os.environ, capture_output=True, check=False)

    assert done.returncode == 1
    assert done.stderr == b""
