"""The tests on every supported Python: `make test-pythons`."""

import os
from pathlib import Path

import nox

nox.options.default_venv_backend = "uv"
# A machine tests the Pythons it has: none is downloaded, and a missing one is skipped with a
# message, also where CI is set.
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False

# pyenv keeps its versions off PATH. Appended, they are found and take precedence over nothing.
PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
INSTALLED = map(str, sorted(PYENV.glob("versions/3.1*/bin")))
os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], *INSTALLED])


@nox.session(python=["3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    """Install the lock and run every test; further arguments go to pytest."""
    session.install("--only-binary", ":all:", "--require-hashes", "-r", "requirements-dev.txt")
    spread = ("--numprocesses=auto", "--dist=loadfile", "--no-loadscope-reorder")
    session.run("python", "-m", "pytest", *spread, *session.posargs)
