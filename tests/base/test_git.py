"""What git says about a work tree, asked of real repositories."""

import subprocess

import pytest

from pipeline.base import git


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
    found = git.work_tree(repository)
    assert found.commit == run(repository, "rev-parse", "HEAD")
    assert len(found.commit) == 40
    assert not found.modified


def test_a_changed_file_is_a_modification(repository):
    """What was trained is not what was committed."""
    (repository / "file").write_text("two\n")
    assert git.work_tree(repository).modified


def test_a_staged_file_is_a_modification(repository):
    """Staged is not committed."""
    (repository / "new").write_text("new\n")
    run(repository, "add", "new")
    assert git.work_tree(repository).modified


def test_a_file_that_git_does_not_know_is_no_modification(repository):
    """Notes and outputs lie about in every work tree."""
    (repository / "notes").write_text("mine\n")
    assert not git.work_tree(repository).modified


def test_the_user_is_the_one_whom_git_knows(repository):
    """The name that a commit would carry."""
    assert git.work_tree(repository).user == "Ann Example"


def test_a_user_whom_git_does_not_know_is_unknown(repository):
    """A machine without a git identity may promote."""
    run(repository, "config", "--unset", "user.name")
    assert git.work_tree(repository).user == "unknown"


def test_a_folder_inside_the_repository_is_the_repository(repository):
    """The commit is the same wherever a person stands."""
    inside = repository / "data" / "raw"
    inside.mkdir(parents=True)
    assert git.work_tree(inside).commit == git.work_tree(repository).commit


def test_a_repository_without_a_commit_is_unknown(tmp_path):
    """There is nothing to name yet."""
    run(tmp_path, "init", "--quiet")
    assert git.work_tree(tmp_path).commit == "unknown"


def test_a_folder_without_a_repository_is_unknown(tmp_path):
    """An unpacked archive trains as well as a clone."""
    found = git.work_tree(tmp_path)
    assert (found.commit, found.modified, found.user) == ("unknown", False, "unknown")


def test_a_machine_without_git_is_unknown(repository, monkeypatch):
    """Git is no requirement."""
    monkeypatch.setenv("PATH", str(repository))
    found = git.work_tree(repository)
    assert (found.commit, found.modified, found.user) == ("unknown", False, "unknown")
