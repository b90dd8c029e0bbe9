"""Metrics of out-of-fold predictions, with their uncertainty."""

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import average_precision_score, roc_auc_score

from pipeline.base.names import Family, Metric
from pipeline.base.policies import EvaluationPlan, ThresholdRule
from pipeline.base.records import Estimate, Record
from pipeline.evaluation.behaviour import Behaviour, Conversion
from pipeline.evaluation.bootstrap import (
    ANYWHERE,
    Outcomes,
    bootstrap,
    by_row,
    calibration_error,
)
from pipeline.evaluation.clinical import (
    calibration_intercept,
    calibration_slope,
    negative_predictive_value,
    positive_predictive_value,
)
from pipeline.evaluation.cross_validation import Vector, over_folds
from pipeline.evaluation.groups import Group
from pipeline.evaluation.incomplete import Incomplete
from pipeline.evaluation.leaks import Leaks

FOLD_METRICS: Final[tuple[Metric, ...]] = (
    *("roc_auc", "pr_auc", "log_loss", "brier"),
    *("accuracy", "f1", "sensitivity", "specificity"),
)


class Evaluation(Record):
    """All that is known about a fitted model: the gate judges it without a champion.

    ``threshold_rule`` and ``conversion`` are None in the files of older champions, and nothing is
    known there about ``incomplete`` patients.
    """

    family: Family
    threshold: float
    threshold_rule: ThresholdRule | None = None
    metrics: dict[Metric, Estimate]
    slices: tuple[Group, ...]
    external: tuple[Group, ...]
    behaviour: Behaviour
    leaks: Leaks
    incomplete: tuple[Incomplete, ...] = ()
    conversion: Conversion | None = None

    def flat(self) -> dict[str, float]:
        """Return the figures of all patients under one name each, as a registry keeps them."""
        cross_validated = {
            f"{metric}{suffix}": value
            for metric, estimate in self.metrics.items()
            for suffix, value in (("", estimate.mean), ("_standard_error", estimate.standard_error))
        }
        external = {
            f"{cohort.name}_{metric}": getattr(cohort, metric).mean
            for cohort in self.external
            for metric in ("roc_auc", "brier", "calibration_error")
        }
        return {**cross_validated, **external, "threshold": self.threshold}


class Ablation(Record):
    """The gain by an engineered feature: a family with it minus without it, on equal folds."""

    family: Family
    feature: str
    differences: dict[Metric, Estimate]


def fold_metrics(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the metrics of each fold: a row for each (repeat, fold), a column for each metric.

    Without those that need more patients than a fold has: calibration and predictive values. Where
    an answer is not a number, no metric of the fold is one.
    """
    groups = predictions.groupby(["repeat", "fold"], sort=True)
    rows = {key: _metrics(group) for key, group in groups}
    return pd.DataFrame.from_dict(rows, orient="index")


def _metrics(predictions: pd.DataFrame) -> dict[str, float]:
    outcome, probability = predictions["outcome"].to_numpy(), predictions["probability"].to_numpy()
    if not np.isfinite(probability).all():
        return dict.fromkeys(FOLD_METRICS, np.nan)
    return {
        "roc_auc": float(roc_auc_score(outcome, probability)),
        "pr_auc": float(average_precision_score(outcome, probability)),
        "log_loss": log_loss(outcome, probability),
        "brier": float(np.mean((probability - outcome) ** 2)),
        **_operating_point(outcome, probability >= predictions["threshold"].to_numpy()),
    }


def _operating_point(outcome: Outcomes, predicted: npt.NDArray[np.bool_]) -> dict[str, float]:
    true_positives = float(np.sum(predicted & (outcome == 1)))
    false_positives = float(np.sum(predicted & (outcome == 0)))
    positives, negatives = float(np.sum(outcome == 1)), float(np.sum(outcome == 0))
    return {
        "accuracy": (true_positives + negatives - false_positives) / len(outcome),
        "f1": 2 * true_positives / (true_positives + false_positives + positives),
        "sensitivity": true_positives / positives,
        "specificity": (negatives - false_positives) / negatives,
    }


def log_loss(outcome: Outcomes, probability: Vector) -> float:
    """Return the mean of -log(probability given to what happened), in nats."""
    given = np.where(outcome == 1, probability, 1 - probability)
    return float(-np.mean(np.log(np.clip(given, np.finfo(np.float64).eps, None))))


def summarise(predictions: pd.DataFrame, plan: EvaluationPlan) -> dict[Metric, Estimate]:
    """Return each metric of `METRIC_TITLES` with its standard error and interval.

    Those of single folds with the corrected error, the others from resampled patients.
    """
    by_fold = fold_metrics(predictions)
    folds = {metric: over_folds(by_fold[metric].to_numpy(), plan) for metric in FOLD_METRICS}
    return {**folds, **_whole_metrics(predictions, plan)}


def _whole_metrics(predictions: pd.DataFrame, plan: EvaluationPlan) -> dict[Metric, Estimate]:
    outcome, probability = by_row(predictions, predictions["probability"])
    _, predicted = by_row(
        predictions, (predictions["probability"] >= predictions["threshold"]).astype(float)
    )
    return {
        "ppv": bootstrap(positive_predictive_value, outcome, predicted, plan),
        "npv": bootstrap(negative_predictive_value, outcome, predicted, plan),
        "calibration_error": bootstrap(
            calibration_error(plan.calibration_bins), outcome, probability, plan
        ),
        "calibration_slope": bootstrap(calibration_slope, outcome, probability, plan, ANYWHERE),
        "calibration_intercept": bootstrap(
            calibration_intercept, outcome, probability, plan, ANYWHERE
        ),
    }


def paired_differences(
    challenger: pd.DataFrame, champion: pd.DataFrame, plan: EvaluationPlan
) -> dict[Metric, Estimate]:
    """Return challenger minus champion on equal folds, metric by metric.

    Without those that single folds are too small for.

    Raises:
        ValueError: the two were not predicted in the same folds.

    """
    keys = ["repeat", "fold", "row", "outcome"]
    if not challenger[keys].equals(champion[keys]):
        raise ValueError("the two models were not cross-validated in the same folds")
    gaps = fold_metrics(challenger) - fold_metrics(champion)
    return {metric: over_folds(gaps[metric].to_numpy(), plan) for metric in FOLD_METRICS}
