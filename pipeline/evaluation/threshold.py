"""Decision thresholds by rule: from which probability on a patient is predicted positive."""

import numpy as np
import pandas as pd

from pipeline.base.policies import ThresholdRule


def choose(predictions: pd.DataFrame, rule: ThresholdRule) -> float:
    """Return the threshold that a rule gives to out-of-fold predictions.

    Only ``sensitivity`` looks at them. Its threshold is rounded down to three decimals, so that a
    person can say it and no positive is lost by that.
    """
    if rule.rule == "fixed":
        return rule.value
    if rule.rule == "cost":
        # At this probability, if it is calibrated, both errors are as expensive (Elkan 2001).
        return 1 / (1 + rule.value)
    positives = predictions.loc[predictions["outcome"] == 1, "probability"]
    lowest = np.quantile(positives, 1 - rule.value, method="lower")
    return float(np.floor(lowest * 1000) / 1000)


def decide(predictions: pd.DataFrame, rule: ThresholdRule) -> pd.DataFrame:
    """Return the predictions with the ``threshold`` of each fold, as a further column.

    It is chosen by the other folds of the repeat: what it does for a row is not learned from it.
    """
    fold = predictions[["repeat", "fold"]].apply(tuple, axis="columns")
    chosen = {
        (repeat, own): choose(others[others["fold"] != own], rule)
        for repeat, others in predictions.groupby("repeat")
        for own in others["fold"].unique()
    }
    return predictions.assign(threshold=fold.map(chosen).astype(float))
