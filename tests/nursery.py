"""A process that has imported what is slow to import, and forks a child for each thing to do.

It has no threads, so that a fork is safe, and costs milliseconds where a start would cost seconds.
"""

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import traceback
from pathlib import Path

from tests.conftest import ROOT

KILLED = -signal.SIGKILL


class Nursery:
    """The parent of children that call the functions of one module."""

    def __init__(self, module, log, **environment) -> None:
        """Start it with ``environment``; what it and its children print goes to ``log``."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "COV_"))}
        known = {"PYTHONPATH": str(ROOT), "MLFLOW_DISABLE_TELEMETRY": "true"}
        with Path(log).open("a") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.nursery", module],
                env=kept | known | environment,
                cwd=Path(log).parent,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
            )

    def start(self, function, *arguments):
        """Call ``function`` in a child of its own and return the child's number."""
        return self._ask("start", function, *arguments)

    def wait(self, child):
        """Wait for a child's end and return its exit code; minus the signal that ended it."""
        return self._ask("wait", child)

    def _ask(self, *words):
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self):
        """End the parent; it ends the children that are left."""
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()


def main(module, orders, answers):
    """Serve the orders of a `Nursery`, one a line, until they end."""
    functions = importlib.import_module(module)
    children = set()
    for line in orders:
        order, *words = json.loads(line)
        if order == "start":
            answer = _born(functions, *words)
            children.add(answer)
        else:
            _, status = os.waitpid(words[0], 0)
            answer = os.waitstatus_to_exitcode(status)
            children.discard(words[0])
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def _born(functions, name, *arguments):
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        # The answers are the parent's to give, and the orders its to read.
        os.dup2(2, 1)
        os.close(0)
        code = getattr(functions, name)(*arguments) or 0
    except BaseException:  # noqa: BLE001 (nothing of the parent's may run in its child)
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    # A second name for the answers: importing may print.
    pipe = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    main(sys.argv[1], sys.stdin, pipe)
