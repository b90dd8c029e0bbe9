"""Repeated stratified cross-validation, with all learning inside the folds.

It gives one table, the out-of-fold predictions, with a row for each of them:

====================  ==========================================================
``repeat``, ``fold``  which fold of which repeat
``row``               the row of the training table
``outcome``           0 or 1
``probability``       of a positive outcome, by a model that never saw the row
``without a, b``      the same, asked without the fields a and b
====================  ==========================================================

Every figure about a model is a view of that table, so two models are compared row by row.
`pipeline.evaluation.threshold` adds the decision threshold of each fold.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import Parallel, delayed
from scipy import stats
from sklearn.base import clone
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from pipeline.base.arithmetic import reproducible
from pipeline.base.policies import EvaluationPlan, Fields
from pipeline.base.records import Estimate
from pipeline.table.contract import FEATURES, TARGET

Vector = npt.NDArray[np.float64]
# Gives the probability of a positive outcome for each row, shape (rows,).
Answer = Callable[[pd.DataFrame], Vector]
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


def cross_validate(  # noqa: PLR0913 (the last two have defaults)
    models: Mapping[Name, Pipeline],
    table: pd.DataFrame,
    plan: EvaluationPlan,
    workers: int,
    watch: Watch = _unwatched,
    *,
    patterns: Sequence[Fields] = (),
) -> dict[Name, pd.DataFrame]:
    """Return the out-of-fold predictions of each model on ``table``, with the contract's columns.

    The models are cloned for each fold and stay as they are. ``workers`` processes fit at once (-1:
    one per core), whichever model is next; the predictions do not depend on their number.
    ``watch`` sees the folds of all models go by. Each model is also asked without the fields of
    each pattern.
    """
    folds = fold_plan(table, plan)
    parallel = Parallel(n_jobs=workers, return_as="generator")
    jobs = (
        delayed(_predict_fold)(m, table, fold, patterns) for m in models.values() for fold in folds
    )
    predictions = list(watch(parallel(jobs), len(models) * len(folds)))
    parts = (predictions[i : i + len(folds)] for i in range(0, len(predictions), len(folds)))
    return {
        name: pd.concat(each, ignore_index=True) for name, each in zip(models, parts, strict=True)
    }


def without(table: pd.DataFrame, fields: Fields) -> pd.DataFrame:
    """Return a table whose rows miss all ``fields``."""
    return table.assign(**dict.fromkeys(fields, np.nan))


def column(fields: Fields) -> str:
    """Return the name of the predictions for rows that miss ``fields``."""
    return f"without {', '.join(fields)}"


def _predict_fold(
    model: Pipeline, table: pd.DataFrame, fold: Fold, patterns: Sequence[Fields]
) -> pd.DataFrame:
    seen, unseen = table.iloc[fold.train], table.iloc[fold.test]
    asked = pd.concat([unseen, *(without(unseen, fields) for fields in patterns)])
    whole, *incomplete = np.split(probability(fit(model, seen), asked), 1 + len(patterns))
    return pd.DataFrame(
        {
            "repeat": fold.repeat,
            "fold": fold.fold,
            "row": fold.test,
            "outcome": unseen[TARGET].to_numpy(),
            "probability": whole,
            **dict(zip(map(column, patterns), incomplete, strict=True)),
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


def corrected_standard_error(values: Vector, folds: int) -> float:
    """Return the standard error of a mean over repeated cross-validation.

    Training sets overlap, so the plain error is too small; the variance is multiplied by
    1/n + test/train instead of 1/n (Nadeau and Bengio, Machine Learning 52, 2003).
    """
    share = 1 / len(values) + 1 / (folds - 1)
    return float(np.sqrt(share * np.var(values, ddof=1)))


def over_folds(values: Vector, plan: EvaluationPlan) -> Estimate:
    """Return the mean of a figure of each fold, with the corrected resampled t interval."""
    mean, error = float(values.mean()), corrected_standard_error(values, plan.folds)
    reach = float(stats.t.ppf((1 + plan.confidence) / 2, len(values) - 1)) * error
    return Estimate(mean=mean, standard_error=error, low=mean - reach, high=mean + reach)
