"""Signs in the tables that a good figure rests on a leak.

The same patient twice, or nearly; a field that tells the outcome, or whose absence does; an
external cohort that was trained on.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field
from sklearn.metrics import roc_auc_score

from pipeline.base.records import Record
from pipeline.dataset.contract import Kind
from pipeline.table.contract import BY_NAME, COHORT, FEATURES, TARGET

# A measured value is compared in steps of this share of the range that the contract allows.
STEP: Final = 0.02
BINS: Final = 10


class Leaks(Record):
    """Signs that a good figure rests on a leak.

    ``repeated_rows`` counts rows whose fields stand in another row too; ``near_copies`` is the
    share of rows that are nearly another one. ``feature`` is the one field that tells the outcome
    best, and ``missing_feature`` the one whose absence does, each with its AUC. ``trained_on`` is
    the share of each external cohort that is nearly a row of the training table. Files of older
    champions know the first three alone.
    """

    repeated_rows: int
    feature: str
    feature_roc_auc: float
    near_copies: float = 0
    missing_feature: str | None = None
    missing_roc_auc: float = 0.5
    trained_on: dict[str, float] = Field(default_factory=dict)


def leaks(training: pd.DataFrame, external: pd.DataFrame) -> Leaks:
    """Return the signs of a leak in the tables of a training."""
    feature, auc = _most_telling({name: _telling(training[name], training) for name in FEATURES})
    known = training[TARGET]
    gone, gone_auc = _most_telling(
        {name: _either_way(known, training[name].isna().astype(float)) for name in FEATURES}
    )
    rows = list(_nearly(training))
    near = [np.isin(there, here) for there, here in zip(_nearly(external), rows, strict=True)]
    seen = pd.Series(np.any(near, axis=0), index=external.index)
    return Leaks(
        repeated_rows=int(training.duplicated(list(FEATURES), keep=False).sum()),
        near_copies=float(np.any([_repeated(each) for each in rows], axis=0).mean()),
        feature=feature,
        feature_roc_auc=auc,
        missing_feature=gone,
        missing_roc_auc=gone_auc,
        trained_on={
            str(name): float(share)
            for name, share in seen.groupby(external[COHORT], sort=False).mean().items()
        },
    )


def _most_telling(aucs: dict[str, float]) -> tuple[str, float]:
    return max(aucs.items(), key=lambda found: found[1])


def _telling(values: "pd.Series[float]", table: pd.DataFrame) -> float:
    """Return the AUC of one field alone, in whichever order of its codes or tenths is best."""
    outcome, known = table[TARGET], values.notna()
    parts = values
    if BY_NAME[str(values.name)].kind is not Kind.NOMINAL:
        parts = (BINS * values.rank(pct=True)).apply(np.ceil)
    shares = parts.map(outcome.groupby(parts).mean())
    return max(_either_way(outcome[known], each[known]) for each in (values, shares))


def _either_way(outcome: "pd.Series[int]", values: "pd.Series[float]") -> float:
    auc = float(roc_auc_score(outcome, values))
    return max(auc, 1 - auc)


def _nearly(table: pd.DataFrame) -> Iterator[npt.NDArray[Any]]:
    """Yield a number for each row, once without each field: two rows share one if they are near.

    Their codes and the steps of their measured values are the same in all fields but one.
    """
    steps = table[list(FEATURES)].apply(_steps)
    for name in FEATURES:
        yield pd.util.hash_pandas_object(steps.drop(columns=name), index=False).to_numpy()


def _steps(values: "pd.Series[float]") -> "pd.Series[float]":
    field = BY_NAME[str(values.name)]
    if field.codes:
        return values
    # Zero has one sign.
    return (values / (STEP * (field.high - field.low))).round() + 0.0


def _repeated(rows: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    return pd.Series(rows).duplicated(keep=False).to_numpy()
