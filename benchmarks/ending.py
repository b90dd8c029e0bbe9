"""Whatever a benchmark starts is gone when it ends, also after Ctrl-C or SIGTERM."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import psutil

STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GONE_SECONDS: Final = 10

Started = TypeVar("Started")


def heed_signals() -> None:
    """Let each signal that stops a program end this one with everything that it started."""
    for number in STOPPING:
        signal.signal(number, _stop)


class Ending:
    """Ends what it started, the last first; a signal waits while something starts or ends."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """End everything."""
        with _undisturbed():
            self._stack.close()

    def enter(self, start: AbstractContextManager[Started]) -> Started:
        """Start something."""
        with _undisturbed():
            return self._stack.enter_context(start)


@contextmanager
def process(
    command: Sequence[str],
    log: Path,
    cwd: Path,
    environment: Mapping[str, str],
    tidy_seconds: float = 0,
) -> Iterator[psutil.Popen]:
    """Run a command, all it writes going to ``log``; it ends with every process that it started.

    Before it is killed, a SIGTERM leaves it ``tidy_seconds`` to end by itself.
    """
    with log.open("wb") as output:
        started = psutil.Popen(
            command,
            cwd=cwd,
            # Its last words come last: Python would keep its output back, but not its errors.
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield started
    finally:
        if tidy_seconds and started.poll() is None:
            started.terminate()
            with suppress(psutil.TimeoutExpired):
                started.wait(tidy_seconds)
        _end(started)


def complete(
    command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Run a command to its end and return its exit code and what it wrote."""
    with Ending() as ending:
        code = ending.enter(process(command, log, Path.cwd(), environment or {})).wait()
    return code, log.read_text(errors="replace")


@contextmanager
def _undisturbed() -> Iterator[None]:
    caught: list[int] = []
    before = {
        stopping: signal.signal(stopping, lambda number, _: caught.append(number))
        for stopping in STOPPING
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if caught:
            _stop()


def _stop(*_: Any) -> None:
    # A second one would cut the ending short.
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _end(started: psutil.Popen) -> None:
    family = [started]
    with suppress(psutil.NoSuchProcess):
        family += started.children(recursive=True)
    with suppress(ProcessLookupError):
        os.killpg(started.pid, signal.SIGKILL)
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.kill()
    psutil.wait_procs(family, timeout=GONE_SECONDS)
