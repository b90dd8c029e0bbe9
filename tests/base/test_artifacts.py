"""Folders between tasks: whole or not at all, and every damage named."""

import errno
import os
import subprocess
from pathlib import Path

import pytest

from pipeline.base import artifacts
from pipeline.base.errors import ArtifactError

FILES = {"a.txt": b"1", "sub/b c.txt": b"2", "sub/deep/SHA256SUMS": b"3"}


@pytest.fixture
def folder(tmp_path):
    """Return a folder as a task leaves it."""
    artifacts.write_folder(tmp_path / "made", FILES)
    return tmp_path / "made"


def names(folder):
    """Return everything below a folder, sub-folders too."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_a_folder_comes_back_as_it_was_written(folder):
    """Paths, contents, sub-folders."""
    assert artifacts.read_folder(folder, "some_task") == FILES


def test_writing_the_same_folder_twice_changes_nothing(folder):
    """A repeated run is harmless."""
    before = artifacts.files_below(folder)

    artifacts.write_folder(folder, FILES)

    assert artifacts.files_below(folder) == before


def test_what_an_earlier_run_left_is_removed(folder):
    """Files, folders that become empty, and a file where a folder is needed now."""
    (folder / "empty").mkdir()

    artifacts.write_folder(folder, {"a.txt/now a folder": b"4"})

    assert names(folder) == {"a.txt", "a.txt/now a folder", "SHA256SUMS"}


@pytest.mark.parametrize("through_a_link", [False, True], ids=["itself", "through a link"])
def test_a_folder_that_no_task_wrote_is_left_alone(tmp_path, through_a_link):
    """A person may have called a folder `models`, or led it to one of theirs."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "notes.txt").write_bytes(b"a year of work")
    folder = tmp_path / "models" if through_a_link else own
    if through_a_link:
        folder.symlink_to(own)

    with pytest.raises(ArtifactError, match=r"holds files that no task wrote: move them away$"):
        artifacts.write_folder(folder, FILES)

    assert artifacts.files_below(own) == {"notes.txt": b"a year of work"}


def test_an_empty_folder_may_lie_elsewhere(tmp_path):
    """On a larger disk, say; the link stays."""
    (tmp_path / "large").mkdir()
    (tmp_path / "models").symlink_to(tmp_path / "large")

    for _ in range(2):
        artifacts.write_folder(tmp_path / "models", FILES)

    assert (tmp_path / "models").is_symlink()
    assert artifacts.read_folder(tmp_path / "large", "some_task") == FILES


def test_a_folder_where_a_file_is_needed_now_is_replaced(folder):
    """The other way round."""
    artifacts.write_folder(folder, {"sub": b"now a file"})

    assert artifacts.read_folder(folder, "some_task") == {"sub": b"now a file"}


def test_a_link_to_a_folder_is_replaced_and_not_followed(folder, tmp_path):
    """Nothing outside of the folder is ever written or removed."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_bytes(b"5")
    (folder / "link").symlink_to(outside)

    artifacts.write_folder(folder, {"link/b": b"6"})

    assert names(outside) == {"precious"}
    assert artifacts.read_folder(folder, "some_task") == {"link/b": b"6"}


@pytest.mark.parametrize("target", ["a file", "an empty folder"])
def test_a_link_where_a_file_is_needed_now_is_replaced_and_not_followed(folder, tmp_path, target):
    """What the link points to stays as it was."""
    (tmp_path / "a file").write_bytes(b"5")
    (tmp_path / "an empty folder").mkdir()
    (folder / "link").symlink_to(tmp_path / target)

    artifacts.write_folder(folder, {"link": b"6"})

    assert artifacts.read_folder(folder, "some_task") == {"link": b"6"}
    assert (tmp_path / "a file").read_bytes() == b"5"
    assert (tmp_path / "an empty folder").is_dir()


@pytest.mark.parametrize("path", ["../up", "/up", "a/../../up", "", "two\nlines"], ids=repr)
def test_a_path_that_leads_out_is_refused_before_anything_is_removed(folder, path):
    """The folder stays as it was."""
    with pytest.raises(ValueError, match="not the path of a file below a folder"):
        artifacts.write_folder(folder, {path: b""})

    assert artifacts.read_folder(folder, "some_task") == FILES


def test_sha256sum_accepts_the_checksums(folder):
    """A person can verify a folder with a tool that every system has."""
    command = ["sha256sum", "--check", "--strict", "SHA256SUMS"]

    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout.count(": OK")) == (0, len(FILES))


@pytest.mark.parametrize("path", FILES)
def test_a_changed_file_is_named(folder, path):
    """One flipped bit, at any depth."""
    (folder / path).write_bytes(bytes([FILES[path][0] ^ 1]))

    with pytest.raises(ArtifactError, match=f"{path} has changed: run .*some_task"):
        artifacts.read_folder(folder, "some_task")


@pytest.mark.parametrize("path", FILES)
def test_a_missing_file_is_named(folder, path):
    """At any depth."""
    (folder / path).unlink()

    with pytest.raises(ArtifactError, match=f"{path} is missing: run .*some_task"):
        artifacts.read_folder(folder, "some_task")


@pytest.mark.parametrize("path", ["new", ".hidden", "sub/new", "sub/deep/new", "other/new"])
def test_an_extra_file_is_named(folder, path):
    """At any depth, hidden or not."""
    (folder / path).parent.mkdir(exist_ok=True)
    (folder / path).touch()

    with pytest.raises(ArtifactError, match=f"{path} is not expected: run .*some_task"):
        artifacts.read_folder(folder, "some_task")


def test_every_damage_is_named_at_once(folder):
    """Not only the first."""
    (folder / "a.txt").unlink()
    (folder / "new").touch()

    with pytest.raises(ArtifactError, match=r"a\.txt is missing; new is not expected"):
        artifacts.read_folder(folder, "some_task")


def test_a_link_is_named_even_when_its_target_has_the_right_content(folder, tmp_path):
    """What a link points to may change after the check."""
    (folder / "a.txt").rename(tmp_path / "elsewhere")
    (folder / "a.txt").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(ArtifactError, match=r"only plain files are read, so remove .*/a\.txt"):
        artifacts.read_folder(folder, "some_task")


@pytest.mark.parametrize("target", ["nowhere", "sub", "/"])
def test_a_link_to_nothing_or_to_a_folder_is_named(folder, target):
    """It is neither skipped nor followed."""
    (folder / "link").symlink_to(target)

    with pytest.raises(ArtifactError, match=r"remove .*/link"):
        artifacts.read_folder(folder, "some_task")


def test_a_pipe_is_named(folder):
    """Reading it would wait forever."""
    os.mkfifo(folder / "pipe")

    with pytest.raises(ArtifactError, match=r"remove .*/pipe"):
        artifacts.read_folder(folder, "some_task")


def test_a_missing_folder_names_the_command_that_makes_it(tmp_path):
    """The next step is in the message."""
    with pytest.raises(ArtifactError, match=r"made/ is missing or unfinished: run .*some_task"):
        artifacts.read_folder(tmp_path / "made", "some_task")


def test_a_folder_without_checksums_is_unfinished(folder):
    """As an interrupted run leaves it."""
    (folder / "SHA256SUMS").unlink()

    with pytest.raises(ArtifactError, match="unfinished"):
        artifacts.read_folder(folder, "some_task")


@pytest.mark.parametrize(
    "content", [b"no checksums\n", b"\xff\xfe", b"0" * 64], ids=["text", "bytes", "cut"]
)
def test_damaged_checksums_are_not_taken_for_a_folder(folder, content):
    """Nothing is guessed from half a list."""
    (folder / "SHA256SUMS").write_bytes(content)

    with pytest.raises(ArtifactError, match=r"SHA256SUMS is damaged: run .*some_task"):
        artifacts.read_folder(folder, "some_task")


def test_emptied_checksums_expect_no_file(folder):
    """The list of an empty folder is empty, so each file is named."""
    (folder / "SHA256SUMS").write_bytes(b"")

    with pytest.raises(ArtifactError, match=r"a\.txt is not expected"):
        artifacts.read_folder(folder, "some_task")


def test_an_interrupted_write_is_seen_by_the_next_reader(folder):
    """The second file cannot be written, so the first one is new and the rest old."""
    files = {"a.txt": b"new", "a.txt/impossible": b""}

    with pytest.raises(ArtifactError, match="cannot write"):
        artifacts.write_folder(folder, files)
    with pytest.raises(ArtifactError, match="unfinished"):
        artifacts.read_folder(folder, "some_task")


def test_what_an_interrupted_write_left_is_written_over(folder):
    """It has no checksums, and is ours all the same."""
    with pytest.raises(ArtifactError, match="cannot write"):
        artifacts.write_folder(folder, {"a.txt": b"new", "a.txt/impossible": b""})

    artifacts.write_folder(folder, FILES)

    assert artifacts.read_folder(folder, "some_task") == FILES


def test_a_file_where_the_folder_should_be_is_a_clear_error(tmp_path):
    """The message says which path is in the way, in one line."""
    (tmp_path / "made").touch()

    with pytest.raises(ArtifactError, match=r"cannot write .*/made.*: Not a directory"):
        artifacts.write_folder(tmp_path / "made", FILES)
    with pytest.raises(ArtifactError, match="made/ is missing or unfinished"):
        artifacts.read_folder(tmp_path / "made", "some_task")


def test_a_file_is_replaced_with_the_usual_permissions(tmp_path):
    """Readable by all, so that a container with another user can read it."""
    artifacts.write_file(tmp_path / "new/file", b"1")
    artifacts.write_file(tmp_path / "new/file", b"2")

    assert (tmp_path / "new/file").read_bytes() == b"2"
    assert (tmp_path / "new/file").stat().st_mode & 0o777 == 0o644


def test_a_failing_write_leaves_the_old_file_and_nothing_else(tmp_path):
    """What is not bytes fails in the middle of the write."""
    artifacts.write_file(tmp_path / "file", b"old")

    with pytest.raises(TypeError):
        artifacts.write_file(tmp_path / "file", "not bytes")

    assert artifacts.files_below(tmp_path) == {"file": b"old"}


def test_a_write_that_the_file_system_refuses_leaves_nothing_behind(tmp_path):
    """A folder of the same name is in the way; the temporary file is gone."""
    (tmp_path / "file/in the way").mkdir(parents=True)

    with pytest.raises(ArtifactError, match=r"cannot write .*/file: Is a directory"):
        artifacts.write_file(tmp_path / "file", b"new")

    assert names(tmp_path) == {"file", "file/in the way"}


def test_only_a_disk_of_this_machine_refuses():
    """A server says "Permission denied" of an account, too."""
    refused = OSError(errno.EACCES, "Permission denied", "/a/b")

    assert artifacts.refusal(refused).endswith(": [Errno 13] Permission denied: '/a/b'")
    assert artifacts.refusal(RuntimeError("code 403. Response body: 'Permission denied'")) == ""


def test_a_file_on_a_full_disk_says_so_and_what_to_do():
    """Here it is one that is always full."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(ArtifactError) as refused:
        artifacts.add_to("/dev/full", "text")

    assert str(refused.value) == (
        "cannot write /dev/full: No space left on device: the disk is full: make room, and run the "
        "same command again"
    )


def test_what_a_disk_refuses_shows_no_password():
    """MLflow names the address that it reads from."""
    said = artifacts.refusal(RuntimeError("[Errno 28] No space for http://ann:secret@here/a"))

    assert said.endswith("[Errno 28] No space for http://here/a")
