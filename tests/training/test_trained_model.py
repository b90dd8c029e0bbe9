"""A trained model as one value and as a set of files."""

import dataclasses

import pandas as pd
import pytest

from pipeline.base import manifest
from pipeline.base.errors import ArtifactError
from pipeline.base.policies import ThresholdRule
from pipeline.evaluation import cross_validation
from pipeline.training import trained_model, workspace
from pipeline.training.fitting import Data, Fitted, describe
from tests.model_files import NAMES


@pytest.fixture(scope="module")
def model(fitted, answers, training, external, quick):
    """Return the logistic regression with everything known about it."""
    family, plan = "logistic_regression", workspace.plan(quick)
    data = Data(training=training, external=external, digest="abc")
    return describe(
        family,
        Fitted(answers[family], fitted[family], 0.4, ThresholdRule(rule="fixed", value=0.4)),
        data,
        plan,
        {},
    )


def test_a_model_is_these_files(model):
    """Under the names that every later task reads."""
    assert sorted(model.files()) == list(NAMES)


def test_reading_is_the_inverse_of_writing(model, patients):
    """Every figure, every answer and the recipe itself come back."""
    again = trained_model.read(model.files(), "models/x")

    assert (again.skops, again.onnx) == (model.skops, model.onnx)
    assert again.parameters == model.parameters
    assert again.evaluation == model.evaluation
    pd.testing.assert_frame_equal(again.predictions, model.predictions, check_exact=True)
    assert again.recipe == model.recipe
    assert (again.answer(patients) == model.answer(patients)).all()


def test_writing_what_was_read_gives_the_same_files(model):
    """Byte for byte: a model can go through any number of hands."""
    again = trained_model.read(model.files(), "models/x")

    assert again.files() == model.files()


def test_further_files_are_left_alone(model):
    """A registry keeps its own beside them."""
    again = trained_model.read({**model.files(), "MLmodel": b"\xff"}, "version 3")

    assert again.files() == model.files()


def test_the_digest_is_that_of_the_model_file(model):
    """Equal for equal trainings, whatever else is known about them."""
    other = dataclasses.replace(model, onnx=b"")

    assert model.digest == manifest.sha256(model.skops) == other.digest


@pytest.mark.parametrize("name", [name for name in NAMES if name != "recipe.json"])
def test_a_missing_file_is_named_with_its_origin(model, name):
    """So that a person knows where to look."""
    files = {path: content for path, content in model.files().items() if path != name}

    with pytest.raises(ArtifactError, match=f"^models/svm has no file '{name}'$"):
        trained_model.read(files, "models/svm")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"{}", b'{"seed": 1}'])
@pytest.mark.parametrize("name", ["metrics.json", "parameters.json"])
def test_unreadable_figures_name_their_origin(model, name, content):
    """In one line."""
    with pytest.raises(ArtifactError, match=r"^heart_disease version 3: ") as caught:
        trained_model.read({**model.files(), name: content}, "heart_disease version 3")

    assert "\n" not in str(caught.value)


def test_the_frozen_model_answers_as_the_fitted_pipeline(model, fitted, patients):
    """Which is kept for people: what answers is the ONNX file."""
    expected = cross_validation.probability(fitted["logistic_regression"], patients)

    assert model.answer(patients) == pytest.approx(expected, abs=1e-5)
    found = model.evaluation.conversion
    assert found.rows == len(patients) + 10_000
    assert abs(model.answer(patients) - expected).max() <= found.difference < 1e-6
    assert found.size == len(model.onnx)
    assert found.milliseconds == 1


def test_a_frozen_model_that_cannot_be_run_says_so_when_it_is_asked(model, patients):
    """All else of it can be read."""
    broken = trained_model.read({**model.files(), "model.onnx": b"x"}, "models/svm")

    assert broken.recipe == model.recipe
    with pytest.raises(ArtifactError, match=r"^its ONNX file gives no answers: "):
        broken.answer(patients)


def test_a_model_that_was_stored_without_its_recipe_has_the_same(model):
    """It is read from the skops file, of which no object is loaded."""
    files = model.files()
    del files["recipe.json"]

    assert trained_model.read(files, "heart_disease/1").recipe == model.recipe


@pytest.mark.parametrize("name", ["recipe.json", "answers.parquet"])
@pytest.mark.parametrize(
    "damage",
    [lambda _: b"", lambda _: b"x", lambda whole: whole[:-9], lambda whole: whole[9:]],
    ids=["empty", "another", "without its end", "without its start"],
)
def test_a_damaged_file_names_its_origin(model, name, damage):
    """The model and the table of answers as well."""
    files = model.files()

    with pytest.raises(ArtifactError, match=r"^models/svm: "):
        trained_model.read({**files, name: damage(files[name])}, "models/svm")


def test_an_unknown_figure_is_refused_with_its_name(model):
    """A file of a later version is not read as if it were ours."""
    files = model.files()
    more = files["metrics.json"].replace(b'"threshold"', b'"costs": 1, "threshold"', 1)

    with pytest.raises(ArtifactError, match="costs"):
        trained_model.read({**files, "metrics.json": more}, "models/svm")


def test_flat_parameters_have_dotted_names_and_texts(model):
    """As a registry keeps them, nothing left out."""
    flat = model.parameters.flat()

    assert flat["data_digest"] == "abc"
    assert flat["seed"] == "20260101"
    assert flat["hyperparameters.C"] == "0.3"
    assert flat["features.age_bands"] == "[45.0, 55.0, 65.0]"
    assert flat["exam.folds"] == "5"
    assert all(isinstance(text, str) for text in flat.values())
    assert flat["libraries.numpy"]
    assert len(flat["recipe_digest"]) == 64
    assert flat["threshold.rule"] == "fixed"
    assert len(flat) == 4 + 1 + 2 + 4 + 1 + 2 + len(type(model.parameters.exam).model_fields)
