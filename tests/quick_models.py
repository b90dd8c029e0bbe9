"""The real tables, and the four families trained quickly once in a process."""

import pandas as pd
import pytest

from pipeline.base import config
from pipeline.base.names import FAMILIES
from pipeline.evaluation import cross_validation, threshold
from pipeline.table import parsing
from pipeline.table.contract import FEATURES
from pipeline.training import conversion, families, workspace
from tests.conftest import QUICK, ROOT

# Fields that patients come without, together: without angiography, and with the first visit alone.
PATTERNS = (
    ("slope", "ca", "thal"),
    ("fbs", "restecg", "thalach", "exang", "oldpeak", "slope", "ca", "thal"),
)


@pytest.fixture(scope="session")
def quick():
    """Return the settings of the repository, with fewer trees and a shorter cross-validation."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        for name, value in QUICK.items():
            patch.setenv(config.PREFIX + name, value)
        return config.load()


@pytest.fixture(scope="session")
def plan(quick):
    """Return a plan of five folds, once."""
    return quick.evaluation


@pytest.fixture(scope="session")
def training(parsed):
    """Return the training table; no test changes it."""
    return parsing.training_table(parsed)


@pytest.fixture(scope="session")
def external(parsed):
    """Return the table of the other hospitals; no test changes it."""
    return parsing.external_table(parsed)


@pytest.fixture(scope="session")
def patients(training, external):
    """Return the features of all 920 patients."""
    return pd.concat([training, external], ignore_index=True)[list(FEATURES)]


@pytest.fixture(scope="session")
def build(quick):
    """Return a function that builds the unfitted pipeline of a family."""

    def built(family, **more):
        return families.build(family, workspace.plan(quick), **more)

    return built


@pytest.fixture(scope="session")
def fitted(build, training):
    """Return each family's pipeline, fitted to the training table."""
    return {family: cross_validation.fit(build(family), training) for family in FAMILIES}


@pytest.fixture(scope="session")
def converted(fitted):
    """Return each family's ONNX model."""
    return {family: conversion.convert(pipeline) for family, pipeline in fitted.items()}


@pytest.fixture(scope="session")
def answers(build, training, plan, quick):
    """Return each family's out-of-fold predictions of two repeats, with their thresholds."""
    twice = plan.model_copy(update={"repeats": 2})
    models = {family: build(family) for family in FAMILIES}
    predictions = cross_validation.cross_validate(models, training, twice, 1)
    return {f: threshold.decide(found, quick.threshold) for f, found in predictions.items()}
