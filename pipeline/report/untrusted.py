"""A file in a folder that somebody else filled."""

import errno
import os
import stat
from pathlib import Path
from typing import Final

from pipeline.base.errors import ArtifactError

# Follow no link, and wait for nobody to write into a pipe.
_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MISSING: Final = frozenset({errno.ENOENT, errno.ENOTDIR})


def read(folder: Path, name: str, most: int) -> bytes:
    """Return the content of the regular file ``name`` directly in ``folder``.

    Nothing else in the folder is looked at.

    Raises:
        ArtifactError: it is missing, something else than a plain file, or has more than ``most``
            bytes. The message repeats nothing of what the folder holds.

    """
    try:
        directory = os.open(folder, _FLAGS | os.O_DIRECTORY)
        try:
            file = os.open(name, _FLAGS, dir_fd=directory)
        finally:
            os.close(directory)
    except OSError as error:
        missing = error.errno in _MISSING
        raise ArtifactError(f"has no {name}" if missing else _no_file(name)) from None
    if problem := _problem(os.fstat(file), name, most):
        os.close(file)
        raise ArtifactError(problem)
    # A file that grows meanwhile is not read further either.
    with os.fdopen(file, "rb") as opened:
        return opened.read(most)


def _problem(about: os.stat_result, name: str, most: int) -> str:
    if not stat.S_ISREG(about.st_mode):
        return _no_file(name)
    return f"has a {name} of more than {most:,} bytes" if about.st_size > most else ""


def _no_file(name: str) -> str:
    return f"has a {name} that is no plain file"
