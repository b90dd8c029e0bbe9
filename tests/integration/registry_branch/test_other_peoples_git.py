"""The branch under the git settings, variables and hooks that people have: nothing may follow them.

Each was set in the way its user sets it, around real repositories.
"""

import os
import re
import sys
from pathlib import Path

import pytest

from pipeline.base import config, git
from pipeline.base.errors import RegistryUnavailableError
from pipeline.registry.git_branch import GitBranch
from tests.registry.branch.conftest import run_git
from tests.root import as_root

NAME = "mlflow-registry"
CONTENT = {
    "unix": b"one\ntwo\n",
    "windows": b"one\r\ntwo\r\n",
    "mixed": b"\x00\r\n\n\r$Id: x$",
    ".gitignore": b"*\n",
}


def publish_and_read(clone, content=CONTENT):
    """Put files on the branch from a clone, and return what it reads back."""
    branch = GitBranch(git.remote(clone), NAME, clone / ".registry")
    commit = branch.read()
    for name, text in content.items():
        (branch.folder / name).write_bytes(text)
    assert branch.replace(commit, "published")
    branch.read()
    return {name: (branch.folder / name).read_bytes() for name in content}


def script(path, text):
    """Write a program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def refusing(folder):
    """Write hooks that refuse everything that git does on this side; return their folder."""
    for name in ("pre-push", "reference-transaction", "post-checkout", "post-index-change"):
        script(folder / name, f"echo refused by {name} >&2; exit 1")
    return folder


def attributes(folder, text):
    """Write a file of attributes and return its path."""
    (folder / "attributes").write_text(text)
    return folder / "attributes"


# How a person may have configured git, by what it is called; each takes a folder for its files.
CONFIGURATIONS = {
    "eol=crlf": lambda at: {"core.attributesFile": attributes(at, "* text eol=crlf\n")},
    "text=auto": lambda at: {
        "core.attributesFile": attributes(at, "* text=auto\n"),
        "core.autocrlf": "true",
        "core.safecrlf": "true",
    },
    "eol": lambda at: {"core.attributesFile": attributes(at, "* text\n"), "core.eol": "crlf"},
    "LFS": lambda at: {
        "core.attributesFile": attributes(at, "* filter=lfs\n"),
        "filter.lfs.required": "true",
        "filter.lfs.clean": "false",
        "filter.lfs.smudge": "false",
    },
    "hooks": lambda at: {"core.hooksPath": refusing(at / "hooks")},
    "template": lambda at: {"init.templateDir": refusing(at / "template" / "hooks").parent},
    "signatures": lambda _: {"push.gpgSign": "true", "commit.gpgSign": "true"},
    "push options": lambda _: {"push.pushOption": "ci.skip"},
    "push": lambda _: {"push.followTags": "true", "push.recurseSubmodules": "only"},
    "elsewhere": lambda at: {"core.worktree": at},
    "bare": lambda _: {"core.bare": "true"},
    "new format": lambda _: {"init.defaultObjectFormat": "sha256"},
}


@pytest.mark.parametrize("configuration", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_the_configuration_of_a_user_changes_nothing_that_is_stored(
    clone, tmp_path, monkeypatch, configuration
):
    """A healthy branch must never be called damaged, and a push never be refused on this side."""
    at = tmp_path / "files"
    at.mkdir()
    given = tmp_path / "gitconfig"
    for key, value in configuration(at).items():
        run_git(tmp_path, "config", "--file", str(given), key, str(value))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(given))

    assert publish_and_read(clone) == CONTENT


@pytest.mark.parametrize("place", ["home", "system"])
def test_attributes_that_no_setting_names_change_nothing_either(
    clone, tmp_path, monkeypatch, place
):
    """Git reads a file of them in the home folder by itself, and a configuration of the system."""
    if place == "home":
        (tmp_path / "git").mkdir()
        attributes(tmp_path / "git", "* text eol=crlf\n")
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    else:
        given = tmp_path / "gitconfig"
        named = str(attributes(tmp_path, "* text eol=crlf\n"))
        run_git(tmp_path, "config", "--file", str(given), "core.attributesFile", named)
        monkeypatch.setenv("GIT_CONFIG_SYSTEM", str(given))

    assert publish_and_read(clone) == CONTENT


@pytest.mark.parametrize(
    "attribute", ["text", "eol=crlf", "ident", "filter=lfs", "working-tree-encoding=UTF-16", "crlf"]
)
def test_attributes_among_the_files_themselves_are_files_like_others(clone, tmp_path, attribute):
    """A model may bring its own."""
    run_git(clone, "config", "--file", str(tmp_path / "none"), "filter.lfs.clean", "tr a-z A-Z")
    content = {**CONTENT, ".gitattributes": f"* {attribute}\n".encode()}

    assert publish_and_read(clone, content) == content


# Variables of a caller, each of which makes git look, write or speak elsewhere.
VARIABLES = {
    "GIT_DIR": "{other}/.git",
    "GIT_WORK_TREE": "{other}",
    "GIT_INDEX_FILE": "{other}/.git/index",
    "GIT_COMMON_DIR": "{other}/.git",
    "GIT_OBJECT_DIRECTORY": "{other}/.git/objects",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES": "{other}/.git/objects",
    "GIT_NAMESPACE": "other",
    "GIT_PREFIX": "data/",
    "GIT_SHALLOW_FILE": "{other}/.git/shallow",
    "GIT_CONFIG": "{other}/.git/config",
    "GIT_TEMPLATE_DIR": "{other}/template",
    "GIT_DEFAULT_HASH": "sha256",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_QUARANTINE_PATH": "{other}/.git/objects",
    "GIT_CEILING_DIRECTORIES": "/",
    "GIT_REPLACE_REF_BASE": "refs/other/",
    "GIT_TRACE": "1",
}


@pytest.fixture
def other(tmp_path):
    """Return another repository, whose hooks refuse everything."""
    folder = tmp_path / "other"
    folder.mkdir()
    run_git(folder, "init", "--quiet")
    run_git(folder, "commit", "--quiet", "--allow-empty", "--message=other")
    refusing(folder / "template" / "hooks")
    return folder


def state(folder):
    """Return every file that git keeps about a repository."""
    below = (path for path in (folder / ".git").rglob("*") if path.is_file())
    return {str(path): path.read_bytes() for path in below}


# One that the hooks of git are given, others that are enough by themselves, and everything at once.
@pytest.mark.parametrize(
    "names",
    [("GIT_DIR",), ("GIT_INDEX_FILE",), ("GIT_CONFIG",), ("GIT_TEMPLATE_DIR",), tuple(VARIABLES)],
    ids=["GIT_DIR", "GIT_INDEX_FILE", "GIT_CONFIG", "GIT_TEMPLATE_DIR", "all of them"],
)
def test_the_variables_of_a_caller_lead_git_nowhere_else(clone, other, monkeypatch, names):
    """Neither for the branch nor for the facts, and the other repository stays as it was."""
    before, facts = state(other), git.work_tree(clone, config.FILE)
    for each in names:
        monkeypatch.setenv(each, VARIABLES[each].format(other=other))

    found, stored = git.work_tree(clone, config.FILE), publish_and_read(clone)

    assert found == facts
    assert stored == CONTENT
    assert state(other) == before


def test_a_branch_folder_that_lost_its_repository_never_becomes_part_of_the_clone(clone):
    """Git would look for one further up, find the user's own, and add everything to its index."""
    branch = GitBranch(git.remote(clone), NAME, clone / ".registry")
    commit = branch.read()
    before = state(clone)
    (branch.folder / ".git").rename(clone / "gone")

    with pytest.raises(RegistryUnavailableError, match="not a git repository"):
        branch.replace(commit, "published")
    assert state(clone) == before


def test_a_question_about_the_work_tree_writes_nothing(clone):
    """In a hook, git itself is about to write the index."""
    (clone / "file").write_text("one\n")
    run_git(clone, "add", "file")
    run_git(clone, "commit", "--quiet", "--message=second")
    # Git would note in the index that the file is still the same.
    os.utime(clone / "file", (1, 1))
    before = state(clone)

    assert not git.work_tree(clone, config.FILE).modified
    assert state(clone) == before


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
@pytest.mark.parametrize("default", ["sha1", "sha256"])
def test_the_branch_has_the_object_format_of_the_remote(
    tmp_path, monkeypatch, object_format, default
):
    """Whatever a new repository of this user would get."""
    remote, folder = tmp_path / "remote.git", tmp_path / "clone"
    for arguments in (("--bare", str(remote)), (str(folder),)):
        run_git(tmp_path, "init", "--quiet", f"--object-format={object_format}", *arguments)
    run_git(folder, "remote", "add", "origin", str(remote))
    monkeypatch.setenv("GIT_DEFAULT_HASH", default)

    assert publish_and_read(folder) == CONTENT


def hook_of(folder, name):
    """Make a hook that runs a command with the registry, as a team may want it at each commit."""
    command = f"{sys.executable} -m pipeline.registry branch --read-only -- true"
    script(folder / ".git" / "hooks" / name, f"exec {command} </dev/null >&2")


def test_a_hook_of_a_linked_work_tree_leaves_the_main_clone_alone(project, tmp_path):
    """Git exports the main clone's folder to it; the command works in one of its own."""
    linked = tmp_path / "linked"
    run_git(project, "worktree", "add", "--quiet", str(linked))
    hook_of(project, "pre-commit")
    kept = ("config", "HEAD", "index")
    before = [(project / ".git" / name).read_bytes() for name in kept]
    (linked / "new").write_text("new\n")
    run_git(linked, "add", "new")

    run_git(linked, "commit", "--quiet", "--message=third")

    assert [(project / ".git" / name).read_bytes() for name in kept] == before
    assert run_git(linked, "show", "--name-only", "--format=%s") == "third\n\nnew"
    assert (linked / ".registry").is_dir()


@pytest.mark.parametrize("name", ["pre-commit", "pre-push"])
def test_a_hook_of_the_clone_itself_works_with_the_registry(project, remote, name):
    """What is being committed or pushed arrives as without the hook."""
    hook_of(project, name)
    (project / "new").write_text("new\n")
    run_git(project, "add", "new")

    run_git(project, "commit", "--quiet", "--message=third")
    run_git(project, "push", "--quiet", "origin", "HEAD:main")

    assert run_git(remote, "show", "--name-only", "--format=%s", "main") == "third\n\nnew"
    assert run_git(project, "status", "--porcelain") == ""
    assert Path(project, ".registry").is_dir()


def test_a_remote_of_another_user_is_reached_where_the_user_trusts_it(
    clone, remote, tmp_path, monkeypatch
):
    """That is a setting of the user, which the git at the other end asks for too."""
    run_git(remote, "config", "core.sharedRepository", "all")
    for command in (("chmod", "a+rwX"), ("chown", "1234:1234")):
        assert as_root(command[0], "-R", command[1], remote).returncode == 0
    given = tmp_path / "gitconfig"
    run_git(tmp_path, "config", "--file", str(given), "safe.directory", str(remote))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(given))

    assert publish_and_read(clone) == CONTENT


@pytest.mark.parametrize("password", ["p@ss", "p'ss", "p%40ss?", "p ss"])
def test_a_message_of_git_shows_no_password(clone, password):
    """Git repeats the address that it could not reach."""
    address = f"http://alice:{password}@127.0.0.1:1/registry.git"
    run_git(clone, "remote", "set-url", "origin", address)
    branch = GitBranch(git.remote(clone), NAME, clone / ".registry")

    with pytest.raises(RegistryUnavailableError) as raised:
        branch.read()
    assert branch.remote.shown == "http://127.0.0.1:1/registry.git"
    assert not re.search("alice|p.ss|ss@", str(raised.value))


def test_the_settings_of_a_remote_are_not_printed_with_it(clone):
    """They may hold a token."""
    run_git(clone, "config", "http.extraheader", "Authorization: s3cret")

    assert "s3cret" not in repr(git.remote(clone))
