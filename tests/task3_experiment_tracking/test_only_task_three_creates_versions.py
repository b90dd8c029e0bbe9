"""Experiment tracking is the only command that creates runs and model versions."""

from dataclasses import replace

import pytest

from pipeline import data_acquisition_eda, experiment_tracking, feature_engineering, model_packaging
from pipeline.base import config
from pipeline.base.context import RunContext
from pipeline.model_packaging import ModelPackager
from pipeline.registry.client import Registry
from tests.registries import counts

# The shortest training there is.
SHORTEST = {
    "EVALUATION__FOLDS": "2",
}


def packaging(context):
    """Do all that task 4 offers."""
    model_packaging.run(context)
    model_packaging.run(context, "heart_disease_svm", 1)
    packager = ModelPackager(context.settings)
    packager.get_champion_model_info()
    packager.validate_package(packager.create_package())


def rehearsal(context):
    """Decide, and register nothing."""
    experiment_tracking.run(context, dry_run=True)


def quick_look(context):
    """Decide about models that variables shortened, without the wish to register them."""
    settings = context.settings.model_copy(update={"register_overridden": False})
    experiment_tracking.run(replace(context, settings=settings))


@pytest.mark.parametrize(
    "command",
    [data_acquisition_eda.run, feature_engineering.run, packaging, rehearsal, quick_look],
    ids=["data_acquisition_eda", "feature_engineering", "model_packaging", "dry run", "quick look"],
)
def test_nothing_but_experiment_tracking_creates_a_version(clone, registered, monkeypatch, command):
    """Runs, registered models and versions are as many as before."""
    uri = f"sqlite:///{registered}/mlflow.db"
    monkeypatch.setenv(config.TRACKING_URI, uri)
    if command is feature_engineering.run:
        for name, value in SHORTEST.items():
            monkeypatch.setenv(config.PREFIX + name, value)
    before = counts(uri)
    command(RunContext.read())

    assert counts(uri) == before
    assert before["runs"] == 4
    assert clone.is_dir()


def test_experiment_tracking_is_seen_by_the_count(registered, clone, monkeypatch):
    """The count above would notice a version."""
    uri = f"sqlite:///{registered}/mlflow.db"
    assert counts(uri)["heart_disease"] == 1
    assert Registry(f"sqlite:///{clone}/mlflow.db", "heart-disease").versions("heart_disease") == []
    monkeypatch.setenv(config.TRACKING_URI, f"sqlite:///{clone}/mlflow.db")
    experiment_tracking.run(RunContext.read())
    assert counts(f"sqlite:///{clone}/mlflow.db") == counts(uri)
