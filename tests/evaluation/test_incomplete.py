"""Figures for patients who come without some fields, by hand and by experiment."""

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import Pipeline

from pipeline.base.names import FAMILIES
from pipeline.base.policies import EvaluationPlan
from pipeline.evaluation import cross_validation, incomplete
from pipeline.table.contract import TARGET
from pipeline.training import families, fitting, persistence, recipe, trained_model, workspace
from pipeline.training.fitting import Data
from tests.model_files import loaded
from tests.quick_models import PATTERNS

PLAN = EvaluationPlan(
    folds=2, repeats=2, seed=1, calibration_bins=2, bootstrap_samples=100, confidence=0.95
)
PAIR = ("ca", "thal")
# The probability without the two fields, by row, in two repeats of two folds of four rows.
ASKED = [0.2, 0.6, 0.4, 0.8] * 4
OUTCOMES = [0, 0, 1, 1] * 4
FOLDS = {"repeat": np.repeat([0, 1], 8), "fold": np.tile(np.repeat([0, 1], 4), 2)}


def predicted(**columns):
    """Return predictions in the folds of the plan."""
    return pd.DataFrame({**FOLDS, "row": 0, "outcome": OUTCOMES, "threshold": 0.5, **columns})


def figures(asked, own):
    """Return the figures of the one pattern."""
    predictions = predicted(**{"probability": 0.9, cross_validation.column(PAIR): asked})
    (found,) = incomplete.by_pattern(predictions, {PAIR: own}, PLAN)
    return found


def test_the_figures_are_those_of_the_answers_without_the_fields():
    """Mean risk less share of positives, positives found, pairs in the right order."""
    found = figures(ASKED, predicted(probability=OUTCOMES))

    assert found.fields == PAIR
    assert found.bias.mean == pytest.approx(0.5 - 0.5)
    assert found.sensitivity.mean == 0.5
    assert found.roc_auc.mean == 0.75
    assert found.difference.mean == -0.25
    assert found.difference.low == found.difference.high == -0.25


def test_a_yardstick_of_fewer_repeats_is_compared_in_its_own():
    """The second repeat would be worse; its folds have no pair."""
    own = predicted(probability=OUTCOMES)
    found = figures([*OUTCOMES[:8], *ASKED[8:]], own[own["repeat"] == 0])

    assert found.roc_auc.mean == pytest.approx(0.875)
    assert found.difference.mean == 0


def test_an_answer_that_is_not_a_number_makes_no_figure():
    """The gate refuses what is not a number."""
    found = figures([np.nan, *ASKED[1:]], predicted(probability=OUTCOMES))

    assert np.isnan([found.bias.mean, found.roc_auc.mean, found.difference.mean]).all()


@pytest.mark.parametrize(
    ("fields", "title"),
    [
        (PAIR, "without ca, thal"),
        (
            ("fbs", "restecg", "thalach", "exang", "oldpeak", "slope", "ca", "thal"),
            "only age, sex, cp, trestbps, chol",
        ),
    ],
)
def test_a_title_names_the_fewer_fields(fields, title):
    """Those that are missing, or those that are there."""
    found = figures(ASKED, predicted(probability=OUTCOMES))

    assert found.model_copy(update={"fields": fields}).title == title


@pytest.fixture(scope="module")
def masking(quick):
    """Return the plan of models that also learn without some fields."""
    declared = quick.fields_left_out.model_copy(update={"patterns": PATTERNS})
    return workspace.plan(quick).model_copy(update={"fields_left_out": declared})


def test_who_learns_without_the_fields_answers_well_without_them(masking, training):
    """A model that never learned so calls nearly everybody healthy."""
    models = {"masked": families.build("logistic_regression", masking)}
    models["plain"] = Pipeline(models["masked"].steps)
    asked = cross_validation.cross_validate(
        models, training, masking.evaluation, 1, patterns=PATTERNS
    )
    risk = {
        name: [found[cross_validation.column(fields)].mean() for fields in PATTERNS]
        for name, found in asked.items()
    }

    np.testing.assert_allclose(risk["masked"], training[TARGET].mean(), atol=0.05)
    assert max(risk["plain"]) < 0.4


@pytest.mark.parametrize("family", FAMILIES)
def test_who_learns_without_fields_is_stored_and_converted_as_any_other(
    masking, training, external, family
):
    """The same bytes each time, a recipe to build it from, and figures for each pattern."""
    data = Data(training, external, "digest")
    fitted = fitting.fit([family], data, masking, 1, lambda items, _total: items)[family]
    yardsticks = fitting.yardsticks(data, masking, 1)
    model = fitting.describe(family, fitted, data, masking, yardsticks)
    again = trained_model.read(model.files(), "models/x")

    assert model.recipe.estimator == "MaskingPipeline"
    assert recipe.of(again.recipe.build()) == model.recipe
    assert persistence.dump(cross_validation.fit(again.recipe.build(), training)) == model.skops
    assert model.evaluation.conversion.difference < 1e-5
    assert [found.fields for found in again.evaluation.incomplete] == list(PATTERNS)
    assert loaded(model.skops)[:-1].transform(training).shape[0] == len(training)
