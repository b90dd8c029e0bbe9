"""Another program, run as a person would run it."""

import contextlib
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, Final

import psutil

from pipeline.base import addresses, variables
from pipeline.base.errors import PipelineError
from pipeline.base.variables import Environment

# For a program that asks over the network.
LONGEST_SECONDS: Final = 600.0


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
    environment = dict(os.environ)
    _said(_run(command, environment, input=text, text=True, errors="replace", capture_output=True))


def ask(command: Sequence[str], *, nothing: str, account: Environment | None = None) -> str | None:
    """Return what ``command`` prints; None where it fails and what it says matches ``nothing``.

    It gets what any program needs, the settings of ``gh``, and these variables.

    Raises:
        PipelineError: there is no such program, it took too long, or it failed otherwise; the
            message is what it said.

    """
    given = variables.for_tool(os.environ, *variables.GH) | dict(account or {})
    try:
        done = finish(command, given, LONGEST_SECONDS)
    except TimeoutError as error:
        raise PipelineError(
            f"{error}: look at the network, and run the same command again"
        ) from None
    if done.returncode and re.search(nothing, done.stderr):
        return None
    return _said(done)


def finish(
    command: Sequence[str],
    environment: Environment,
    seconds: float | None,
    folder: Path | None = None,
) -> CompletedProcess[str]:
    """Run ``command`` in exactly this environment and return what it said, if within the time.

    Raises:
        PipelineError: there is no such program.
        TimeoutError: the time is over; it was killed, and whatever it had started.

    """
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(  # noqa: S603 (the caller's own command, no shell)
            command, env=environment, cwd=folder, stdout=pipe, stderr=pipe, errors="replace"
        )
    except OSError as error:
        raise PipelineError(f"cannot run {command[0]}: {error.strerror}") from None
    with process:
        try:
            output, complaint = process.communicate(timeout=seconds)
        except BaseException as error:
            _kill(process.pid)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            words = " ".join(command[:2])
            raise TimeoutError(f"{words} did not end within {seconds:g} s") from None
    return CompletedProcess(command, process.returncode, output, complaint)


def _kill(program: int) -> None:
    """Kill a program and what it started, which would outlive it where it waits for a server."""
    with contextlib.suppress(psutil.NoSuchProcess):
        first = psutil.Process(program)
        for each in (first, *first.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()


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
