"""The folders that one task writes and the next one reads. The only file access of the tasks.

A folder is written whole: its checksums go first and come back last, so a reader sees what one
run wrote, or an error that says which command to run again. What a run clears has its checksums, or
the mark of a run that was cut off; another folder of that name is a person's own.
"""

import errno
import os
import re
import tempfile
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

from pipeline.base import addresses, manifest
from pipeline.base.errors import ArtifactError
from pipeline.base.manifest import Files

RAW: Final = Path("data/raw")
PROCESSED: Final = Path("data/processed")
FIGURES: Final = Path("figures")
REPORTS: Final = Path("reports")
MODELS: Final = Path("models")
MODEL_FIGURES: Final = FIGURES / "models"
PACKAGES: Final = Path("packages")
ENVIRONMENTS: Final = Path("environments")
IMAGES: Final = Path("images")
RELEASE: Final = Path("release")
BENTOML_HOME: Final = Path(".bentoml")
REGISTRY: Final = Path(".registry")

CHECKSUMS: Final = "SHA256SUMS"
UNFINISHED: Final = ".unfinished"

_SHOWN: Final = 300
# As Python, SQLite and other programs say it.
_FULL: Final = re.compile("No space left on device|disk is full|Disk quota exceeded")
_REFUSAL: Final = re.compile(
    "|".join(
        (
            # With the number, as Python shows it: a server may answer "Permission denied" too.
            *(rf"\[Errno {n}\]" for n in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)),
            "No usable temporary directory",
            # SQLite's own words.
            "database or disk is full|disk I/O error|readonly database",
        )
    )
)


def write_file(path: Path, content: bytes) -> None:
    """Put ``content`` at ``path``, at once: a reader sees the old file or the new one.

    Raises:
        ArtifactError: the file system refuses.

    """
    write_chunks(path, (content,))


def write_chunks(path: Path, chunks: Iterable[bytes]) -> None:
    """Put the bytes of ``chunks`` at ``path``, as `write_file` does.

    Raises:
        ArtifactError: the file system refuses.

    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.writelines(chunks)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ArtifactError(f"cannot write {path}: {reason(error)}") from error


def refusal(error: BaseException) -> str:
    """Return what a disk that is full, or may not be written to, says; nothing for other errors."""
    line = addresses.redacted(" ".join(str(error).split()))
    if (found := _REFUSAL.search(line)) is None:
        return ""
    said = line[found.start() :][:_SHOWN]
    if is_full(error):
        return (
            "the disk of this machine is full: make room, here or in the folder of temporary files "
            f"(TMPDIR), and run the same command again: {said}"
        )
    return f"the disk refuses, here or in the folder of temporary files (TMPDIR): {said}"


def is_full(said: object) -> bool:
    """Say whether an error, or what a program or a server said, tells of a full disk."""
    return _FULL.search(str(said)) is not None


def reason(error: OSError) -> str:
    """Return what the system says, with the way out of a full disk."""
    way_out = ": the disk is full: make room, and run the same command again"
    return f"{error.strerror}{way_out if is_full(error) else ''}"


def add_to(path: str, text: str) -> None:
    """Add ``text`` to a file that CI reads; without a path, do nothing.

    Raises:
        ArtifactError: the file system refuses.

    """
    if not path:
        return
    try:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ArtifactError(f"cannot write {path}: {reason(error)}") from error


def files_below(folder: Path) -> dict[str, bytes]:
    """Return every file below ``folder`` by its relative POSIX path, sorted.

    Raises:
        ArtifactError: something below is a link or no regular file, or cannot be read.

    """
    paths = _paths_below(folder)
    if odd := [str(path) for path in paths if path.is_symlink() or not path.is_file()]:
        raise ArtifactError(f"only plain files are read, so remove {', '.join(odd)}")
    try:
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    except OSError as error:
        raise ArtifactError(f"cannot read {error.filename}: {error.strerror}") from error


def source_code() -> dict[str, bytes]:
    """Return every module of the pipeline by its relative POSIX path, sorted."""
    root = Path(__file__).parents[1]
    modules = sorted(root.rglob("*.py"))
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in modules}


def write_folder(folder: Path, files: Files) -> None:
    """Make ``folder`` hold exactly ``files`` and their checksums.

    Raises:
        ArtifactError: the file system refuses; the folder then counts as unfinished. Or the folder
            holds files and was not written by this function.
        ValueError: a path leads out of the folder or cannot stand in a list of checksums.

    """
    checksums = manifest.checksum_lines(manifest.digests(files)).encode()
    write_sealed_folder(folder, {**files, CHECKSUMS: checksums}, seal=CHECKSUMS)


def write_sealed_folder(folder: Path, files: Files, seal: str) -> None:
    """Make ``folder`` hold exactly ``files``; the file ``seal`` goes first and comes back last.

    Raises:
        ArtifactError: the file system refuses; the folder then lacks its seal. Or the folder holds
            files, and neither its seal nor the mark of a run that was cut off.

    """
    mark = folder / UNFINISHED
    try:
        if not _may_clear(folder, seal):
            raise ArtifactError(f"{folder}/ holds files that no task wrote: move them away")
        folder.mkdir(parents=True, exist_ok=True)
        mark.touch()
        (folder / seal).unlink(missing_ok=True)
        _remove_all_but({*files, UNFINISHED}, folder)
        for path in sorted(files, key=lambda path: path == seal):
            write_file(folder / path, files[path])
        mark.unlink(missing_ok=True)
    except OSError as error:
        raise ArtifactError(f"cannot write {error.filename}: {reason(error)}") from error


def read_folder(folder: Path, made_by: str) -> dict[str, bytes]:
    """Return the files of a folder that `write_folder` wrote, each checked.

    Raises:
        ArtifactError: the folder or a file is missing, changed or not expected; the message names
            each and the command ``made_by`` that makes them again.

    """
    remedy = f"run `.venv/bin/python -m pipeline.{made_by}`"
    if not (folder / CHECKSUMS).is_file():
        raise ArtifactError(f"{folder}/ is missing or unfinished: {remedy}")
    files = files_below(folder)
    try:
        expected = manifest.parse_checksum_lines(files.pop(CHECKSUMS).decode())
    except ValueError:
        raise ArtifactError(f"{folder / CHECKSUMS} is damaged: {remedy}") from None
    if faults := manifest.differences(expected, manifest.digests(files)):
        raise ArtifactError(f"{folder}/: {'; '.join(faults)}: {remedy}")
    return files


def _paths_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())


def _may_clear(folder: Path, seal: str) -> bool:
    written = (folder / seal).is_file() or (folder / UNFINISHED).is_file()
    return written or not folder.exists() or not any(folder.iterdir())


def _remove_all_but(names: Collection[str], folder: Path) -> None:
    for path in _paths_below(folder):
        if path.is_symlink() or path.relative_to(folder).as_posix() not in names:
            path.unlink()
    folders = (path for path in folder.rglob("*") if path.is_dir())
    for path in sorted(folders, reverse=True):
        if not any(path.iterdir()):
            path.rmdir()
