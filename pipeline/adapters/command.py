"""Another program, run as a person would run it: its output is theirs to read."""

import os
import subprocess
from collections.abc import Sequence

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
