"""The exam a model sits: repeated stratified cross-validation, all learning inside the folds.

The exam's record is one table, the answers, with a row for each answer:

====================  ==========================================================
``repeat``, ``fold``  which fold of which repeat
``row``               the row of the training table
``outcome``           0 or 1
``probability``       of heart disease, by a model that never saw the row
``threshold``         chosen inside the fold's training rows
====================  ==========================================================

Every figure about a model is a view of that table, so two models are compared answer by answer.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.model_selection import RepeatedStratifiedKFold, StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from pipeline.core.policies import ExamPlan

Vector = npt.NDArray[np.float64]

UNCHOSEN_THRESHOLD: Final = 0.5


class Fold(NamedTuple):
    """One fold: positions of the rows that train and of those that test."""

    repeat: int
    fold: int
    train: npt.NDArray[np.intp]
    test: npt.NDArray[np.intp]


def fold_plan(outcome: pd.Series, plan: ExamPlan) -> list[Fold]:
    """Return the folds of an exam, by repeat. Fewer repeats are the first of more repeats."""
    splitter = RepeatedStratifiedKFold(
        n_splits=plan.folds, n_repeats=plan.repeats, random_state=plan.seed
    )
    splits = splitter.split(np.zeros(len(outcome)), outcome)
    return [Fold(*divmod(i, plan.folds), train, test) for i, (train, test) in enumerate(splits)]


def sit(
    model: Pipeline, features: pd.DataFrame, outcome: pd.Series, plan: ExamPlan, workers: int
) -> Iterator[pd.DataFrame]:
    """Yield the answers of each fold, in order, as they are done.

    ``model`` is cloned for each fold and stays as it is. ``workers`` processes fit at once (-1:
    one per core); the answers do not depend on their number.
    """
    parallel = Parallel(n_jobs=workers, return_as="generator")
    task = delayed(_sit_fold)
    folds = fold_plan(outcome, plan)
    yield from parallel(task(model, features, outcome, fold, plan) for fold in folds)


def _sit_fold(
    model: Pipeline, features: pd.DataFrame, outcome: pd.Series, fold: Fold, plan: ExamPlan
) -> pd.DataFrame:
    known, known_outcome = features.iloc[fold.train], outcome.iloc[fold.train]
    fitted = fit(model, known, known_outcome)
    return pd.DataFrame(
        {
            "repeat": fold.repeat,
            "fold": fold.fold,
            "row": fold.test,
            "outcome": outcome.iloc[fold.test].to_numpy(),
            "probability": positive_probability(fitted, features.iloc[fold.test]),
            "threshold": choose_threshold(model, known, known_outcome, plan),
        }
    )


def fit(model: Pipeline, features: pd.DataFrame, outcome: pd.Series) -> Pipeline:
    """Return a fitted clone of ``model``.

    One thread each: the order of a sum, and so its last bit, depends on the number of threads.
    """
    with threadpool_limits(1):
        return clone(model).fit(features, outcome)


def positive_probability(fitted: Pipeline, features: pd.DataFrame) -> Vector:
    """Return the probability of heart disease for each row, shape (rows,)."""
    return np.asarray(fitted.predict_proba(features)[:, 1], dtype=np.float64)


def choose_threshold(
    model: Pipeline, features: pd.DataFrame, outcome: pd.Series, plan: ExamPlan
) -> float:
    """Choose the decision threshold from answers to rows that the answering model did not see.

    A plan without ``threshold_folds`` leaves it at one half.
    """
    if plan.threshold_folds is None:
        return UNCHOSEN_THRESHOLD
    splitter = StratifiedKFold(plan.threshold_folds)
    with threadpool_limits(1):
        answers = cross_val_predict(
            clone(model), features, outcome, cv=splitter, method="predict_proba"
        )
    return youden_threshold(outcome.to_numpy(), answers[:, 1])


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
