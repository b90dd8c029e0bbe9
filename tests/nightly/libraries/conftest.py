"""Environments of the last minor versions, and a registry in which each stored a champion."""

import os
import subprocess
import sys
import sysconfig
from importlib import metadata

import pytest

from pipeline.base import config
from tests.conftest import QUICK, ROOT, lay_out
from tests.containers import needs

# What writes and reads the files of a model, and the registry. Each moves by itself.
MOVED = ("scikit-learn", "skops", "onnxruntime", "mlflow")
# MLflow's parts, which have its version.
PARTS = ("mlflow-skinny", "mlflow-tracing")
TASKS = ("data_acquisition_eda", "feature_engineering", "experiment_tracking")


def minor_before(package, back):
    """Return the requirement of the minor version that came so many before the one that is here."""
    major, minor = map(int, metadata.version(package).split(".")[:2])
    assert minor >= back, f"{package} {major}.{minor}: name the last minor versions of {major - 1}"
    return f"{package}=={major}.{minor - back}.*"


@pytest.fixture(scope="module", params=[1, 2], ids=["one before", "two before"])
def older(request, tmp_path_factory):
    """Return the Python of an environment whose libraries are so many minor versions older."""
    requirements = [minor_before(package, request.param) for package in MOVED]
    requirements += [requirements[-1].replace("mlflow", part) for part in PARTS]
    return python_with(requirements, tmp_path_factory.mktemp("older") / "venv")


def python_with(requirements, folder):
    """Return the Python of an environment that has these libraries, and all others of today."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    kept = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    place = kept / "site-packages"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    install += ["--only-binary", ":all:", "--target", str(place), *requirements]
    done = subprocess.run(install, check=False, capture_output=True, text=True)
    if done.returncode:
        needs(f"older libraries cannot be installed: {done.stderr.strip()[-300:]}")
    # All else comes from the environment of today, behind what was installed here.
    (place / "today.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def stored(older, tmp_path_factory):
    """Return a folder in whose registry the older libraries registered a champion."""
    folder = tmp_path_factory.mktemp("stored")
    lay_out(folder)
    for task in TASKS:
        command = [older, "-m", f"pipeline.{task}"]
        subprocess.run(command, cwd=folder, env=surroundings(), check=True, capture_output=True)
    return folder


def surroundings():
    """Return the variables of a person with quick settings, for a process in any folder."""
    outside = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "COV_"))}
    quick = {f"{config.PREFIX}{name}": value for name, value in QUICK.items()}
    return {**outside, **quick, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
