"""Folders in which the tasks ran, made once in a process and shared by the folders of tests.

Tests work in copies of them, or read only.
"""

import shutil
from functools import cache
from pathlib import Path

import pytest

from pipeline import config, data_acquisition_eda, experiment_tracking, feature_engineering
from pipeline.adapters.registry import Registry
from tests.conftest import QUICK, lay_out

QUICKER = QUICK | {"EVALUATION__THRESHOLD_FOLDS": "2", "MODELS__RANDOM_FOREST__N_ESTIMATORS": "10"}


def be_in(folder, patch):
    """Make ``folder`` the current one, with quick settings and an embedded registry of its own.

    The registry is named by its whole path: MLflow keeps a store open for each address it has
    seen, and sets the variable itself, which ``patch`` undoes.
    """
    patch.chdir(folder)
    for name, value in QUICKER.items():
        patch.setenv(config.PREFIX + name, value)
    patch.setenv(config.TRACKING_URI, f"sqlite:///{folder}/mlflow.db")


@cache
def trained(below: Path):
    """Return a clone in which tasks 1 and 2 ran once, with an empty registry."""
    folder = below / "trained"
    folder.mkdir()
    lay_out(folder)
    with pytest.MonkeyPatch.context() as patch:
        be_in(folder, patch)
        settings = config.load()
        data_acquisition_eda.run(settings)
        feature_engineering.run(settings)
        # To make a registry takes MLflow seconds.
        Registry(settings.registry.tracking_uri, settings.registry.experiment)
    return folder


@cache
def registered(below: Path):
    """Return a clone in which task 3 ran once too, with the champion in its own registry."""
    folder = shutil.copytree(trained(below), below / "registered")
    with pytest.MonkeyPatch.context() as patch:
        be_in(folder, patch)
        experiment_tracking.run(config.load())
    return folder
