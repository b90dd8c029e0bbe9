"""The same commit, data and lock give the same bytes, for any user, place and time."""

import os
import subprocess
import sys
from contextlib import ExitStack

import pytest

from pipeline.base import artifacts, config, manifest
from tests.conftest import QUICK, ROOT, lay_out

pytestmark = pytest.mark.once

TINY = {
    **QUICK,
    "EVALUATION__FOLDS": "2",
    "MODELS__RANDOM_FOREST__N_ESTIMATORS": "5",
    "MODELS__GRADIENT_BOOSTING__N_ESTIMATORS": "5",
}
# The clock that Python sees is moved before anything else is imported.
BOTH_TASKS = """
import sys, time
now, later = time.time, float(sys.argv[1])
time.time = lambda: now() + later
from pipeline import data_acquisition_eda, feature_engineering
from pipeline.base.context import RunContext
data_acquisition_eda.run(RunContext.read())
feature_engineering.run(RunContext.read())
"""
HERE = {
    "folder": "here",
    "umask": 0o022,
    "later": 0,
    "environment": {
        "PYTHONHASHSEED": "1",
        "TZ": "Pacific/Kiritimati",
        "LC_ALL": "C",
        "OPENBLAS_CORETYPE": "Haswell",
        "OPENBLAS_NUM_THREADS": "1",
        f"{config.PREFIX}WORKERS": "1",
    },
}
ELSEWHERE = {
    "folder": "else where/schräg",
    "umask": 0o077,
    "later": 400 * 24 * 3600,
    "environment": {
        "PYTHONHASHSEED": "4242",
        "TZ": "America/Los_Angeles",
        "LC_ALL": "C.UTF-8",
        "OMP_NUM_THREADS": "2",
        # A processor without AVX-512 would die of it, were it not overruled.
        "OPENBLAS_CORETYPE": "SkylakeX",
        "OPENBLAS_NUM_THREADS": "2",
        f"{config.PREFIX}WORKERS": "2",
    },
}

ANYWHERE = {
    "folder": "any",
    "umask": 0o002,
    "later": -400 * 24 * 3600,
    "environment": {
        "OMP_NUM_THREADS": "4",
        "OPENBLAS_CORETYPE": "Zen",
        "OPENBLAS_NUM_THREADS": "4",
        "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4",
        f"{config.PREFIX}WORKERS": "1",
    },
}
PLACES = (HERE, ELSEWHERE, ANYWHERE)


def start(root, circumstances):
    """Start tasks 1 and 2 in a folder and a process of their own."""
    folder = root / circumstances["folder"]
    folder.mkdir(parents=True)
    lay_out(folder)
    kept = {name: value for name, value in os.environ.items() if name.startswith(("COV", "HOME"))}
    settings = {config.PREFIX + name: value for name, value in TINY.items()}
    return subprocess.Popen(
        [sys.executable, "-c", BOTH_TASKS, str(circumstances["later"])],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)} | kept | settings | circumstances["environment"],
        umask=circumstances["umask"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Return folders in which tasks 1 and 2 have run under other circumstances."""
    root = tmp_path_factory.mktemp("determinism")
    with ExitStack() as stack:
        started = [stack.enter_context(start(root, place)) for place in PLACES]
        said = [process.communicate(timeout=300)[0] for process in started]
    assert [process.returncode for process in started] == [0] * len(PLACES), "\n".join(said)
    return [root / place["folder"] for place in PLACES]


@pytest.mark.parametrize(
    ("made", "files"),
    [
        (artifacts.PROCESSED, 3),
        (artifacts.MODELS, 4 * 5 + 2),
        (artifacts.FIGURES, 4),
        (artifacts.REPORTS, 4),
    ],
    ids=str,
)
def test_every_file_has_the_same_digest_under_all_circumstances(folders, made, files):
    """Kernel, threads, workers, folder, clock, time zone, hash seed and umask change no byte."""
    here, *others = (manifest.digests(artifacts.files_below(folder / made)) for folder in folders)

    assert [manifest.differences(here, other) for other in others] == [(), ()]
    assert len(here) >= files


@pytest.mark.parametrize("made", [artifacts.PROCESSED, artifacts.MODELS], ids=str)
def test_every_user_may_read_what_was_written(folders, made):
    """Whatever the umask: a folder that is shared is read by others."""
    for folder in folders:
        modes = {
            path.stat().st_mode & 0o777 for path in (folder / made).rglob("*") if path.is_file()
        }
        assert modes == {0o644}
