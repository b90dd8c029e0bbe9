"""Another program: run as a person would run it, whose output it is, or between two files."""

import os
import subprocess
from collections.abc import Sequence
from typing import IO

from pipeline.base import variables
from pipeline.base.errors import PipelineError


def run(command: Sequence[str], registry: str = "") -> int:
    """Run ``command`` in the user's environment and return its exit code.

    With ``registry`` it works with the one at that address, and without the accounts of another.

    Raises:
        PipelineError: there is no such program.

    """
    given = variables.with_registry(os.environ, registry) if registry else dict(os.environ)
    try:
        done = subprocess.run(  # noqa: S603 (the caller's own command, no shell)
            command, env=variables.direct(given), check=False
        )
    except OSError as error:
        raise PipelineError(f"cannot run {command[0]}: {error.strerror}") from None
    return done.returncode


def between(
    command: Sequence[str], source: IO[bytes] | None = None, target: IO[bytes] | None = None
) -> tuple[int, str]:
    """Run a client of Docker from one file to another; return its exit code and its last words.

    Raises:
        PipelineError: there is no such program.

    """
    try:
        done = subprocess.run(  # noqa: S603 (the caller's own command, no shell)
            command,
            env=variables.for_tool(os.environ, *variables.DOCKER),
            stdin=source or subprocess.DEVNULL,
            stdout=target or subprocess.PIPE,
            stderr=subprocess.PIPE,
            check=False,
        )
    except OSError as error:
        raise PipelineError(f"cannot run {command[0]}: {error.strerror}") from None
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return done.returncode, lines[-1] if lines else ""
