"""Another program, run as a person would run it."""

import os
import subprocess
from collections.abc import Sequence

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
