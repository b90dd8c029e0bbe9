"""Figures of an exam's answers: how well the families rank, promise and decide.

Every function takes the answers of each family, as `pipeline.core.exam` describes them.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve, roc_curve

from pipeline.core.drawing import FAINT, GREY, INK, SERIES, bare, headline, styled
from pipeline.core.evaluation import fold_metrics
from pipeline.core.exam import Vector
from pipeline.core.policies import Family, Metric

Answers = Mapping[Family, pd.DataFrame]

FAMILY_TITLES: Final[Mapping[Family, str]] = {
    "random_forest": "Random forest",
    "logistic_regression": "Logistic regression",
    "gradient_boosting": "Gradient boosting",
    "svm": "SVM",
}


def model_figures(answers: Answers, bins: int) -> dict[str, Figure]:
    """Return every figure by the name of its file; ``bins`` groups promised probabilities."""
    return {
        "roc.png": roc(answers),
        "precision_recall.png": precision_recall(answers),
        "calibration.png": calibration(answers, bins),
        "confusion.png": confusion(answers),
    }


@styled
def roc(answers: Answers) -> Figure:
    """Draw the ROC curve of each family over all its answers."""
    figure, axes = _square()
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", label="no better than chance")
    for family, given in answers.items():
        false_positive, true_positive, _ = roc_curve(given["outcome"], given["probability"])
        axes.plot(false_positive, true_positive, label=_labelled(family, given, "roc_auc"))
    axes.set(xlabel="1 - specificity", ylabel="Sensitivity")
    axes.legend(loc="lower right")
    headline(figure, "How well the families rank patients", _detail(answers))
    return figure


@styled
def precision_recall(answers: Answers) -> Figure:
    """Draw the precision-recall curve of each family over all its answers."""
    figure, axes = _square()
    for family, given in answers.items():
        precision, recall, _ = precision_recall_curve(given["outcome"], given["probability"])
        axes.plot(recall, precision, label=_labelled(family, given, "pr_auc"))
    rate = float(next(iter(answers.values()))["outcome"].mean())
    axes.axhline(rate, color=GREY, linestyle=":", label=f"everybody called ill ({rate:.0%})")
    axes.set(xlabel="Sensitivity (recall)", ylabel="Positive predictive value (precision)")
    axes.legend(loc="lower left")
    headline(figure, "How many of those called ill are ill", _detail(answers))
    return figure


@styled
def calibration(answers: Answers, bins: int) -> Figure:
    """Draw observed against promised rates, a panel for each family."""
    figure = Figure(figsize=(3.1 * len(answers), 3.9))
    panels = figure.subplots(1, len(answers), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (family, given), colour in zip(panels, answers.items(), SERIES, strict=False):
        axes.plot([0, 1], [0, 1], color=GREY, linestyle=":")
        promised, observed = _reliability(given, bins)
        axes.plot(promised, observed, marker="o", markersize=4, color=colour)
        axes.set(title=FAMILY_TITLES[family], xlabel="Promised probability")
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    panels[0].set_ylabel("Observed rate of disease")
    detail = f"{_detail(answers)}; {bins} groups of equal size; dotted: promised = observed"
    headline(figure, "Whether promised probabilities come true", detail)
    return figure


@styled
def confusion(answers: Answers) -> Figure:
    """Draw how many patients land in each cell of the confusion matrix, a panel for each family."""
    figure = Figure(figsize=(3.1 * len(answers), 3.7))
    panels = figure.subplots(1, len(answers), sharey=True, squeeze=False)[0]
    for axes, (family, given) in zip(panels, answers.items(), strict=True):
        _matrix(axes, given)
        axes.set(title=FAMILY_TITLES[family], xlabel="The model says")
    panels[0].set_ylabel("The angiogram says")
    detail = "Patients per repeat, at the threshold chosen inside each fold"
    headline(figure, "Who is called ill, and who is", detail)
    return figure


def _matrix(axes: Axes, given: pd.DataFrame) -> None:
    called = given["probability"] >= given["threshold"]
    counts = pd.crosstab(given["outcome"], called) / given["repeat"].nunique()
    shown = counts.reindex(index=[0, 1], columns=[False, True], fill_value=0).to_numpy()
    axes.imshow(shown, cmap="cividis", vmin=0)
    for (row, column), count in np.ndenumerate(shown):
        colour = "white" if count < shown.max() / 2 else INK
        axes.text(column, row, f"{count:.0f}", ha="center", va="center", color=colour, fontsize=12)
    axes.set_xticks([0, 1], ["healthy", "ill"])
    axes.set_yticks([0, 1], ["healthy", "ill"])
    bare(axes)


def _reliability(given: pd.DataFrame, bins: int) -> tuple[Vector, Vector]:
    groups = pd.qcut(given["probability"], bins, duplicates="drop")
    means = given.groupby(groups, observed=True)[["probability", "outcome"]].mean()
    return means["probability"].to_numpy(), means["outcome"].to_numpy()


def _square() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.4, 6.4))
    axes = figure.subplots()
    axes.set(xlim=(0, 1), ylim=(0, 1.01), aspect="equal")
    axes.grid(visible=True, color=FAINT)
    return figure, axes


def _labelled(family: Family, given: pd.DataFrame, metric: Metric) -> str:
    return f"{FAMILY_TITLES[family]}: {fold_metrics(given)[metric].mean():.3f}"


def _detail(answers: Answers) -> str:
    given = next(iter(answers.values()))
    patients, repeats = given["row"].nunique(), given["repeat"].nunique()
    folds = given["fold"].nunique()
    return f"{patients} patients of Cleveland, {repeats} times {folds}-fold cross-validation"
