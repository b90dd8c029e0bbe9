"""Another program, run as a person would run it."""

import os
import re
import subprocess
from collections.abc import Sequence
from subprocess import CompletedProcess
from typing import Any

from pipeline.base import addresses, variables
from pipeline.base.errors import PipelineError
from pipeline.base.variables import Environment


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
    _said(_run_quietly(command, dict(os.environ), input=text))


def ask(command: Sequence[str], *, nothing: str, account: Environment | None = None) -> str | None:
    """Return what ``command`` prints; None where it fails and what it says matches ``nothing``.

    It gets what any program needs, the settings of ``gh``, and these variables.

    Raises:
        PipelineError: there is no such program, or it failed otherwise; the message is what it
            said.

    """
    given = variables.for_tool(os.environ, *variables.GH) | dict(account or {})
    done = _run_quietly(command, given)
    if done.returncode and re.search(nothing, done.stderr):
        return None
    return _said(done)


def _run_quietly(
    command: Sequence[str], environment: dict[str, str], **more: Any
) -> CompletedProcess[str]:
    return _run(command, environment, text=True, errors="replace", capture_output=True, **more)


def _said(done: CompletedProcess[str]) -> str:
    if done.returncode:
        said = addresses.redacted(" ".join(done.stderr.split()))
        raise PipelineError(f"{done.args[0]} ended with {done.returncode}: {said}")
    return done.stdout


def _run(command: Sequence[str], environment: dict[str, str], **more: Any) -> CompletedProcess[Any]:
    try:
        return subprocess.run(  # noqa: S603 (the caller's own command, no shell)
            command, env=variables.direct(environment), check=False, **more
        )
    except OSError as error:
        raise PipelineError(f"cannot run {command[0]}: {error.strerror}") from None
