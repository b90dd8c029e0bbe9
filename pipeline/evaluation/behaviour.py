"""The behaviour of a model, beside its figures: invariance, direction, and leaks.

A leak is the same patient twice, or a field that tells the outcome.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from pipeline.base.records import Record
from pipeline.dataset.contract import Kind
from pipeline.evaluation.cross_validation import Answer, Vector
from pipeline.table import expectations
from pipeline.table.contract import BY_NAME, FEATURES, TARGET
from pipeline.table.expectations import Change

BATCH_ROWS: Final = 64


class Direction(Record):
    """A change that should not lower the risk, and the share of patients for whom it does not."""

    change: str
    patients: int
    holds: float


class Behaviour(Record):
    """``differences``: the greatest change of a probability by something that must not matter."""

    differences: dict[str, float]
    directions: tuple[Direction, ...]


class Leaks(Record):
    """Signs that a good figure rests on a leak.

    ``repeated_rows`` counts rows whose fields stand in another row too; ``feature`` is the one
    field that tells the outcome best, and ``feature_roc_auc`` how well it does.
    """

    repeated_rows: int
    feature: str
    feature_roc_auc: float


class Conversion(Record):
    """How far a model's ONNX form lies from the fitted pipeline on ``rows`` patients.

    ``difference`` is the greatest one, in probability: 1 if an answer is not a number.
    """

    rows: int
    difference: float


def observe(answer: Answer, table: pd.DataFrame) -> Behaviour:
    """Return how the model that gives ``answer`` behaves on the patients of ``table``."""
    patients = table[list(FEATURES)]
    usual = answer(patients)
    return Behaviour(
        differences={name: gap(other, usual) for name, other in _harmless(answer, patients)},
        directions=tuple(_direction(answer, change) for change in expectations.changes(patients)),
    )


def gap(first: Vector, second: Vector) -> float:
    """Return the greatest difference of probabilities; 1, the greatest, if one is no number."""
    return float(np.nan_to_num(np.abs(first - second), nan=1.0).max())


def _harmless(answer: Answer, patients: pd.DataFrame) -> Iterator[tuple[str, Vector]]:
    """Yield answers to the same patients, asked in ways that must not matter."""
    yield "repeated call", answer(patients)
    yield "row order", answer(patients[::-1])[::-1]
    yield "column order", answer(patients[list(FEATURES)[::-1]])
    starts = range(0, len(patients), BATCH_ROWS)
    batches = [answer(patients.iloc[start : start + BATCH_ROWS]) for start in starts]
    yield "batch size", np.concatenate(batches)


def _direction(answer: Answer, change: Change) -> Direction:
    holds = float(np.mean(answer(change.after) >= answer(change.before)))
    return Direction(change=change.title, patients=len(change.before), holds=holds)


def leaks(table: pd.DataFrame) -> Leaks:
    """Return the signs of a leak in a training table."""
    aucs = {name: _telling(table[name], table) for name in FEATURES}
    feature = max(aucs, key=lambda name: aucs[name])
    return Leaks(
        repeated_rows=int(table.duplicated(list(FEATURES), keep=False).sum()),
        feature=feature,
        feature_roc_auc=aucs[feature],
    )


def _telling(values: "pd.Series[float]", table: pd.DataFrame) -> float:
    """Return the AUC of one field alone, in whichever direction or order of codes is best."""
    outcome, known = table[TARGET], values.notna()
    if BY_NAME[str(values.name)].kind is Kind.NOMINAL:
        values = values.map(outcome.groupby(values).mean())
    auc = float(roc_auc_score(outcome[known], values[known]))
    return max(auc, 1 - auc)
