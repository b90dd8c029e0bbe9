"""A checkout has the same bytes whatever git's settings there: scripts start, checksums agree."""

import os
import shutil
import subprocess
import tarfile

import pytest

from tests.conftest import ROOT

# As people have it who also work on Windows; the second also in a file of attributes.
SETTINGS = {
    "autocrlf": {"core.autocrlf": "true", "core.eol": "crlf"},
    "attributes": {"core.autocrlf": "true", "core.attributesFile": "attributes"},
    "no file mode": {"core.fileMode": "false"},
}


def git(folder, *arguments, **settings):
    """Run git with settings of its own, and return what it prints."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    identity = {"user.name": "Ann", "user.email": "ann@example.org"}
    pairs = [f"{name}={value}" for name, value in (identity | settings).items()]
    chosen = [part for pair in pairs for part in ("-c", pair)]
    done = subprocess.run(
        ["git", *chosen, *arguments],
        cwd=folder,
        env=outside | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull},
        check=True,
        capture_output=True,
    )
    return done.stdout


def tracked():
    """Return the files of the work tree that a commit of it holds."""
    listed = git(ROOT, "ls-files", "-z").decode().split("\0")
    return [name for name in listed if (ROOT / name).is_file()]


def contents(folder):
    """Return the content of each tracked file as a folder has it, and whether it can be run."""
    paths = {name: folder / name for name in tracked()}
    return {name: (path.read_bytes(), os.access(path, os.X_OK)) for name, path in paths.items()}


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """Return a repository with one commit: the work tree."""
    folder = tmp_path_factory.mktemp("repository")
    for name in tracked():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "attributes").write_text("* text eol=crlf\n")
    git(folder, "init", "--quiet")
    git(folder, "add", "--force", "--", *tracked())
    git(folder, "commit", "--quiet", "--message=all")
    return folder


@pytest.fixture(params=SETTINGS)
def settings(request, repository):
    """Return git's settings on one of several machines."""
    chosen = SETTINGS[request.param]
    if file := chosen.get("core.attributesFile"):
        return chosen | {"core.attributesFile": str(repository / file)}
    return chosen


def test_a_clone_has_every_byte_of_the_commit(repository, settings, tmp_path):
    """Among them the lock, after which the environment is named, and scripts that must start."""
    git(tmp_path, "clone", "--quiet", str(repository), "clone", **settings)

    assert contents(tmp_path / "clone") == contents(ROOT)


def test_an_archive_has_every_byte_of_the_commit(repository, settings, tmp_path):
    """As GitHub makes one of each release."""
    git(repository, "archive", f"--output={tmp_path / 'all.tar'}", "HEAD", **settings)
    with tarfile.open(tmp_path / "all.tar") as tar:
        tar.extractall(tmp_path / "all", filter="data")

    assert contents(tmp_path / "all") == contents(ROOT)


def test_a_file_that_another_editor_wrote_is_committed_as_ours(repository):
    """With CRLF at home, LF for everyone else."""
    (repository / "README.md").write_bytes(b"one\r\ntwo\r\n")
    git(repository, "add", "README.md")

    assert git(repository, "show", ":README.md") == b"one\ntwo\n"
    git(repository, "reset", "--quiet", "--hard")


def test_no_text_has_another_line_ending():
    """Of what is tracked: a file without a name for its kind is told from its content."""
    listed = git(ROOT, "ls-files", "--eol").decode().splitlines()

    assert [line for line in listed if line.startswith(("i/crlf", "i/mixed"))] == []
