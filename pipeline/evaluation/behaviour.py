"""The behaviour of a model, beside its figures: invariance and direction."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import pandas as pd

from pipeline.base.records import Record
from pipeline.evaluation.cross_validation import Answer, Vector
from pipeline.table import expectations
from pipeline.table.contract import FEATURES
from pipeline.table.expectations import Change

BATCH_ROWS: Final = 64
# Answers to them are asked for one by one, too.
ALONE_ROWS: Final = 64


class Direction(Record):
    """A change that should not lower the risk, and the share of patients for whom it does not."""

    change: str
    patients: int
    holds: float


class Behaviour(Record):
    """``differences``: the greatest change of a probability by something that must not matter."""

    differences: dict[str, float]
    directions: tuple[Direction, ...]


class Conversion(Record):
    """How far a model's ONNX form lies from the fitted pipeline on ``rows`` patients.

    ``difference`` is the greatest one, in probability: 1 if an answer is not a number. The file has
    ``size`` bytes, and the answer for one patient takes at most ``milliseconds``: 1, 10, 100 and so
    on, as the same model takes a little longer each time. Both are 0 in files of older champions.
    """

    rows: int
    difference: float
    size: int = 0
    milliseconds: int = 0


def observe(answer: Answer, table: pd.DataFrame) -> Behaviour:
    """Return how the model that gives ``answer`` behaves on the patients of ``table``."""
    patients = table[list(FEATURES)]
    usual = answer(patients)
    harmless = _harmless(answer, patients, usual)
    return Behaviour(
        differences={name: gap(other, usual) for name, other in harmless},
        directions=tuple(_direction(answer, change) for change in expectations.changes(patients)),
    )


def gap(first: Vector, second: Vector) -> float:
    """Return the greatest difference of probabilities; 1, the greatest, if one is no number."""
    return float(np.nan_to_num(np.abs(first - second), nan=1.0).max())


def _harmless(
    answer: Answer, patients: pd.DataFrame, usual: Vector
) -> Iterator[tuple[str, Vector]]:
    """Yield answers to the same patients, asked in ways that must not matter."""
    yield "repeated call", answer(patients)
    yield "row order", answer(patients[::-1])[::-1]
    yield "column order", answer(patients[list(FEATURES)[::-1]])
    starts = range(0, len(patients), BATCH_ROWS)
    batches = [answer(patients.iloc[start : start + BATCH_ROWS]) for start in starts]
    yield "batch size", np.concatenate(batches)
    alone = [answer(patients.iloc[[row]]) for row in range(min(ALONE_ROWS, len(patients)))]
    yield "alone", np.concatenate([*alone, usual[ALONE_ROWS:]])


def _direction(answer: Answer, change: Change) -> Direction:
    holds = float(np.mean(answer(change.after) >= answer(change.before)))
    return Direction(change=change.title, patients=len(change.before), holds=holds)
