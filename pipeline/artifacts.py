"""The folders that one task writes and the next one reads. The only file access of the tasks.

A folder is written whole: its checksums go first and come back last, so a reader sees what one
run wrote, or an error that says which command to run again.
"""

import os
import tempfile
from pathlib import Path, PurePosixPath
from typing import Final

from pipeline.core import manifest
from pipeline.core.manifest import Files
from pipeline.errors import ArtifactError

RAW: Final = Path("data/raw")
PROCESSED: Final = Path("data/processed")
FIGURES: Final = Path("figures")
REPORTS: Final = Path("reports")
MODELS: Final = Path("models")
PACKAGES: Final = Path("packages")
ENVIRONMENTS: Final = Path("environments")

CHECKSUMS: Final = "SHA256SUMS"


def write_file(path: Path, content: bytes) -> None:
    """Put ``content`` at ``path``, at once: a reader sees the old file or the new one.

    Raises:
        ArtifactError: the file system refuses.

    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ArtifactError(f"cannot write {path}: {error.strerror}") from error


def files_below(folder: Path) -> dict[str, bytes]:
    """Return every file below ``folder`` by its relative POSIX path, sorted."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() or path.is_symlink())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def write_folder(folder: Path, files: Files) -> None:
    """Make ``folder`` hold exactly ``files`` and their checksums.

    Raises:
        ArtifactError: the file system refuses.

    """
    (folder / CHECKSUMS).unlink(missing_ok=True)
    for stale in files_below(folder).keys() - files.keys():
        (folder / stale).unlink()
    for path, content in files.items():
        write_file(folder / PurePosixPath(path), content)
    lines = manifest.checksum_lines(manifest.digests(files))
    write_file(folder / CHECKSUMS, lines.encode())


def read_folder(folder: Path, made_by: str) -> dict[str, bytes]:
    """Return the files of a folder that `write_folder` wrote, each checked.

    Raises:
        ArtifactError: the folder or a file is missing, changed or not expected; the message names
            each and the command ``made_by`` that makes them again.

    """
    remedy = f"run `python -m pipeline.{made_by}`"
    try:
        lines = (folder / CHECKSUMS).read_text(encoding="utf-8")
    except OSError:
        raise ArtifactError(f"{folder}/ is missing or unfinished: {remedy}") from None
    files = files_below(folder)
    del files[CHECKSUMS]
    try:
        expected = manifest.parse_checksum_lines(lines)
    except ValueError:
        raise ArtifactError(f"{folder / CHECKSUMS} is damaged: {remedy}") from None
    if found := manifest.differences(expected, manifest.digests(files)):
        raise ArtifactError(f"{folder}/: {'; '.join(found)}: {remedy}")
    return files
