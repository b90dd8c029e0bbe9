"""Figures of resampled patients: how far a figure would move with other patients of the same kind.

A resample is a row of weights, how often each patient is drawn. Every figure is a weighted sum, so
all resamples are one product of matrices. A figure that a resample does not define is NaN there.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.base.policies import EvaluationPlan
from pipeline.base.records import Estimate
from pipeline.evaluation.cross_validation import Vector

Outcomes = npt.NDArray[Any]
# Outcome and answer of each patient, (rows,), and weights, (samples, rows), to (samples,).
Figure = Callable[[Outcomes, Vector, Vector], Vector]

SHARE: Final = (0.0, 1.0)
ANYWHERE: Final = (-np.inf, np.inf)


def by_row(predictions: pd.DataFrame, values: "pd.Series[float]") -> tuple[Outcomes, list[Vector]]:
    """Return the outcome of each row, and the values that each repeat has for the rows."""
    outcome = predictions.groupby("row")["outcome"].first().to_numpy()
    wide = predictions.assign(value=values).pivot(index="row", columns="repeat", values="value")
    return outcome, [wide[repeat].to_numpy() for repeat in wide]


def bootstrap_weights(outcome: Outcomes, plan: EvaluationPlan) -> Vector:
    """Return how often each row is drawn in each resample, shape (samples, rows).

    Drawn with replacement within each outcome, so no resample lacks a class. They cannot be
    changed: every figure of the same patients shares them.
    """
    return _drawn(tuple((outcome == 1).tolist()), plan.seed, plan.bootstrap_samples)


@lru_cache(maxsize=16)
def _drawn(positive: tuple[bool, ...], seed: int, samples: int) -> Vector:
    random, outcome = np.random.default_rng(seed), np.array(positive)
    weights = np.zeros((samples, len(outcome)))
    for value in (False, True):
        rows = np.flatnonzero(outcome == value)
        weights[:, rows] = random.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), samples)
    weights.flags.writeable = False
    return weights


def weighted_roc_auc(outcome: Outcomes, probability: Vector, weights: Vector) -> Vector:
    """Return the AUC of each resample, shape (samples,): how often a positive outranks a negative.

    Ties count one half.
    """
    positive, negative = outcome == 1, outcome == 0
    gap = np.sign(probability[positive][:, None] - probability[negative][None, :])
    wins = weights[:, positive] @ ((gap + 1) / 2) * weights[:, negative]
    pairs = weights[:, positive].sum(axis=1) * weights[:, negative].sum(axis=1)
    return np.asarray(wins.sum(axis=1) / pairs, dtype=np.float64)


def weighted_brier(outcome: Outcomes, probability: Vector, weights: Vector) -> Vector:
    """Return the Brier score of each resample, shape (samples,)."""
    return np.asarray(weights @ (probability - outcome) ** 2 / weights.sum(axis=1))


def _calibration_bins(probability: Vector, bins: int) -> npt.NDArray[np.float64]:
    """Return the membership of each row in equally filled bins, shape (rows, bins)."""
    edges = np.unique(np.quantile(probability, np.linspace(0, 1, bins + 1)))[1:-1]
    members = np.searchsorted(edges, probability, side="right")
    return np.equal.outer(members, np.arange(len(edges) + 1)).astype(np.float64)


def calibration_error(bins: int) -> Figure:
    """Return the expected calibration error as a figure.

    The mean over ``bins`` equally filled bins of |observed - promised|.
    """

    def figure(outcome: Outcomes, probability: Vector, weights: Vector) -> Vector:
        gaps = weights * (outcome - probability) @ _calibration_bins(probability, bins)
        return np.asarray(np.abs(gaps).sum(axis=1) / weights.sum(axis=1), dtype=np.float64)

    return figure


def bootstrap(
    figure: Figure,
    outcome: Outcomes,
    repeats: Sequence[Vector],
    plan: EvaluationPlan,
    bounds: tuple[float, float] = SHARE,
) -> Estimate:
    """Return a figure averaged over the repeats; its interval resamples patients.

    ``bounds`` are the lowest and the highest value that the figure can take.
    """
    once, often = np.ones((1, len(outcome))), bootstrap_weights(outcome, plan)
    value = _over_repeats(figure, outcome, repeats, once)
    resampled = _over_repeats(figure, outcome, repeats, often)
    return _estimate(float(value[0]), resampled, plan, bounds)


def bootstrap_difference(
    figure: Figure,
    outcome: Outcomes,
    challenger: Sequence[Vector],
    champion: Sequence[Vector],
    plan: EvaluationPlan,
) -> Estimate:
    """Return challenger minus champion; both are resampled with the same patients."""
    once, often = np.ones((1, len(outcome))), bootstrap_weights(outcome, plan)
    value, resampled = (
        _over_repeats(figure, outcome, challenger, weights)
        - _over_repeats(figure, outcome, champion, weights)
        for weights in (once, often)
    )
    return _estimate(float(value[0]), resampled, plan, ANYWHERE)


def _over_repeats(
    figure: Figure, outcome: Outcomes, repeats: Sequence[Vector], weights: Vector
) -> Vector:
    figures = [figure(outcome, predictions, weights) for predictions in repeats]
    return np.asarray(np.mean(figures, axis=0), dtype=np.float64)


def _estimate(
    value: float, resampled: Vector, plan: EvaluationPlan, bounds: tuple[float, float]
) -> Estimate:
    """Return a value with the percentiles of its resamples.

    Patients who are drawn twice raise the calibration error of every resample. So the percentiles
    are moved by the mean gap between the resamples and the value; for other figures it is near 0.
    """
    known = resampled[np.isfinite(resampled)]
    if len(known) == 0 or not np.isfinite(value):
        return Estimate(mean=value, standard_error=np.nan, low=np.nan, high=np.nan)
    tails = np.quantile(known, [(1 - plan.confidence) / 2, (1 + plan.confidence) / 2])
    low, high = np.clip(tails - (known.mean() - value), *bounds)
    return Estimate(
        mean=value, standard_error=float(known.std(ddof=1)), low=float(low), high=float(high)
    )
