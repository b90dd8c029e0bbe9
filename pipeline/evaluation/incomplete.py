"""How a model answers for patients who come without some of the fields."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from pipeline.base.policies import EvaluationPlan, Fields
from pipeline.base.records import Estimate, Record
from pipeline.evaluation.cross_validation import column, over_folds
from pipeline.table.contract import FEATURES

# By the fields that are missing, predictions for the same rows by a model that never had them.
Yardsticks = Mapping[Fields, pd.DataFrame]


class Incomplete(Record):
    """The figures of a model for all patients, asked without ``fields``.

    ``bias`` is the mean probability less the share of positives; ``difference`` is the AUC less
    that of the yardstick, a logistic regression that was fitted without these fields.
    """

    fields: Fields
    bias: Estimate
    sensitivity: Estimate
    roc_auc: Estimate
    difference: Estimate

    @property
    def title(self) -> str:
        """Say which fields there are, or which are missing: whichever are fewer."""
        there = [name for name in FEATURES if name not in self.fields]
        fewer = len(there) < len(self.fields)
        return f"only {', '.join(there)}" if fewer else column(self.fields)


def by_pattern(
    predictions: pd.DataFrame, yardsticks: Yardsticks, plan: EvaluationPlan
) -> tuple[Incomplete, ...]:
    """Return the figures for each pattern of missing fields, over the folds."""
    return tuple(_figures(predictions, fields, own, plan) for fields, own in yardsticks.items())


def _figures(
    predictions: pd.DataFrame, fields: Fields, own: pd.DataFrame, plan: EvaluationPlan
) -> Incomplete:
    asked = predictions.assign(probability=predictions[column(fields)])
    folds = [_of_fold(fold) for _, fold in asked.groupby(["repeat", "fold"], sort=True)]
    yardstick = [_roc_auc(fold) for _, fold in own.groupby(["repeat", "fold"], sort=True)]
    bias, sensitivity, roc_auc = np.array(folds).T
    return Incomplete(
        fields=fields,
        bias=over_folds(bias, plan),
        sensitivity=over_folds(sensitivity, plan),
        roc_auc=over_folds(roc_auc, plan),
        # The folds of fewer repeats are the first of more.
        difference=over_folds(roc_auc[: len(yardstick)] - np.array(yardstick), plan),
    )


def _of_fold(fold: pd.DataFrame) -> tuple[float, float, float]:
    positives = fold[fold["outcome"] == 1]
    return (
        # Not the mean of pandas, which leaves out what is not a number.
        float(np.mean(fold["probability"].to_numpy()) - fold["outcome"].mean()),
        float((positives["probability"] >= positives["threshold"]).mean()),
        _roc_auc(fold),
    )


def _roc_auc(fold: pd.DataFrame) -> float:
    if not np.isfinite(fold["probability"]).all():
        return np.nan
    return float(roc_auc_score(fold["outcome"], fold["probability"]))
