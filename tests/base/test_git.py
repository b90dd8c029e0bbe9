"""What git says about a work tree, asked of real repositories."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.base import git

FILE = Path("file")


@pytest.fixture(autouse=True)
def _nobody(git_of_nobody):
    """Use a git without an identity."""


def run(folder, *arguments):
    """Run git in ``folder`` and return what it prints."""
    done = subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path):
    """Return a repository with one committed file and a user."""
    folder = tmp_path / "repository"
    folder.mkdir()
    run(folder, "init", "--quiet")
    run(folder, "config", "user.name", "Ann Example")
    run(folder, "config", "user.email", "ann@example.org")
    (folder / "file").write_text("one\n")
    run(folder, "add", "file")
    run(folder, "commit", "--quiet", "--message=first")
    return folder


def test_a_clean_work_tree_is_its_commit(repository):
    """And nothing more."""
    found = git.work_tree(repository, FILE)
    assert found.commit == run(repository, "rev-parse", "HEAD")
    assert len(found.commit) == 40
    assert not found.modified


def test_a_changed_file_is_a_modification(repository):
    """What was trained is not what was committed."""
    (repository / "file").write_text("two\n")
    assert git.work_tree(repository, FILE).modified


def test_a_staged_file_is_a_modification(repository):
    """Staged is not committed."""
    (repository / "new").write_text("new\n")
    run(repository, "add", "new")
    assert git.work_tree(repository, FILE).modified


def test_a_file_that_git_does_not_know_is_no_modification(repository):
    """Notes and outputs lie about in every work tree."""
    (repository / "notes").write_text("mine\n")
    assert not git.work_tree(repository, FILE).modified


def test_the_user_is_the_one_whom_git_knows(repository):
    """The name that a commit would carry."""
    assert git.work_tree(repository, FILE).user == "Ann Example"


def test_a_user_whom_git_does_not_know_is_unknown(repository):
    """A machine without a git identity may promote."""
    run(repository, "config", "--unset", "user.name")
    assert git.work_tree(repository, FILE).user == "unknown"


@pytest.fixture
def inside(repository):
    """Return a folder of the repository, with a file that is in no commit."""
    folder = repository / "models" / "hearts"
    folder.mkdir(parents=True)
    (folder / "file").write_text("one\n")
    return folder


def test_a_folder_that_the_commit_holds_is_of_that_commit(repository, inside):
    """A repository may hold more than one project."""
    run(repository, "add", ".")
    run(repository, "commit", "--quiet", "--message=second")
    found = git.work_tree(inside, FILE)
    assert (found.commit, found.problem) == (run(repository, "rev-parse", "HEAD"), "")


def test_an_archive_inside_a_repository_is_not_of_its_commit(repository, inside):
    """Nothing of that repository is recorded."""
    run(repository, "config", "remote.origin.url", "https://github.com/acme/other")
    found = git.work_tree(inside, FILE)
    assert (found.commit, found.modified, found.origin) == ("unknown", False, "")
    commit = run(repository, "rev-parse", "--short=12", "HEAD")
    assert found.problem == f"the commit {commit} of {repository} does not hold {inside / 'file'}"


@pytest.fixture
def somebody_elses(repository, tmp_path, monkeypatch):
    """Return the repository, with a git that takes each for one of another user."""
    program = tmp_path / "programs" / "git"
    program.parent.mkdir()
    real = shutil.which("git")
    program.write_text(f'#!/bin/sh\nGIT_TEST_ASSUME_DIFFERENT_OWNER=1 exec {real} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    return repository


def test_what_git_refuses_is_said(somebody_elses):
    """A clone of another user, until it is named safe: git's words have the next step."""
    found = git.work_tree(somebody_elses, FILE)
    assert (found.commit, found.modified, found.origin) == ("unknown", False, "")
    assert f"git says of {somebody_elses}: fatal: detected dubious ownership" in found.problem
    assert found.problem.endswith(f"git config --global --add safe.directory {somebody_elses}")


def test_a_repository_without_a_commit_is_unknown(tmp_path):
    """There is nothing to name yet."""
    run(tmp_path, "init", "--quiet")
    assert git.work_tree(tmp_path, FILE).commit == "unknown"


def test_a_folder_without_a_repository_is_unknown(tmp_path):
    """An unpacked archive trains as well as a clone."""
    found = git.work_tree(tmp_path, FILE)
    assert found == git.WorkTree()


def test_a_machine_without_git_is_unknown(repository, monkeypatch):
    """Git is no requirement."""
    monkeypatch.setenv("PATH", str(repository))
    found = git.work_tree(repository, FILE)
    assert found == git.WorkTree(problem="git cannot be started: No such file or directory")
