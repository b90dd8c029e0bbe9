"""Figures of resampled patients: held against scikit-learn, by hand, and by laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from pipeline.evaluation import bootstrap
from tests.evaluation.examples import PLAN, rows


def split(pairs):
    """Return outcomes and probabilities as two arrays."""
    outcome, probability = zip(*pairs, strict=True)
    return np.array(outcome), np.array(probability, dtype=float)


def once(count):
    """Return the weights of one resample in which every row is drawn once."""
    return np.ones((1, count))


@given(rows)
def test_the_weighted_auc_with_unit_weights_is_scikit_learn_s(pairs):
    """Ties count one half."""
    outcome, probability = split(pairs)

    found = bootstrap.weighted_roc_auc(outcome, probability, once(len(pairs)))

    assert found == pytest.approx([metrics.roc_auc_score(outcome, probability)])


@given(rows, st.data())
def test_whole_weights_mean_repeated_rows(pairs, data):
    """For the AUC, the Brier score and the calibration error alike."""
    outcome, probability = split(pairs)
    weights = np.array(
        data.draw(st.lists(st.integers(1, 4), min_size=len(pairs), max_size=len(pairs)))
    )
    repeated = outcome.repeat(weights), probability.repeat(weights)

    for figure in (bootstrap.weighted_roc_auc, bootstrap.weighted_brier):
        weighted = figure(outcome, probability, weights[None, :].astype(float))
        assert weighted == pytest.approx(figure(*repeated, once(weights.sum())))


def test_each_resample_has_a_figure_of_its_own():
    """Row by row of the weights."""
    outcome, probability = np.array([0, 1, 1]), np.array([0.3, 0.2, 0.8])
    weights = np.array([[1, 1, 1], [1, 2, 0], [1, 0, 2]], dtype=float)

    found = bootstrap.weighted_roc_auc(outcome, probability, weights)

    assert list(found) == [0.5, 0, 1]


def test_the_brier_score_is_the_mean_square_of_what_was_missed():
    """By hand, and weighted."""
    outcome, probability = np.array([0, 1]), np.array([0.5, 0.8])

    found = bootstrap.weighted_brier(outcome, probability, np.array([[1.0, 1], [3, 1]]))

    assert found == pytest.approx([(0.25 + 0.04) / 2, (3 * 0.25 + 0.04) / 4])


def test_the_calibration_error_by_hand():
    """Two groups: 0.1 promised and 0.5 observed; 0.8 promised and 0.5 observed."""
    outcome, probability = np.array([0, 1, 0, 1]), np.array([0.1, 0.1, 0.8, 0.8])

    found = bootstrap.calibration_error(2)(outcome, probability, once(4))

    assert found == pytest.approx([(0.4 + 0.3) / 2])


def test_the_calibration_error_weighs_groups_by_their_patients():
    """By hand: three of four resampled patients stand in the first group."""
    outcome, probability = np.array([0, 1, 0, 1]), np.array([0.1, 0.1, 0.8, 0.8])
    weights = np.array([[2.0, 1, 0, 1]])

    found = bootstrap.calibration_error(2)(outcome, probability, weights)

    assert found == pytest.approx([(abs(1 - 3 * 0.1) + abs(1 - 0.8)) / 4])


def test_kept_promises_have_no_calibration_error():
    """Of those promised 0.25 a quarter is ill, of those promised 0.75 three quarters."""
    outcome = np.array([0, 0, 0, 1, 0, 1, 1, 1])
    probability = np.array([0.25] * 4 + [0.75] * 4)

    assert bootstrap.calibration_error(2)(outcome, probability, once(8)) == pytest.approx([0])


@given(rows)
def test_the_calibration_error_lies_between_the_whole_gap_and_one(pairs):
    """Groups can hide no more than the gap between all promises and all outcomes."""
    outcome, probability = split(pairs)

    found = bootstrap.calibration_error(10)(outcome, probability, once(len(pairs)))[0]

    assert abs(outcome.mean() - probability.mean()) - 1e-12 <= found <= 1


def test_one_promise_to_all_is_one_group():
    """Equal answers cannot be split into ten groups."""
    outcome, probability = np.array([0, 0, 0, 1]), np.full(4, 0.5)

    assert bootstrap.calibration_error(10)(outcome, probability, once(4)) == pytest.approx([0.25])


@given(rows.map(split), st.integers(0, 2**32 - 1))
def test_resamples_keep_the_number_of_each_class(given_answers, seed):
    """So that none of them lacks a class."""
    outcome, _ = given_answers
    plan = PLAN.model_copy(update={"seed": seed, "bootstrap_samples": 100})

    weights = bootstrap.bootstrap_weights(outcome, plan)

    assert weights.shape == (100, len(outcome))
    assert (weights[:, outcome == 1].sum(axis=1) == (outcome == 1).sum()).all()
    assert (weights[:, outcome == 0].sum(axis=1) == (outcome == 0).sum()).all()


def test_resamples_depend_on_the_seed_alone():
    """The same seed draws the same, another seed something else."""
    outcome = np.array([0, 1] * 20)
    other = PLAN.model_copy(update={"seed": 2})

    first = bootstrap.bootstrap_weights(outcome, PLAN)
    # Else what was drawn would be remembered, not drawn again.
    bootstrap._drawn.cache_clear()  # noqa: SLF001 (a cache has no other door)

    np.testing.assert_array_equal(first, bootstrap.bootstrap_weights(outcome, PLAN))
    assert not (first == bootstrap.bootstrap_weights(outcome, other)).all()


def test_every_patient_is_drawn_about_once_on_average():
    """No patient is favoured."""
    plan = PLAN.model_copy(update={"bootstrap_samples": 4000})

    weights = bootstrap.bootstrap_weights(np.array([0] * 30 + [1] * 20), plan)

    assert weights.mean(axis=0) == pytest.approx(np.ones(50), abs=0.1)


@pytest.fixture
def promised():
    """Return probabilities, and outcomes that keep them: a well calibrated model's answers."""
    random = np.random.default_rng(1)
    probability = random.uniform(size=300)
    return (random.uniform(size=300) < probability).astype(int), probability


def test_the_calibration_error_of_a_good_model_lies_in_its_interval(promised):
    """Though nearly every resample has a greater one: patients drawn twice look uncalibrated."""
    outcome, probability = promised
    figure, plan = bootstrap.calibration_error(10), PLAN.model_copy(update={"confidence": 0.8})

    found = bootstrap.bootstrap(figure, outcome, [probability], plan)

    resampled = figure(outcome, probability, bootstrap.bootstrap_weights(outcome, PLAN))
    assert found.mean == pytest.approx(figure(outcome, probability, once(300))[0])
    assert np.quantile(resampled, 0.1) > found.mean
    assert found.low < found.mean < found.high


def test_the_interval_is_as_wide_as_the_resamples_spread(promised):
    """From the 2.5th to the 97.5th percentile, and the error is their deviation."""
    outcome, probability = promised
    resampled = bootstrap.weighted_roc_auc(
        outcome, probability, bootstrap.bootstrap_weights(outcome, PLAN)
    )

    found = bootstrap.bootstrap(bootstrap.weighted_roc_auc, outcome, [probability], PLAN)

    low, high = np.quantile(resampled, [0.025, 0.975])
    assert found.high - found.low == pytest.approx(high - low)
    assert found.standard_error == pytest.approx(resampled.std(ddof=1))


def test_repeats_are_averaged(promised):
    """Each patient has an answer in each; the figure is the mean of theirs."""
    outcome, probability = promised
    repeats = [probability, 1 - probability]

    found = bootstrap.bootstrap(bootstrap.weighted_roc_auc, outcome, repeats, PLAN)

    assert found.mean == pytest.approx(0.5)
    assert found.standard_error == pytest.approx(0, abs=1e-12)


def test_a_figure_that_is_not_defined_is_no_number():
    """Nothing is made up in its place."""

    def undefined(_outcome, _probability, weights):
        return np.full(len(weights), np.nan)

    found = bootstrap.bootstrap(undefined, np.array([0, 1]), [np.array([0.1, 0.9])], PLAN)

    assert np.isnan([found.mean, found.standard_error, found.low, found.high]).all()


def test_a_difference_resamples_both_models_with_the_same_patients(promised):
    """Equal answers differ by nothing in every resample."""
    outcome, probability = promised

    found = bootstrap.bootstrap_difference(
        bootstrap.weighted_brier, outcome, [probability], [probability], PLAN
    )

    assert (found.mean, found.standard_error, found.low, found.high) == (0, 0, 0, 0)


def test_a_difference_is_challenger_minus_champion(promised):
    """And may be below zero."""
    outcome, probability = promised

    found = bootstrap.bootstrap_difference(
        bootstrap.weighted_brier, outcome, [probability], [np.full(300, 0.5)], PLAN
    )

    assert found.mean == pytest.approx(np.mean((probability - outcome) ** 2) - 0.25)
    assert found.high < 0
