"""Which families need no new version when the libraries have moved: on a real registry."""

import dataclasses

import pytest

from pipeline.registry import promotion
from tests.registries import submission
from tests.stored_models.stored import ARCHIVES, models_of

FAMILY = "logistic_regression"


@pytest.fixture
def stored():
    """Return a model that an older scikit-learn fitted."""
    return models_of(max(ARCHIVES))[FAMILY]


@pytest.fixture
def today(stored):
    """Return the same recipe, fitted by the libraries of today to other bytes."""
    libraries = {**stored.parameters.libraries, "sklearn": "99.0.1"}
    return dataclasses.replace(with_parameters(stored, libraries=libraries), skops=b"of today")


def with_parameters(model, **update):
    """Return a model with other records of its training."""
    return dataclasses.replace(model, parameters=model.parameters.model_copy(update=update))


def unchanged(registry, files, today):
    """Publish a model, and return the families that need no new version."""
    registry.publish(submission(model_name=f"heart_disease_{FAMILY}", files=files))
    return [*promotion.unchanged({FAMILY: today}, registry)]


def test_a_moved_lock_alone_needs_no_new_version(registry, stored, today):
    """What is registered goes on."""
    assert unchanged(registry, stored.files(), today) == [FAMILY]


@pytest.mark.parametrize("name", ["model.onnx", "answers.parquet"])
def test_what_does_not_work_any_more_is_registered_anew(registry, stored, today, name):
    """Or it could never be replaced."""
    assert unchanged(registry, stored.files() | {name: b"x"}, today) == []


def test_the_same_libraries_give_the_same_bytes_or_a_new_version(registry, stored, today):
    """Then it is another model."""
    other = with_parameters(today, libraries=stored.parameters.libraries)

    assert unchanged(registry, stored.files(), other) == []


def test_other_data_need_a_new_version(registry, stored, today):
    """Whatever the libraries are."""
    other = with_parameters(today, data_digest="e" * 64)

    assert unchanged(registry, stored.files(), other) == []


def test_another_evaluation_needs_a_new_version(registry, stored, today):
    """Its figures are others."""
    exam = today.parameters.exam.model_copy(update={"folds": 7})

    assert unchanged(registry, stored.files(), with_parameters(today, exam=exam)) == []
