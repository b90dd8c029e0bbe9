"""Calibration, predictive values and net benefit: what a prediction means for a decision.

Each figure takes the outcome of each patient, shape (rows,), the prediction, shape (rows,), and the
weights of resamples, shape (samples, rows), and returns shape (samples,). A figure that a resample
does not define (no predicted positive, every prediction the same) is NaN there.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit, logit

from pipeline.base.records import Record
from pipeline.evaluation.bootstrap import Outcomes
from pipeline.evaluation.cross_validation import Vector

# Newton's method on two coefficients has long converged by then.
NEWTON_STEPS: Final = 12
# Answers of exactly 0 and 1 have no logit.
CLOSEST_TO_CERTAIN: Final = 1e-6


def calibration_slope(outcome: Outcomes, probability: Vector, weights: Vector) -> Vector:
    """Return how the log-odds of a positive rise with the promised log-odds (Cox 1958).

    1 is right; below 1 the predictions are too extreme, above 1 too timid.
    """
    return _calibration_line(outcome, probability, weights)[1]


def calibration_intercept(outcome: Outcomes, probability: Vector, weights: Vector) -> Vector:
    """Return the log-odds of a positive at a promise of one half; 0 is right."""
    return _calibration_line(outcome, probability, weights)[0]


def calibration_in_the_large(outcome: Outcomes, probability: Vector, weights: Vector) -> Vector:
    """Return by how much all promised log-odds are too low; 0 is right, 1.5 far too low."""
    promised = logit(np.clip(probability, CLOSEST_TO_CERTAIN, 1 - CLOSEST_TO_CERTAIN))
    shift = np.zeros(len(weights))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for _ in range(NEWTON_STEPS):
            fitted = expit(shift[:, None] + promised)
            error, spread = weights * (outcome - fitted), weights * fitted * (1 - fitted)
            shift = shift + error.sum(axis=1) / spread.sum(axis=1)
    return shift


def _calibration_line(
    outcome: Outcomes, probability: Vector, weights: Vector
) -> tuple[Vector, Vector]:
    """Fit outcome ~ logit(probability) by weighted logistic regression, for each resample."""
    promised = logit(np.clip(probability, CLOSEST_TO_CERTAIN, 1 - CLOSEST_TO_CERTAIN))
    intercept, slope = np.zeros(len(weights)), np.zeros(len(weights))
    if np.ptp(promised) == 0:
        return np.full_like(intercept, np.nan), np.full_like(slope, np.nan)
    # Promises that separate the classes have no line either: the steps grow until they are NaN.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for _ in range(NEWTON_STEPS):
            fitted = expit(intercept[:, None] + slope[:, None] * promised)
            error, spread = weights * (outcome - fitted), weights * fitted * (1 - fitted)
            first, second = error.sum(axis=1), error @ promised
            a, b, c = spread.sum(axis=1), spread @ promised, spread @ promised**2
            determinant = a * c - b * b
            intercept = intercept + (c * first - b * second) / determinant
            slope = slope + (a * second - b * first) / determinant
    return intercept, slope


def sensitivity(outcome: Outcomes, predicted: Vector, weights: Vector) -> Vector:
    """Return the share of the positives that are predicted positive, with 1 in ``predicted``."""
    return _share(weights @ (predicted * outcome), weights @ outcome)


def positive_predictive_value(outcome: Outcomes, predicted: Vector, weights: Vector) -> Vector:
    """Return the share of predicted positives, which have 1 in ``predicted``, that are positive."""
    return _share(weights @ (predicted * outcome), weights @ predicted)


def negative_predictive_value(outcome: Outcomes, predicted: Vector, weights: Vector) -> Vector:
    """Return the share of predicted negatives that are negative."""
    return _share(weights @ ((1 - predicted) * (1 - outcome)), weights @ (1 - predicted))


def _share(part: Vector, whole: Vector) -> Vector:
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)


class NetBenefit(Record):
    """The net benefit of a decision at one threshold, in true positives per patient.

    A false positive costs threshold / (1 - threshold) of a true positive (Vickers and Elkin 2006).
    """

    threshold: float
    model: float
    call_all: float


def decision_curve(
    predictions: pd.DataFrame, thresholds: Sequence[float]
) -> tuple[NetBenefit, ...]:
    """Return the net benefit of predictions at each threshold, and that of calling all positive."""
    outcome, probability = predictions["outcome"].to_numpy(), predictions["probability"].to_numpy()
    return tuple(
        NetBenefit(
            threshold=threshold,
            model=_net_benefit(outcome, probability >= threshold, threshold),
            call_all=_net_benefit(outcome, np.ones(len(outcome), dtype=bool), threshold),
        )
        for threshold in thresholds
    )


def _net_benefit(outcome: Outcomes, predicted: npt.NDArray[np.bool_], threshold: float) -> float:
    true, false = np.mean(predicted & (outcome == 1)), np.mean(predicted & (outcome == 0))
    return float(true - false * threshold / (1 - threshold))
