"""Figures of out-of-fold predictions: how well models rank, predict and decide.

Every function that draws takes the predictions of each model by its title, as
`pipeline.evaluation.cross_validation` describes them; some take a summary of each model's besides,
as `pipeline.evaluation.metrics` makes it.
"""

from collections.abc import Mapping
from itertools import cycle
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve, roc_curve

from pipeline.base.names import METRIC_TITLES, Family, Metric
from pipeline.base.records import Estimate
from pipeline.report.drawing import GREY, INK, SERIES, bare, headline, styled
from pipeline.table import wording
from pipeline.table.contract import TRAINING
from pipeline.training.families import FAMILY_TITLES

Summary = Mapping[Metric, Estimate]
Predictions = Mapping[str, pd.DataFrame]
Summaries = Mapping[str, Summary]

# Beside the colours, for those who see none and for curves that hide each other.
DASHES: Final = ("-", (0, (5, 2)), (0, (5, 1, 1, 1)), (0, (1.5, 1)))
# From this share on, white is read better than ink on the blue of a cell.
DARK: Final = 0.55


def model_figures(
    predictions: Mapping[Family, pd.DataFrame], summaries: Mapping[Family, Summary], bins: int
) -> dict[str, Figure]:
    """Return every figure of the families by the name of its file.

    ``bins`` groups predicted probabilities.
    """
    titled = {FAMILY_TITLES[family]: given for family, given in predictions.items()}
    summarised = {FAMILY_TITLES[family]: summary for family, summary in summaries.items()}
    return {
        "roc.png": roc(titled, summarised),
        "precision_recall.png": precision_recall(titled, summarised),
        "calibration.png": calibration(titled, bins),
        "confusion.png": confusion(titled),
    }


@styled
def roc(predictions: Predictions, summaries: Summaries) -> Figure:
    """Draw the ROC curve of each model over all its predictions."""
    figure, axes = square()
    for (title, given), dashes in zip(predictions.items(), cycle(DASHES), strict=False):
        false_positive, true_positive, _ = roc_curve(given["outcome"], given["probability"])
        label = _labelled(title, summaries, "roc_auc")
        axes.plot(false_positive, true_positive, linestyle=dashes, label=label)
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", label="No better than chance")
    axes.set_xlabel(
        f"False positive rate: share of the {wording.NEGATIVE} (1 \N{MINUS SIGN} specificity)"
    )
    axes.set_ylabel(f"True positive rate: share of the {wording.POSITIVE} (sensitivity)")
    _explain(axes, "roc_auc")
    headline(figure, "ROC curve", described(predictions))
    return figure


@styled
def precision_recall(predictions: Predictions, summaries: Summaries) -> Figure:
    """Draw the precision-recall curve of each model over all its predictions."""
    figure, axes = square()
    for (title, given), dashes in zip(predictions.items(), cycle(DASHES), strict=False):
        precision, recall, _ = precision_recall_curve(given["outcome"], given["probability"])
        label = _labelled(title, summaries, "pr_auc")
        axes.plot(recall, precision, linestyle=dashes, label=label)
    rate = float(next(iter(predictions.values()))["outcome"].mean())
    label = f"Everybody predicted positive: {100 * rate:.0f} %"
    axes.axhline(rate, color=GREY, linestyle=":", label=label)
    axes.set_xlabel(f"Recall: share of the {wording.POSITIVE} predicted positive (sensitivity)")
    axes.set_ylabel(f"Precision: share of the predicted positive who are {wording.POSITIVE}")
    _explain(axes, "pr_auc")
    headline(figure, "Precision-recall curve", described(predictions))
    return figure


@styled
def calibration(predictions: Predictions, bins: int) -> Figure:
    """Draw the calibration curve, observed against predicted rates: a panel for each model."""
    figure = Figure(figsize=(3.1 * len(predictions), 4.1))
    panels = figure.subplots(1, len(predictions), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (title, given), colour in zip(
        panels, predictions.items(), cycle(SERIES), strict=False
    ):
        axes.plot([0, 1], [0, 1], color=GREY, linestyle=":")
        groups = reliability(given, bins)
        axes.plot(
            groups["predicted"],
            groups["observed"],
            marker="o",
            markersize=4,
            color=colour,
            clip_on=False,
        )
        axes.set(title=title, xlabel="Predicted probability")
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
        axes.grid(visible=True)
    panels[0].set_ylabel(f"Observed rate of {wording.OUTCOME}")
    detail = f"{described(predictions)}; {bins} groups of equal size. Dotted: perfect calibration."
    headline(figure, "Calibration curve", detail)
    return figure


@styled
def confusion(predictions: Predictions) -> Figure:
    """Draw how many patients land in each cell of the confusion matrix, a panel for each model."""
    figure = Figure(figsize=(3.1 * len(predictions), 4.15))
    panels = figure.subplots(1, len(predictions), sharey=True, squeeze=False)[0]
    for axes, (title, given) in zip(panels, predictions.items(), strict=True):
        _matrix(axes, given)
        axes.set(title=title, xlabel="Predicted")
    panels[0].set_ylabel(wording.REFERENCE)
    detail = f"{described(predictions)}: mean number per repeat, and share of the row."
    headline(figure, "Confusion matrix", detail)
    return figure


def _matrix(axes: Axes, given: pd.DataFrame) -> None:
    called = given["probability"] >= given["threshold"]
    table = pd.crosstab(given["outcome"], called) / given["repeat"].nunique()
    counts = table.reindex(index=[0, 1], columns=[False, True], fill_value=0).to_numpy()
    shares = counts / counts.sum(axis=1, keepdims=True)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(shares):
        text = f"{counts[row, column]:.0f}\n{100 * share:.0f} %"
        colour = "white" if share > DARK else INK
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=11)
    axes.set_xticks([0, 1], [wording.NEGATIVE, wording.POSITIVE])
    axes.set_yticks([0, 1], [wording.NEGATIVE, wording.POSITIVE])
    bare(axes)


def reliability(given: pd.DataFrame, bins: int) -> pd.DataFrame:
    """Return the predicted and the observed rate of each group of equal size, lowest first.

    ``patients`` is how many there are in a group, on average over the repeats.
    """
    edges = np.unique(np.quantile(given["probability"], np.linspace(0, 1, bins + 1)))[1:-1]
    groups = given.groupby(np.searchsorted(edges, given["probability"], side="right"))
    return pd.DataFrame(
        {
            "predicted": groups["probability"].mean(),
            "observed": groups["outcome"].mean(),
            "patients": groups.size() / given["repeat"].nunique(),
        }
    )


def square() -> tuple[Figure, Axes]:
    """Return a figure whose axes are shares from 0 to 1, with room for a legend beside them."""
    figure = Figure(figsize=(9.0, 6.2))
    axes = figure.subplots()
    axes.set(xlim=(0, 1), ylim=(0, 1.01), aspect="equal", anchor="W")
    axes.grid(visible=True)
    return figure, axes


def _explain(axes: Axes, metric: Metric) -> None:
    title = f"Mean {METRIC_TITLES[metric]} of the folds"
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), title=title, alignment="left")


def _labelled(title: str, summaries: Summaries, metric: Metric) -> str:
    return f"{title}: {summaries[title][metric].mean:.3f}"


def described(predictions: Predictions) -> str:
    """Return whom the predictions are about, and by which cross-validation they were made."""
    given = next(iter(predictions.values()))
    patients, repeats = given["row"].nunique(), given["repeat"].nunique()
    folds = given["fold"].nunique()
    return f"{TRAINING.title}, {patients} patients, {repeats} times {folds}-fold cross-validation"
