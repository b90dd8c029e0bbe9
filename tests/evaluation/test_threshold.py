"""Decision thresholds: by a rule, and never learnt from the row that they decide about."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.base.policies import ThresholdRule
from pipeline.evaluation import threshold

FIXED = ThresholdRule(rule="fixed", value=0.4)
SENSITIVE = ThresholdRule(rule="sensitivity", value=0.9)


def predictions(probabilities, folds=5):
    """Return the out-of-fold predictions of one repeat; every second row is positive."""
    rows = np.arange(len(probabilities))
    return pd.DataFrame(
        {
            "repeat": 0,
            "fold": rows % folds,
            "row": rows,
            "outcome": rows // folds % 2,
            "probability": probabilities,
        }
    )


def test_a_fixed_threshold_is_the_one_that_is_given():
    """For the model and in every fold."""
    found = threshold.decide(predictions(np.linspace(0, 1, 40)), FIXED)

    assert (found["threshold"] == 0.4).all()
    assert threshold.choose(found, FIXED) == 0.4


@pytest.mark.parametrize(("cost", "expected"), [(1, 0.5), (4, 0.2), (0.25, 0.8)])
def test_a_cost_sets_the_threshold_at_which_both_errors_cost_the_same(cost, expected):
    """A calibrated probability p: a false positive costs 1 - p, a false negative cost x p."""
    rule = ThresholdRule(rule="cost", value=cost)

    chosen = threshold.choose(predictions([0.5] * 10), rule)

    assert chosen == expected
    assert 1 - chosen == pytest.approx(cost * chosen)


@given(st.lists(st.floats(0, 1), min_size=10, max_size=60), st.floats(0, 1))
def test_a_required_sensitivity_is_reached(probabilities, share):
    """By the predictions that the threshold was chosen from, and in three decimals."""
    table = predictions(probabilities)
    rule = ThresholdRule(rule="sensitivity", value=share)

    chosen = threshold.choose(table, rule)

    positives = table.loc[table["outcome"] == 1, "probability"]
    assert (positives >= chosen).mean() >= share
    assert chosen == round(chosen, 3)


def test_a_required_sensitivity_is_not_reached_by_calling_everybody_positive():
    """The threshold is as high as the share allows."""
    table = predictions(np.linspace(0.1, 0.9, 100))

    chosen = threshold.choose(table, SENSITIVE)

    positives = table.loc[table["outcome"] == 1, "probability"]
    assert (positives >= chosen).mean() < 0.95


def test_the_threshold_of_a_fold_does_not_depend_on_its_rows():
    """It is chosen by the other folds of the repeat, so its sensitivity is not flattered."""
    table = predictions(np.linspace(0.1, 0.9, 100))
    changed = table.assign(probability=table["probability"].where(table["fold"] != 0, 0.0))

    before, after = (
        threshold.decide(each, SENSITIVE).set_index("fold") for each in (table, changed)
    )

    assert (before.loc[0, "threshold"] == after.loc[0, "threshold"]).all()
    assert (before.loc[1, "threshold"] != after.loc[1, "threshold"]).all()


def test_each_repeat_chooses_by_itself(answers):
    """A fold of another repeat holds some of the same rows."""
    found = threshold.decide(answers["svm"], SENSITIVE)
    alone = threshold.decide(answers["svm"].query("repeat == 1"), SENSITIVE)

    pd.testing.assert_frame_equal(found.query("repeat == 1"), alone)
    assert found.groupby(["repeat", "fold"])["threshold"].nunique().eq(1).all()


@pytest.mark.parametrize(
    ("rule", "value"),
    [("fixed", 1.1), ("fixed", -0.1), ("sensitivity", 90), ("cost", 0), ("youden", 0.5)],
)
def test_a_rule_that_cannot_be_is_refused(rule, value):
    """A share in percent is the slip to expect."""
    with pytest.raises(ValidationError):
        ThresholdRule(rule=rule, value=value)
