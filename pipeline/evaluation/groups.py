"""Figures of a model among some patients: those of a slice, or of an external cohort."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.base.policies import EvaluationPlan
from pipeline.base.records import Estimate, Record
from pipeline.evaluation.bootstrap import (
    ANYWHERE,
    Outcomes,
    bootstrap,
    bootstrap_difference,
    by_row,
    calibration_error,
    weighted_brier,
    weighted_roc_auc,
)
from pipeline.evaluation.clinical import calibration_in_the_large, sensitivity
from pipeline.evaluation.cross_validation import Vector
from pipeline.table.contract import COHORT, TARGET

# The rows of each slice, shape (rows,), by the slice's name.
Slices = Mapping[str, npt.NDArray[np.bool_]]


class Group(Record):
    """The figures of a model among the patients of one cohort or of one slice.

    Without a ``sensitivity`` where nothing is decided, and in files of older champions; these know
    no ``calibration`` in the large either.
    """

    name: str
    rows: int
    positives: int
    roc_auc: Estimate
    brier: Estimate
    calibration_error: Estimate
    calibration: Estimate | None = None
    sensitivity: Estimate | None = None


class GroupDifference(Record):
    """Challenger minus champion among some patients; ``sensitivity`` where both decide."""

    name: str
    rows: int
    positives: int
    roc_auc: Estimate
    brier: Estimate
    sensitivity: Estimate | None = None


def by_cohort(probability: Vector, table: pd.DataFrame, plan: EvaluationPlan) -> tuple[Group, ...]:
    """Return how a fitted model's predictions do in each cohort of ``table``.

    ``table`` has the columns of the cohort and of the target; ``probability`` one value for each
    of its rows.
    """
    predictions = table[[COHORT, TARGET]].assign(probability=probability)
    return tuple(
        _group(str(name), group[TARGET].to_numpy(), [group["probability"].to_numpy()], plan)
        for name, group in predictions.groupby(COHORT, sort=False)
    )


def by_slice(predictions: pd.DataFrame, slices: Slices, plan: EvaluationPlan) -> tuple[Group, ...]:
    """Return how predictions do for each slice of the rows.

    A slice whose patients all have the same outcome cannot be judged and is left out.
    """
    outcome, probabilities, decisions = _told(predictions)
    return tuple(
        _group(name, outcome[members], _of(probabilities, members), plan).model_copy(
            update={
                "sensitivity": bootstrap(
                    sensitivity, outcome[members], _of(decisions, members), plan
                )
            }
        )
        for name, members in slices.items()
        if len(set(outcome[members])) > 1
    )


def cohort_differences(
    challenger: Vector, champion: Vector, table: pd.DataFrame, plan: EvaluationPlan
) -> tuple[GroupDifference, ...]:
    """Return how two fitted models' predictions for ``table`` differ in each cohort."""
    cohorts = table[COHORT].to_numpy()
    outcome = table[TARGET].to_numpy()
    return tuple(
        _difference(name, outcome[members], [challenger[members]], [champion[members]], plan)
        for name in dict.fromkeys(cohorts)
        for members in [cohorts == name]
    )


def slice_differences(
    challenger: pd.DataFrame, champion: pd.DataFrame, slices: Slices, plan: EvaluationPlan
) -> tuple[GroupDifference, ...]:
    """Return how two models' predictions differ for each slice of the rows."""
    outcome, mine, my_decisions = _told(challenger)
    _, theirs, their_decisions = _told(champion)
    return tuple(
        _difference(
            name, outcome[members], _of(mine, members), _of(theirs, members), plan
        ).model_copy(
            update={
                "sensitivity": bootstrap_difference(
                    sensitivity,
                    outcome[members],
                    _of(my_decisions, members),
                    _of(their_decisions, members),
                    plan,
                )
            }
        )
        for name, members in slices.items()
        if len(set(outcome[members])) > 1
    )


def _told(predictions: pd.DataFrame) -> tuple[Outcomes, list[Vector], list[Vector]]:
    """Return the outcome of each row, and each repeat's probabilities and decisions, 0 or 1."""
    outcome, probabilities = by_row(predictions, predictions["probability"])
    decided = (predictions["probability"] >= predictions["threshold"]).astype(float)
    return outcome, probabilities, by_row(predictions, decided)[1]


def _of(repeats: Sequence[Vector], members: npt.NDArray[np.bool_]) -> list[Vector]:
    return [repeat[members] for repeat in repeats]


def _group(name: str, outcome: Outcomes, repeats: Sequence[Vector], plan: EvaluationPlan) -> Group:
    error = calibration_error(plan.calibration_bins)
    return Group(
        name=name,
        rows=len(outcome),
        positives=int(outcome.sum()),
        roc_auc=bootstrap(weighted_roc_auc, outcome, repeats, plan),
        brier=bootstrap(weighted_brier, outcome, repeats, plan),
        calibration_error=bootstrap(error, outcome, repeats, plan),
        calibration=bootstrap(calibration_in_the_large, outcome, repeats, plan, ANYWHERE),
    )


def _difference(
    name: str,
    outcome: Outcomes,
    challenger: Sequence[Vector],
    champion: Sequence[Vector],
    plan: EvaluationPlan,
) -> GroupDifference:
    return GroupDifference(
        name=name,
        rows=len(outcome),
        positives=int(outcome.sum()),
        roc_auc=bootstrap_difference(weighted_roc_auc, outcome, challenger, champion, plan),
        brier=bootstrap_difference(weighted_brier, outcome, challenger, champion, plan),
    )
