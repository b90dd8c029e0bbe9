"""How good a model is, and how sure we can be of it: figures from the answers of an exam."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

from pipeline.core.contract import BY_NAME, HOSPITAL, TARGET
from pipeline.core.exam import Vector
from pipeline.core.policies import ExamPlan, Family, Metric
from pipeline.core.records import Record

Outcomes = npt.NDArray[Any]
# A figure of each resample: outcome, probability, calibration bins, weights (samples, rows).
Figure = Callable[[Outcomes, Vector, int, Vector], Vector]

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


class Group(Record):
    """How a model does among some patients: those of one hospital, one sex, one age band."""

    name: str
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
    external: tuple[Group, ...]
    slices: tuple[Group, ...]


class Ablation(Record):
    """What an engineered feature adds to a family: with it minus without it, on equal folds.

    Both decide at one half: no threshold is chosen for an ablation.
    """

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


def _operating_point(outcome: Outcomes, predicted: npt.NDArray[np.bool_]) -> dict[str, float]:
    hit = float(np.sum(predicted & (outcome == 1)))
    alarm = float(np.sum(predicted & (outcome == 0)))
    positives, negatives = float(np.sum(outcome == 1)), float(np.sum(outcome == 0))
    return {
        "accuracy": (hit + negatives - alarm) / len(outcome),
        "f1": 2 * hit / (hit + alarm + positives),
        "sensitivity": hit / positives,
        "specificity": (negatives - alarm) / negatives,
    }


def log_loss(outcome: Outcomes, probability: Vector) -> float:
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


def calibration_error(outcome: Outcomes, probability: Vector, bins: int, weights: Vector) -> Vector:
    """Return the expected calibration error: how far promised and observed rates lie apart.

    The mean over equally filled bins of |observed - promised|, for each row of ``weights``, shape
    (samples, rows).
    """
    gaps = weights * (outcome - probability) @ _calibration_bins(probability, bins)
    return np.asarray(np.abs(gaps).sum(axis=1) / weights.sum(axis=1), dtype=np.float64)


def _cross_validated_calibration(answers: pd.DataFrame, plan: ExamPlan) -> Estimate:
    """Average the calibration error of whole repeats; the interval resamples patients."""
    outcome, repeats = _by_row(answers)
    return _bootstrap(calibration_error, outcome, repeats, plan)


def _by_row(answers: pd.DataFrame) -> tuple[Outcomes, list[Vector]]:
    """Return the outcome of each row, and what each repeat answered for it."""
    outcome = answers.groupby("row")["outcome"].first().to_numpy()
    wide = answers.pivot_table(index="row", columns="repeat", values="probability")
    return outcome, [wide[repeat].to_numpy() for repeat in wide]


def bootstrap_weights(outcome: Outcomes, plan: ExamPlan) -> Vector:
    """Return how often each row is drawn in each resample, shape (samples, rows).

    Drawn with replacement within each outcome, so no resample lacks a class.
    """
    random, samples = np.random.default_rng(plan.seed), plan.bootstrap_samples
    weights = np.zeros((samples, len(outcome)))
    for value in (0, 1):
        rows = np.flatnonzero(outcome == value)
        weights[:, rows] = random.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), samples)
    return weights


def weighted_roc_auc(outcome: Outcomes, probability: Vector, bins: int, weights: Vector) -> Vector:
    """Return the AUC of each resample, shape (samples,): how often a positive outranks a negative.

    Ties count one half.
    """
    del bins
    positive, negative = outcome == 1, outcome == 0
    gap = np.sign(probability[positive][:, None] - probability[negative][None, :])
    wins = weights[:, positive] @ ((gap + 1) / 2) * weights[:, negative]
    pairs = weights[:, positive].sum(axis=1) * weights[:, negative].sum(axis=1)
    return np.asarray(wins.sum(axis=1) / pairs, dtype=np.float64)


def weighted_brier(outcome: Outcomes, probability: Vector, bins: int, weights: Vector) -> Vector:
    """Return the Brier score of each resample, shape (samples,)."""
    del bins
    return np.asarray(weights @ (probability - outcome) ** 2 / weights.sum(axis=1))


def _bootstrap(
    figure: Figure, outcome: Outcomes, repeats: Sequence[Vector], plan: ExamPlan
) -> Estimate:
    """Return a figure, in [0, 1], averaged over the repeats; its interval resamples patients.

    Patients who are drawn twice raise the calibration error of every resample. So the percentiles
    are moved by the mean gap between the resamples and the figure; for other figures it is near 0.
    """

    def over_repeats(weights: Vector) -> Vector:
        found = [figure(outcome, answers, plan.calibration_bins, weights) for answers in repeats]
        return np.asarray(np.mean(found, axis=0), dtype=np.float64)

    mean = float(over_repeats(np.ones((1, len(outcome))))[0])
    resampled = over_repeats(bootstrap_weights(outcome, plan))
    tails = np.quantile(resampled, [(1 - plan.confidence) / 2, (1 + plan.confidence) / 2])
    low, high = np.clip(tails - (resampled.mean() - mean), 0, 1)
    return Estimate(
        mean=mean,
        standard_error=float(resampled.std(ddof=1)),
        low=float(low),
        high=float(high),
    )


def _group(name: str, outcome: Outcomes, repeats: Sequence[Vector], plan: ExamPlan) -> Group:
    return Group(
        name=name,
        rows=len(outcome),
        positives=int(outcome.sum()),
        roc_auc=_bootstrap(weighted_roc_auc, outcome, repeats, plan),
        brier=_bootstrap(weighted_brier, outcome, repeats, plan),
        calibration_error=_bootstrap(calibration_error, outcome, repeats, plan),
    )


def by_hospital(probability: Vector, table: pd.DataFrame, plan: ExamPlan) -> tuple[Group, ...]:
    """Return how a fitted model's answers do at each hospital of ``table``.

    ``table`` has the columns ``hospital`` and ``disease``; ``probability`` one value for each of
    its rows.
    """
    answers = table[[HOSPITAL, TARGET]].assign(probability=probability)
    return tuple(
        _group(str(name), group[TARGET].to_numpy(), [group["probability"].to_numpy()], plan)
        for name, group in answers.groupby(HOSPITAL, sort=False)
    )


def by_slice(
    answers: pd.DataFrame, table: pd.DataFrame, age_bands: Sequence[float], plan: ExamPlan
) -> tuple[Group, ...]:
    """Return how the answers of an exam on ``table`` do for each sex and each age band.

    A slice in which everybody has the same outcome cannot be judged and is left out.
    """
    outcome, repeats = _by_row(answers)
    return tuple(
        _group(name, outcome[members], [answered[members] for answered in repeats], plan)
        for name, members in _slices(table, age_bands)
        if len(set(outcome[members])) > 1
    )


def _slices(
    table: pd.DataFrame, age_bands: Sequence[float]
) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    for code, sex in BY_NAME["sex"].codes.items():
        yield sex, (table["sex"] == code).to_numpy()
    bands = np.searchsorted(age_bands, table["age"], side="right")
    inner = [f"age {start:g} to {end - 1:g}" for start, end in pairwise(age_bands)]
    names = [f"age below {age_bands[0]:g}", *inner, f"age {age_bands[-1]:g} and over"]
    for band, name in enumerate(names):
        yield name, bands == band
