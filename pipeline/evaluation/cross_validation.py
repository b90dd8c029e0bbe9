"""Repeated stratified cross-validation, with all learning inside the folds.

It gives one table, the out-of-fold predictions, with a row for each of them:

====================  ==========================================================
``repeat``, ``fold``  which fold of which repeat
``row``               the row of the training table
``outcome``           0 or 1
``probability``       of a positive outcome, by a model that never saw the row
``threshold``         chosen inside the fold's training rows
====================  ==========================================================

Every figure about a model is a view of that table, so two models are compared row by row.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.model_selection import RepeatedStratifiedKFold, StratifiedKFold
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from pipeline.base.arithmetic import reproducible
from pipeline.base.policies import EvaluationPlan
from pipeline.table.contract import FEATURES, TARGET

Vector = npt.NDArray[np.float64]
# Takes the predictions of one fold after the other, and their number; gives them on as they come.
Watch = Callable[[Iterable[pd.DataFrame], int], Iterable[pd.DataFrame]]

UNCHOSEN_THRESHOLD: Final = 0.5


class Fold(NamedTuple):
    """One fold: positions of the rows that train and of those that test."""

    repeat: int
    fold: int
    train: npt.NDArray[np.intp]
    test: npt.NDArray[np.intp]


def fold_plan(table: pd.DataFrame, plan: EvaluationPlan) -> list[Fold]:
    """Return the folds of a plan, by repeat. Fewer repeats are the first of more repeats."""
    splitter = RepeatedStratifiedKFold(
        n_splits=plan.folds, n_repeats=plan.repeats, random_state=plan.seed
    )
    splits = splitter.split(table, table[TARGET])
    return [Fold(*divmod(i, plan.folds), train, test) for i, (train, test) in enumerate(splits)]


def _unwatched(predictions: Iterable[pd.DataFrame], total: int) -> Iterable[pd.DataFrame]:
    del total
    return predictions


def cross_validate(
    model: Pipeline,
    table: pd.DataFrame,
    plan: EvaluationPlan,
    workers: int,
    watch: Watch = _unwatched,
) -> pd.DataFrame:
    """Return the out-of-fold predictions of ``model`` on ``table``, with the contract's columns.

    ``model`` is cloned for each fold and stays as it is. ``workers`` processes fit at once (-1:
    one per core); the predictions do not depend on their number. ``watch`` sees the folds go by.
    """
    folds = fold_plan(table, plan)
    parallel = Parallel(n_jobs=workers, return_as="generator")
    predictions = parallel(delayed(_predict_fold)(model, table, fold, plan) for fold in folds)
    return pd.concat(watch(predictions, len(folds)), ignore_index=True)


def _predict_fold(
    model: Pipeline, table: pd.DataFrame, fold: Fold, plan: EvaluationPlan
) -> pd.DataFrame:
    seen, unseen = table.iloc[fold.train], table.iloc[fold.test]
    return pd.DataFrame(
        {
            "repeat": fold.repeat,
            "fold": fold.fold,
            "row": fold.test,
            "outcome": unseen[TARGET].to_numpy(),
            "probability": probability(fit(model, seen), unseen),
            "threshold": choose_threshold(model, seen, plan),
        }
    )


def fit(model: Pipeline, table: pd.DataFrame) -> Pipeline:
    """Return a clone of ``model`` that is fitted to ``table``, with the same bytes everywhere.

    Raises:
        KernelError: numpy is not ready for that, here or in a worker.

    """
    with reproducible():
        return clone(model).fit(table[list(FEATURES)], table[TARGET])


def probability(fitted: Pipeline, table: pd.DataFrame) -> Vector:
    """Return the probability of a positive outcome for each row, shape (rows,).

    One thread, as `fit`.
    """
    with threadpool_limits(1):
        return np.asarray(fitted.predict_proba(table[list(FEATURES)])[:, 1], dtype=np.float64)


def choose_threshold(model: Pipeline, table: pd.DataFrame, plan: EvaluationPlan) -> float:
    """Choose the decision threshold from predictions of rows that the model did not see.

    A plan without ``threshold_folds`` leaves it at one half.
    """
    if plan.threshold_folds is None:
        return UNCHOSEN_THRESHOLD
    splits = StratifiedKFold(plan.threshold_folds).split(table, table[TARGET])
    predictions = np.full(len(table), np.nan)
    for train, test in splits:
        predictions[test] = probability(fit(model, table.iloc[train]), table.iloc[test])
    return youden_threshold(table[TARGET].to_numpy(), predictions)


def youden_threshold(outcome: npt.NDArray[Any], probability: Vector) -> float:
    """Return the threshold with the greatest sensitivity + specificity - 1 (Youden 1950).

    Candidates lie midway between neighbouring probabilities; of several that are equally good the
    middle one is taken. Rounded to three decimals, so that a person can say it.
    """
    values = np.unique(probability)
    candidates = (values[:-1] + values[1:]) / 2 if len(values) > 1 else values
    positive = np.sort(probability[outcome == 1])
    negative = np.sort(probability[outcome == 0])
    missed = np.searchsorted(positive, candidates) / len(positive)
    cleared = np.searchsorted(negative, candidates) / len(negative)
    best = np.flatnonzero(np.isclose(cleared - missed, (cleared - missed).max()))
    return round(float(candidates[best[len(best) // 2]]), 3)
