"""The quick look, for real: every part runs in a fresh clone after `make pipeline`."""

import os
import shutil
import subprocess
import sys

import pytest

from benchmarks import measuring
from pipeline.base import config
from pipeline.base.errors import ImageError
from pipeline.image.docker import Engine
from tests.conftest import QUICK, ROOT
from tests.containers import needs

pytestmark = pytest.mark.once


def run(folder, module, *arguments):
    """Run a command of the clone; return its exit code and what it wrote."""
    quick = {config.PREFIX + name: value for name, value in QUICK.items()}
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env={**os.environ, **quick, "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def held(folder):
    """Return the content of every file; what Python compiles is not counted."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {path: path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """Return a copy of the work tree with a champion of its own."""
    if shutil.which("wrk") is None:
        needs("wrk is not installed: it is a package of Debian")
    try:
        Engine()
    except ImageError as error:
        needs(str(error))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        folder = measuring.copy_of_work_tree(tmp_path_factory.mktemp("bench"))
    code, said = run(folder, "pipeline")
    assert code == 0, said
    return folder


def test_every_part_is_looked_at_and_nothing_is_written(clone):
    """Servers, an image, the pipeline beside the naive script, growing registries: all of them."""
    before = held(clone / "benchmarks")

    code, said = run(clone, "benchmarks", "--quick")

    assert code == 0, said
    for part in ("serving", "image", "pipeline", "growth", "feedback"):
        assert f"\n== {part}\n" in said
    for server in ("ours", "bare", "mlflow models serve"):
        assert server in said
    assert "not measured" not in said
    assert held(clone / "benchmarks") == before


def test_without_wrk_that_part_alone_is_missing(clone):
    """The error says what to install, and the command ends with 1."""
    path = os.pathsep.join(
        part for part in os.environ["PATH"].split(os.pathsep) if not shutil.which("wrk", path=part)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", path)
        code, said = run(clone, "benchmarks", "--quick", "serving", "feedback")

    assert code == 1
    assert "error: not measured: serving: wrk, which makes the load, is missing" in said
    assert "\n== feedback\n" in said
