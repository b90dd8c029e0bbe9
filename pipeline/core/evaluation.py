"""How good a model is, and how sure we can be of it: figures from the answers of an exam."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

from pipeline.core.contract import HOSPITAL, TARGET
from pipeline.core.exam import Vector
from pipeline.core.policies import ExamPlan, Family, Metric
from pipeline.core.records import Record

METRIC_TITLES: Final[Mapping[Metric, str]] = MappingProxyType(
    {
        "roc_auc": "ROC-AUC",
        "pr_auc": "PR-AUC",
        "log_loss": "Log loss",
        "brier": "Brier score",
        "accuracy": "Accuracy",
        "f1": "F1",
        "sensitivity": "Sensitivity",
        "specificity": "Specificity",
        "calibration_error": "Calibration error",
    }
)
LOWER_IS_BETTER: Final[frozenset[Metric]] = frozenset({"log_loss", "brier", "calibration_error"})


class Estimate(Record):
    """A figure with its standard error and the interval at the plan's confidence."""

    mean: float
    standard_error: float
    low: float
    high: float


class External(Record):
    """How a fitted model does at a hospital that it was not trained on."""

    hospital: str
    rows: int
    positives: int
    roc_auc: Estimate
    brier: Estimate
    calibration_error: Estimate


class Evaluation(Record):
    """What is known about a fitted model."""

    family: Family
    threshold: float
    metrics: dict[Metric, Estimate]
    external: tuple[External, ...]


class Ablation(Record):
    """What an engineered feature adds to a family: with it minus without it, on equal folds."""

    family: Family
    feature: str
    differences: dict[Metric, Estimate]


def fold_metrics(answers: pd.DataFrame) -> pd.DataFrame:
    """Return the metrics of each fold: a row for each (repeat, fold), a column for each metric.

    Without the calibration error: it needs more rows than a fold has.
    """
    groups = answers.groupby(["repeat", "fold"], sort=True)
    rows = {key: _metrics(group) for key, group in groups}
    return pd.DataFrame.from_dict(rows, orient="index")


def _metrics(answers: pd.DataFrame) -> dict[str, float]:
    outcome, probability = answers["outcome"].to_numpy(), answers["probability"].to_numpy()
    return {
        "roc_auc": float(roc_auc_score(outcome, probability)),
        "pr_auc": float(average_precision_score(outcome, probability)),
        "log_loss": log_loss(outcome, probability),
        "brier": float(np.mean((probability - outcome) ** 2)),
        **_operating_point(outcome, probability >= answers["threshold"].to_numpy()),
    }


def _operating_point(
    outcome: npt.NDArray[Any], predicted: npt.NDArray[np.bool_]
) -> dict[str, float]:
    hit = float(np.sum(predicted & (outcome == 1)))
    alarm = float(np.sum(predicted & (outcome == 0)))
    positives, negatives = float(np.sum(outcome == 1)), float(np.sum(outcome == 0))
    return {
        "accuracy": (hit + negatives - alarm) / len(outcome),
        "f1": 2 * hit / (hit + alarm + positives),
        "sensitivity": hit / positives,
        "specificity": (negatives - alarm) / negatives,
    }


def log_loss(outcome: npt.NDArray[Any], probability: Vector) -> float:
    """Return the mean of -log(probability given to what happened), in nats."""
    given = np.where(outcome == 1, probability, 1 - probability)
    return float(-np.mean(np.log(np.clip(given, np.finfo(np.float64).eps, None))))


def corrected_standard_error(values: Vector, folds: int) -> float:
    """Return the standard error of a mean over repeated cross-validation.

    Training sets overlap, so the plain error is too small; the variance is multiplied by
    1/n + test/train instead of 1/n (Nadeau and Bengio, Machine Learning 52, 2003).
    """
    share = 1 / len(values) + 1 / (folds - 1)
    return float(np.sqrt(share * np.var(values, ddof=1)))


def summarise(answers: pd.DataFrame, plan: ExamPlan) -> dict[Metric, Estimate]:
    """Return each metric of `METRIC_TITLES` with its corrected standard error and interval."""
    by_fold = fold_metrics(answers)
    return {
        metric: _estimate(by_fold[metric].to_numpy(), plan)
        if metric in by_fold
        else _cross_validated_calibration(answers, plan)
        for metric in METRIC_TITLES
    }


def _estimate(values: Vector, plan: ExamPlan) -> Estimate:
    mean, error = float(values.mean()), corrected_standard_error(values, plan.folds)
    reach = float(stats.t.ppf((1 + plan.confidence) / 2, len(values) - 1)) * error
    return Estimate(mean=mean, standard_error=error, low=mean - reach, high=mean + reach)


def paired_differences(
    challenger: pd.DataFrame, champion: pd.DataFrame, plan: ExamPlan
) -> dict[Metric, Estimate]:
    """Return challenger minus champion on equal folds, metric by metric.

    Without the calibration error, which single folds are too small for.

    Raises:
        ValueError: the two exams did not ask the same questions.

    """
    asked = ["repeat", "fold", "row", "outcome"]
    if not challenger[asked].equals(champion[asked]):
        raise ValueError("the two models did not sit the same exam")
    gaps = fold_metrics(challenger) - fold_metrics(champion)
    return {
        metric: _estimate(gaps[metric].to_numpy(), plan)
        for metric in METRIC_TITLES
        if metric in gaps
    }


# --- calibration and the bootstrap: everything is a weighted sum, so 1000 resamples are one product


def _calibration_bins(probability: Vector, bins: int) -> npt.NDArray[np.float64]:
    """Return the membership of each row in equally filled bins, shape (rows, bins)."""
    edges = np.unique(np.quantile(probability, np.linspace(0, 1, bins + 1)))[1:-1]
    members = np.searchsorted(edges, probability, side="right")
    return np.equal.outer(members, np.arange(len(edges) + 1)).astype(np.float64)


def calibration_error(
    outcome: npt.NDArray[Any], probability: Vector, bins: int, weights: Vector | None = None
) -> Vector:
    """Return the expected calibration error: how far promised and observed rates lie apart.

    The mean over equally filled bins of |observed - promised|, for each row of ``weights``, shape
    (samples, rows); without weights for the table itself, shape (1,).
    """
    weights = np.ones((1, len(outcome))) if weights is None else weights
    gaps = weights * (outcome - probability) @ _calibration_bins(probability, bins)
    return np.asarray(np.abs(gaps).sum(axis=1) / weights.sum(axis=1), dtype=np.float64)


def _cross_validated_calibration(answers: pd.DataFrame, plan: ExamPlan) -> Estimate:
    """Average the calibration error of whole repeats; the interval resamples patients."""
    repeats = [group.sort_values("row") for _, group in answers.groupby("repeat", sort=True)]
    weights = bootstrap_weights(repeats[0]["outcome"].to_numpy(), plan)

    def over_repeats(weights: Vector | None) -> Vector:
        errors = [
            calibration_error(
                repeat["outcome"].to_numpy(),
                repeat["probability"].to_numpy(),
                plan.calibration_bins,
                weights,
            )
            for repeat in repeats
        ]
        return np.asarray(np.mean(errors, axis=0), dtype=np.float64)

    return _bootstrapped(float(over_repeats(None)[0]), over_repeats(weights), plan)


def bootstrap_weights(outcome: npt.NDArray[Any], plan: ExamPlan) -> Vector:
    """Return how often each row is drawn in each resample, shape (samples, rows).

    Drawn with replacement within each outcome, so no resample lacks a class.
    """
    random, samples = np.random.default_rng(plan.seed), plan.bootstrap_samples
    weights = np.zeros((samples, len(outcome)))
    for value in (0, 1):
        rows = np.flatnonzero(outcome == value)
        weights[:, rows] = random.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), samples)
    return weights


def weighted_roc_auc(outcome: npt.NDArray[Any], probability: Vector, weights: Vector) -> Vector:
    """Return the AUC of each resample, shape (samples,): how often a positive outranks a negative.

    Ties count one half.
    """
    positive, negative = outcome == 1, outcome == 0
    gap = np.sign(probability[positive][:, None] - probability[negative][None, :])
    wins = weights[:, positive] @ ((gap + 1) / 2) * weights[:, negative]
    pairs = weights[:, positive].sum(axis=1) * weights[:, negative].sum(axis=1)
    return np.asarray(wins.sum(axis=1) / pairs, dtype=np.float64)


def _bootstrapped(value: float, resampled: Vector, plan: ExamPlan) -> Estimate:
    low, high = np.quantile(resampled, [(1 - plan.confidence) / 2, (1 + plan.confidence) / 2])
    error = float(resampled.std(ddof=1))
    return Estimate(mean=value, standard_error=error, low=float(low), high=float(high))


def validate_externally(
    probability: Vector, table: pd.DataFrame, plan: ExamPlan
) -> tuple[External, ...]:
    """Return how a fitted model's answers do at each hospital of ``table``.

    ``table`` has the columns ``hospital`` and ``disease``; ``probability`` one value for each of
    its rows. Intervals are percentiles of a bootstrap over patients.
    """
    answers = table[[HOSPITAL, TARGET]].assign(probability=probability)
    groups = answers.groupby(HOSPITAL, sort=False)
    return tuple(_external(str(name), group, plan) for name, group in groups)


def _external(hospital: str, answers: pd.DataFrame, plan: ExamPlan) -> External:
    outcome, probability = answers[TARGET].to_numpy(), answers["probability"].to_numpy()
    once, often = np.ones((1, len(outcome))), bootstrap_weights(outcome, plan)

    def auc(weights: Vector) -> Vector:
        return weighted_roc_auc(outcome, probability, weights)

    def brier(weights: Vector) -> Vector:
        return np.asarray(weights @ (probability - outcome) ** 2 / weights.sum(axis=1))

    def calibration(weights: Vector) -> Vector:
        return calibration_error(outcome, probability, plan.calibration_bins, weights)

    auc_found, brier_found, calibration_found = (
        _bootstrapped(float(figure(once)[0]), figure(often), plan)
        for figure in (auc, brier, calibration)
    )
    return External(
        hospital=hospital,
        rows=len(answers),
        positives=int(outcome.sum()),
        roc_auc=auc_found,
        brier=brier_found,
        calibration_error=calibration_found,
    )
