"""What a clinician asks of a model, against known answers and scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from pipeline.evaluation import clinical

RANDOM = np.random.default_rng(3)
ROWS = 400


def patients(slope=1.0, intercept=0.0):
    """Return promises, and outcomes whose log-odds follow them with this line."""
    promised = RANDOM.normal(0, 1.5, ROWS)
    outcome = (RANDOM.random(ROWS) < expit(intercept + slope * promised)).astype(int)
    return outcome, expit(promised)


ONCE = np.ones((1, ROWS))


@pytest.mark.parametrize(
    ("slope", "intercept"),
    [(1.0, 0.0), (0.2, 0.0), (2.0, -1.0), (-1.0, 0.5)],
    ids=["right", "too extreme", "too timid and too high", "the wrong way round"],
)
def test_the_calibration_line_is_that_of_logistic_regression(slope, intercept):
    """Newton's method finds what scikit-learn finds without a penalty."""
    outcome, probability = patients(slope, intercept)
    oracle = LogisticRegression(C=np.inf).fit(logit(probability)[:, None], outcome)
    found = clinical.calibration_slope(outcome, probability, ONCE)
    assert found == pytest.approx(oracle.coef_[0], abs=1e-3)
    found = clinical.calibration_intercept(outcome, probability, ONCE)
    assert found == pytest.approx(oracle.intercept_, abs=1e-3)


def test_whole_weights_mean_repeated_patients():
    """A resample is the table with some patients more than once."""
    outcome, probability = patients()
    weights = RANDOM.integers(0, 3, ROWS)
    again = np.repeat(np.arange(ROWS), weights)
    weighted = clinical.calibration_slope(outcome, probability, weights[None, :].astype(float))
    repeated = clinical.calibration_slope(
        outcome[again], probability[again], np.ones((1, len(again)))
    )
    assert weighted == pytest.approx(repeated)


def test_each_resample_has_a_line_of_its_own():
    """All of them are one product of matrices."""
    outcome, probability = patients()
    weights = RANDOM.multinomial(ROWS, np.full(ROWS, 1 / ROWS), 20).astype(float)
    together = clinical.calibration_slope(outcome, probability, weights)
    alone = [clinical.calibration_slope(outcome, probability, row[None, :])[0] for row in weights]
    assert together == pytest.approx(alone)


def test_equal_promises_have_no_line():
    """The gate then says that the figure is not a number."""
    outcome, _ = patients()
    assert np.isnan(clinical.calibration_slope(outcome, np.full(ROWS, 0.3), ONCE)).all()


def test_certain_answers_have_a_line():
    """0 and 1 have no logit; they count as almost certain."""
    outcome, probability = patients()
    certain = np.where(probability > 0.8, 1.0, np.where(probability < 0.2, 0.0, probability))
    assert np.isfinite(clinical.calibration_slope(outcome, certain, ONCE)).all()


def test_the_predictive_values_by_hand():
    """Of three called ill two are; of one called healthy none is ill."""
    outcome, called = np.array([1, 1, 0, 0]), np.array([1.0, 1.0, 1.0, 0.0])
    once = np.ones((1, 4))
    assert clinical.positive_predictive_value(outcome, called, once) == pytest.approx(2 / 3)
    assert clinical.negative_predictive_value(outcome, called, once) == pytest.approx(1)


def test_without_a_positive_prediction_there_is_no_predictive_value():
    """Zero of zero is not a number."""
    none = np.zeros(ROWS)
    outcome, _ = patients()
    assert np.isnan(clinical.positive_predictive_value(outcome, none, ONCE)).all()


def test_the_net_benefit_by_hand():
    """Two hits and one false positive among four; at one half an alarm costs a hit."""
    answers = pd.DataFrame({"outcome": [1, 1, 0, 0], "probability": [0.9, 0.6, 0.7, 0.1]})
    (found,) = clinical.decision_curve(answers, [0.5])
    assert found.model == pytest.approx((2 - 1) / 4)
    assert found.call_all == pytest.approx((2 - 2) / 4)


def test_a_low_threshold_predicts_every_patient_positive():
    """There the model is worth what calling everybody is."""
    answers = pd.DataFrame({"outcome": [1, 0, 0], "probability": [0.9, 0.6, 0.7]})
    (found,) = clinical.decision_curve(answers, [0.1])
    assert found.model == found.call_all
