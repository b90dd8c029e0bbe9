"""Folders in which the tasks ran, made once for all processes of a run.

Tests work in copies of them, or read only.
"""

import fcntl
import io
import os
import shutil
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path

import pytest

from pipeline import data_acquisition_eda, experiment_tracking, feature_engineering
from pipeline.base import config
from pipeline.base.context import RunContext
from pipeline.base.names import FAMILIES, SERVED, registered_name
from pipeline.model_packaging import ModelPackager
from tests.conftest import QUICK, lay_out


def be_in(folder, patch):
    """Make ``folder`` the current one, with quick settings and an embedded registry of its own.

    The registry is named by its whole path: MLflow keeps a store open for each address it has
    seen, and sets the variable itself, which ``patch`` undoes.
    """
    patch.chdir(folder)
    for name, value in QUICK.items():
        patch.setenv(config.PREFIX + name, value)
    patch.setenv(config.TRACKING_URI, f"sqlite:///{folder}/mlflow.db")


@cache
def trained(below: Path):
    """Return a clone in which tasks 1 and 2 ran once."""
    return _once(below, "trained", _train)


def printed(below: Path):
    """Return what task 2 printed there."""
    return trained(below).with_suffix(".txt").read_text()


@cache
def registered(below: Path):
    """Return a clone in which task 3 ran once too, with the champion in its own registry."""
    before = trained(below)
    return _once(below, "registered", lambda folder: _register(before, folder))


@cache
def packaged(below: Path):
    """Return a clone with the packages of that champion and of version 1 of each family."""
    before = registered(below)
    return _once(below, "packaged", lambda folder: _package(before, folder))


def _once(below, name, make):
    """Make a folder, or wait until the process that makes it is done."""
    shared = below.parent if "PYTEST_XDIST_WORKER" in os.environ else below
    folder, done = shared / name, shared / f"{name}.done"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            # What a process left that failed.
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            done.touch()
    return folder


def _train(folder):
    folder.mkdir()
    lay_out(folder)
    with pytest.MonkeyPatch.context() as patch:
        be_in(folder, patch)
        context = RunContext.read()
        data_acquisition_eda.run(context)
        with redirect_stdout(io.StringIO()) as text:
            feature_engineering.run(context)
        folder.with_suffix(".txt").write_text(text.getvalue())


def _register(before, folder):
    shutil.copytree(before, folder)
    with pytest.MonkeyPatch.context() as patch:
        be_in(folder, patch)
        experiment_tracking.run(RunContext.read())


def _package(before, folder):
    folder.mkdir()
    lay_out(folder)
    with pytest.MonkeyPatch.context() as patch:
        be_in(before, patch)
        packager = ModelPackager(config.load())
        patch.chdir(folder)
        for name in (SERVED, *map(registered_name, FAMILIES)):
            packager.create_package(name, 1)
