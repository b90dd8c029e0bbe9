"""Repeated stratified cross-validation, with all learning inside the folds.

It gives one table, the out-of-fold predictions, with a row for each of them:

====================  ==========================================================
``repeat``, ``fold``  which fold of which repeat
``row``               the row of the training table
``outcome``           0 or 1
``probability``       of a positive outcome, by a model that never saw the row
====================  ==========================================================

Every figure about a model is a view of that table, so two models are compared row by row.
`pipeline.evaluation.threshold` adds the decision threshold of each fold.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from pipeline.base.arithmetic import reproducible
from pipeline.base.policies import EvaluationPlan
from pipeline.table.contract import FEATURES, TARGET

Vector = npt.NDArray[np.float64]
# Takes the predictions of one fold after the other, and their number; gives them on as they come.
Watch = Callable[[Iterable[pd.DataFrame], int], Iterable[pd.DataFrame]]

Name = TypeVar("Name", bound=Hashable)


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
    models: Mapping[Name, Pipeline],
    table: pd.DataFrame,
    plan: EvaluationPlan,
    workers: int,
    watch: Watch = _unwatched,
) -> dict[Name, pd.DataFrame]:
    """Return the out-of-fold predictions of each model on ``table``, with the contract's columns.

    The models are cloned for each fold and stay as they are. ``workers`` processes fit at once (-1:
    one per core), whichever model is next; the predictions do not depend on their number.
    ``watch`` sees the folds of all models go by.
    """
    folds = fold_plan(table, plan)
    parallel = Parallel(n_jobs=workers, return_as="generator")
    jobs = (delayed(_predict_fold)(m, table, fold) for m in models.values() for fold in folds)
    predictions = list(watch(parallel(jobs), len(models) * len(folds)))
    parts = (predictions[i : i + len(folds)] for i in range(0, len(predictions), len(folds)))
    return {
        name: pd.concat(each, ignore_index=True) for name, each in zip(models, parts, strict=True)
    }


def _predict_fold(model: Pipeline, table: pd.DataFrame, fold: Fold) -> pd.DataFrame:
    seen, unseen = table.iloc[fold.train], table.iloc[fold.test]
    return pd.DataFrame(
        {
            "repeat": fold.repeat,
            "fold": fold.fold,
            "row": fold.test,
            "outcome": unseen[TARGET].to_numpy(),
            "probability": probability(fit(model, seen), unseen),
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
