"""Another program: run as a person would run it, whose output it is, or between two files."""

import os
import subprocess
from collections.abc import Sequence
from typing import IO

from pipeline.errors import PipelineError


def run(command: Sequence[str], **variables: str) -> int:
    """Run ``command`` with ``variables`` in its environment and return its exit code.

    Raises:
        PipelineError: there is no such program.

    """
    try:
        done = subprocess.run(  # noqa: S603 (the caller's own command, no shell)
            command, env={**os.environ, **variables}, check=False
        )
    except OSError as error:
        raise PipelineError(f"cannot run {command[0]}: {error.strerror}") from None
    return done.returncode


def between(
    command: Sequence[str], source: IO[bytes] | None = None, target: IO[bytes] | None = None
) -> tuple[int, str]:
    """Run ``command`` from one file to another; return its exit code and the end of what it said.

    Raises:
        PipelineError: there is no such program.

    """
    try:
        done = subprocess.run(  # noqa: S603 (the caller's own command, no shell)
            command,
            stdin=source or subprocess.DEVNULL,
            stdout=target or subprocess.PIPE,
            stderr=subprocess.PIPE,
            check=False,
        )
    except OSError as error:
        raise PipelineError(f"cannot run {command[0]}: {error.strerror}") from None
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return done.returncode, lines[-1] if lines else ""
