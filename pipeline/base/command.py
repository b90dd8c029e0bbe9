"""Another program, run as a person would run it."""

import os
import subprocess
from collections.abc import Sequence
from subprocess import CompletedProcess
from typing import Any

from pipeline.base import addresses, variables
from pipeline.base.errors import PipelineError


def run(command: Sequence[str], registry: str = "") -> int:
    """Run ``command`` in the user's environment and return its exit code.

    With ``registry`` it works with the one at that address, and without the accounts of another.

    Raises:
        PipelineError: there is no such program.

    """
    given = variables.with_registry(os.environ, registry) if registry else dict(os.environ)
    return _run(command, given).returncode


def feed(command: Sequence[str], text: str) -> None:
    """Run ``command`` in the user's environment and give it ``text`` to read.

    Raises:
        PipelineError: there is no such program, or it failed; the message is what it said.

    """
    _run_quietly(command, dict(os.environ), text)


def ask(command: Sequence[str], account: variables.Environment) -> None:
    """Run ``command`` with these variables and those that any program needs.

    Raises:
        PipelineError: there is no such program, or it failed; the message is what it said.

    """
    _run_quietly(command, {**variables.for_tool(os.environ), **account})


def _run_quietly(command: Sequence[str], environment: dict[str, str], text: str = "") -> None:
    done = _run(command, environment, input=text, text=True, errors="replace", capture_output=True)
    if done.returncode:
        said = addresses.redacted(" ".join(done.stderr.split()))
        raise PipelineError(f"{command[0]} ended with {done.returncode}: {said}")


def _run(command: Sequence[str], environment: dict[str, str], **more: Any) -> CompletedProcess[Any]:
    try:
        return subprocess.run(  # noqa: S603 (the caller's own command, no shell)
            command, env=variables.direct(environment), check=False, **more
        )
    except OSError as error:
        raise PipelineError(f"cannot run {command[0]}: {error.strerror}") from None
