"""A branch that is replaced by compare-and-swap: real git, a real remote, every interleaving."""

import os
import random
import shutil
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from pipeline.base import command, git_settings
from pipeline.base.errors import RegistryError, RegistryUnavailableError
from pipeline.base.git import Remote
from pipeline.registry.git_branch import GitBranch
from tests.registry.branch.conftest import remote_at, run_git

NAME = "mlflow-registry"
SEEDS = range(50)


def write(branch, **files):
    """Put files into the folder of a branch."""
    for name, text in files.items():
        (branch.folder / name).write_text(text)


def read(branch):
    """Return the files of a branch by name, as a clone that comes later sees them."""
    later = GitBranch(branch.remote, branch.name, branch.folder.with_name("later"))
    assert later.read()
    return {
        path.name: path.read_text()
        for path in later.folder.iterdir()
        if path.is_file() and path.name != "SHA256SUMS"
    }


def test_a_remote_without_the_branch_gives_an_empty_folder(branch):
    """A first push needs no preparation."""
    ann = branch("ann")

    assert ann.read() == ""
    assert [path.name for path in ann.folder.iterdir()] == [".git"]


@pytest.mark.parametrize("kind", ["folder", "link", "file"])
def test_a_place_that_holds_something_else_is_left_alone(branch, tmp_path, kind):
    """It belongs to a person: nothing in it is removed, also not through a link."""
    ann, own = branch("ann"), tmp_path / "own"
    own.mkdir()
    (own / "notes").write_text("a year of work")
    if kind == "folder":
        own.rename(ann.folder)
    elif kind == "link":
        ann.folder.symlink_to(own)
    else:
        ann.folder.write_text("a year of work")

    with pytest.raises(RegistryError, match="move it away"):
        ann.read()

    kept = ann.folder if kind == "file" else ann.folder / "notes"
    assert kept.read_text() == "a year of work"


def test_what_a_read_left_that_was_cut_off_is_cleared(branch):
    """Before anything of the branch was there."""
    ann = branch("ann")
    ann.read()
    (ann.folder / git_settings.TRUSTED).unlink()

    assert ann.read() == ""


def test_what_one_clone_puts_there_another_reads(branch):
    """Exactly that, and binary files too."""
    ann, bob = branch("ann"), branch("bob")
    ann.read()
    write(ann, one="1")
    (ann.folder / "two").write_bytes(bytes(range(256)) + b"\r\n")

    assert ann.replace(ann.head(), "second")

    assert bob.read() == ann.head()
    assert (bob.folder / "one").read_text() == "1"
    assert (bob.folder / "two").read_bytes() == bytes(range(256)) + b"\r\n"


def test_the_branch_always_holds_one_commit(branch, remote):
    """However often it is replaced."""
    ann = branch("ann")
    for number in range(3):
        commit = ann.read()
        write(ann, number=str(number))
        assert ann.replace(commit, "again")

    assert run_git(remote, "rev-list", "--count", NAME) == "1"
    assert read(ann) == {"number": "2"}


def test_a_folder_that_did_not_change_is_not_pushed(branch):
    """The commit stays the same one."""
    ann = branch("ann")
    ann.read()
    write(ann, one="1")
    ann.replace("", "first")
    before = ann.read()

    assert ann.replace(before, "the same again")

    assert ann.head() == before


def test_the_second_writer_is_told_and_changes_nothing(branch):
    """The first writer's state stays."""
    ann, bob = branch("ann"), branch("bob")
    commits = [one.read() for one in (ann, bob)]
    write(ann, who="ann")
    write(bob, who="bob")

    assert ann.replace(commits[0], "ann")
    assert not bob.replace(commits[1], "bob")

    assert read(ann) == {"who": "ann"}


def test_a_branch_that_was_deleted_meanwhile_is_not_made_again(branch, remote):
    """A colleague began a new registry on purpose."""
    ann = branch("ann")
    ann.read()
    write(ann, one="1")
    ann.replace("", "first")
    commit = ann.read()
    run_git(remote, "update-ref", "-d", f"refs/heads/{NAME}")
    write(ann, one="2")

    assert not ann.replace(commit, "second")
    assert ann.head() == ""


class Writer:
    """One clone that adds its version and moves the champion, a step at a time, until it is in."""

    def __init__(self, branch, name, quality):
        """Wait to be asked for the first step."""
        self.branch, self.name, self.quality = branch, name, quality
        self.steps, self.done, self.commit = [self.read, self.change, self.publish], False, ""
        self.next = 0

    def step(self):
        """Do the next thing."""
        self.steps[self.next]()

    def read(self):
        """Read what is there."""
        self.commit, self.next = self.branch.read(), 1

    def change(self):
        """Add a version; promote it if it is better than the champion that was read."""
        folder = self.branch.folder
        champion = folder / "champion"
        best = float(champion.read_text().split()[1]) if champion.exists() else -1.0
        write(self.branch, **{f"version_{self.name}": str(self.quality)})
        if self.quality > best:
            write(self.branch, champion=f"{self.name} {self.quality}")
        self.next = 2

    def publish(self):
        """Publish, or begin again."""
        self.done = self.branch.replace(self.commit, self.name)
        self.next = 0


@pytest.mark.parametrize("seed", SEEDS)
def test_two_clones_that_publish_at_once_both_end_in_the_branch(branch, seed):
    """In any order of their steps: both versions, one champion, and it is the better one."""
    dice = random.Random(seed)  # noqa: S311 (an order, not a secret)
    writers = [Writer(branch("ann"), "ann", 0.91), Writer(branch("bob"), "bob", 0.92)]
    while waiting := [one for one in writers if not one.done]:
        dice.choice(waiting).step()

    assert read(writers[0].branch) == {
        "version_ann": "0.91",
        "version_bob": "0.92",
        "champion": "bob 0.92",
    }


def test_eight_clones_that_push_at_the_same_moment_all_end_in_the_branch(branch):
    """Threads instead of a plan: the remote decides who is first."""
    writers = [Writer(branch(f"clone{n}"), f"clone{n}", n / 10) for n in range(8)]

    def publish(writer):
        while not writer.done:
            writer.step()

    with ThreadPoolExecutor(len(writers)) as threads:
        list(threads.map(publish, writers))

    found = read(writers[0].branch)
    assert {name for name in found if name.startswith("version_")} == {
        f"version_{one.name}" for one in writers
    }
    assert found["champion"] == "clone7 0.7"


def push_by_hand(remote, folder, change):
    """Clone the branch, change it without its checksums, and push that."""
    shutil.rmtree(folder, ignore_errors=True)
    run_git(remote.parent, "clone", "--quiet", "--branch", NAME, str(remote), str(folder))
    change(folder)
    run_git(folder, "add", "--all")
    run_git(folder, "commit", "--quiet", "--message=by hand")
    run_git(folder, "push", "--quiet", "origin", NAME)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda folder: (folder / "one").write_text("2"), "one has changed"),
        (lambda folder: (folder / "one").unlink(), "one is missing"),
        (lambda folder: (folder / "new").write_text(""), "new is not expected"),
        (lambda folder: (folder / "SHA256SUMS").unlink(), "one is not expected"),
        (lambda folder: (folder / "SHA256SUMS").write_text("x"), "SHA256SUMS is damaged"),
        (lambda folder: (folder / "link").symlink_to("one"), "link"),
    ],
    ids=["changed", "removed", "added", "no sums", "broken sums", "a link"],
)
def test_a_branch_that_was_edited_by_hand_is_refused_by_name(
    branch, remote, tmp_path, change, named
):
    """One line that says what is wrong and what to do."""
    ann = branch("ann")
    ann.read()
    write(ann, one="1")
    ann.replace("", "first")
    push_by_hand(remote, tmp_path / "hand", change)

    with pytest.raises(RegistryError, match=f"mlflow-registry is damaged.*{named}"):
        branch("bob").read()


def test_a_remote_that_does_not_answer_is_one_line(tmp_path):
    """With what git said about it."""
    nowhere = GitBranch(remote_at(tmp_path / "nowhere.git"), NAME, tmp_path / "folder")

    with pytest.raises(RegistryUnavailableError, match=r"git ls-remote failed: .*nowhere\.git"):
        nowhere.read()


def test_a_remote_that_refuses_is_not_taken_for_a_lost_race(branch, remote):
    """A protected branch will not let the next attempt through either; it may speak Latin-1."""
    hook = remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nprintf 'protected by Ren\\351e\\n' >&2\nexit 1\n")
    hook.chmod(0o755)
    ann = branch("ann")
    ann.read()

    with pytest.raises(RegistryError, match=r"was not taken: .*protected by Ren.e"):
        ann.replace("", "first")


def test_an_answer_that_was_lost_after_the_push_counts_as_pushed(branch, remote):
    """The remote took the commit and died before it said so."""
    hook = remote / "hooks" / "post-receive"
    hook.write_text("#!/bin/sh\nkill -9 $PPID\n")
    hook.chmod(0o755)
    ann = branch("ann")
    ann.read()
    write(ann, one="1")

    assert ann.replace("", "first")

    hook.unlink()
    assert read(ann) == {"one": "1"}


def test_a_remote_whose_disk_is_full_is_told_with_the_way_out(branch, remote):
    """In the words of the git over there."""
    ann, hook = branch("ann"), remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho 'fatal: write error: No space left on device' >&2; exit 1\n")
    hook.chmod(0o755)
    ann.read()
    write(ann, one="1")

    with pytest.raises(RegistryError, match=r"No space left on device .*: make room, here or at"):
        ann.replace("", "first")


# --- a remote that takes a connection and never says a word


@pytest.fixture
def silent():
    """Return where such a remote listens."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        yield f"127.0.0.1:{door.getsockname()[1]}"


@pytest.mark.parametrize(
    "way", ["http://ann:s3cret@", "https://ann:s3cret@", "ssh://git@", "git://"]
)
def test_a_silent_remote_is_named_with_the_next_step(silent, tmp_path, monkeypatch, way):
    """And nothing is left that waits for it."""
    monkeypatch.setattr(git_settings, "SILENT_SECONDS", 2)
    settings = (("remote.origin.url", f"{way}{silent}/x"),)
    branch, started = GitBranch(Remote(tmp_path, settings), NAME, tmp_path / "x"), time.monotonic()
    with pytest.raises(RegistryUnavailableError) as refused:
        branch.read()

    assert time.monotonic() - started < 10
    shown = f"{way.partition('//')[0]}//{silent}/x"
    assert str(refused.value).startswith(
        f"the remote {shown} does not answer: see whether `git ls-remote origin` works here, then "
    )
    assert "s3cret" not in str(refused.value)
    left = psutil.Process().children(recursive=True)
    assert [one for one in left if silent.partition(":")[2] in " ".join(one.cmdline())] == []


@pytest.mark.parametrize(("scheme", "said"), [("http", "Operation too slow"), ("ssh", "timed out")])
def test_git_itself_gives_up_a_silent_remote(silent, tmp_path, monkeypatch, scheme, said):
    """However long a whole transfer may take."""
    monkeypatch.setattr(git_settings, "SILENT_SECONDS", 2)
    environment = git_settings.storing(os.environ, str(tmp_path), ())
    done = command.finish(("git", "ls-remote", f"{scheme}://{silent}/x"), environment, 30)

    assert said in done.stderr


def test_a_user_who_says_how_long_git_waits_is_heard(silent, tmp_path):
    """In the configuration."""
    environment = git_settings.storing(os.environ, str(tmp_path), [("http.lowspeedtime", "1")])
    done = command.finish(("git", "ls-remote", f"http://{silent}/x"), environment, 30)

    assert "the last 1 seconds" in done.stderr
