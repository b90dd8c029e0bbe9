"""What only root may do: a hosted runner of GitHub uses sudo for it, without a password."""

import os
import shutil
import subprocess
from functools import cache

from tests.containers import needs


def as_root(*command):
    """Run a command as root and return how it ended; skip the test where that takes a password."""
    return _run(*_sudo(), *command)


@cache
def _sudo():
    if os.geteuid() == 0:
        return ()
    if shutil.which("sudo") is None or _run("sudo", "-n", "true").returncode:
        needs("only root may do what this test does, and there is no sudo without a password")
    return ("sudo", "-n")


def _run(*command):
    return subprocess.run(command, check=False, capture_output=True, text=True)
