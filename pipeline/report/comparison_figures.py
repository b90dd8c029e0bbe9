"""Figures of a challenger beside the champion: which ranks, predicts and decides better, for whom.

In every figure the first colour, mark and line are the challenger's, the second the champion's.
Without a champion the challenger stands alone.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from pipeline.base.records import Estimate
from pipeline.dataset.profile import wilson_interval
from pipeline.evaluation.clinical import decision_curve
from pipeline.evaluation.cross_validation import Vector
from pipeline.report.drawing import GREY, INK, SERIES, headline, styled
from pipeline.report.group_rows import GroupRow, cohort_rows, slice_rows
from pipeline.report.model_figures import (
    DASHES,
    Predictions,
    described,
    precision_recall,
    reliability,
    roc,
    square,
)
from pipeline.report.model_report import ModelReport
from pipeline.table import wording
from pipeline.table.contract import TRAINING

MARKS: Final = ((SERIES[0], "o"), (SERIES[1], "D"))
# Rows up or down from the middle of a row, so that two intervals do not hide each other.
OFFSETS: Final = (-0.15, 0.15)
THRESHOLDS: Final = tuple(round(float(each), 2) for each in np.arange(0.02, 0.91, 0.01))
SCORE_EDGES: Final = np.linspace(0, 1, 21)
# Predicting everybody positive costs so much at a high threshold that all else would look flat.
LOWEST_BENEFIT: Final = -0.05
UNKNOWN: Final = Estimate(mean=np.nan, standard_error=np.nan, low=np.nan, high=np.nan)
LIMIT: Final = "The gate's limit"
FEW: Final = "Too few patients of one outcome to judge by"


def comparison_figures(report: ModelReport, predictions: Predictions) -> dict[str, Figure]:
    """Return every figure by the name of its file.

    ``predictions`` are those of one or two models by title, the challenger first.
    """
    known = (report.challenger, report.champion.evaluation)
    summaries = {title: e.metrics for title, e in zip(predictions, known, strict=False) if e}
    titles, folds = list(predictions), described(predictions)
    by_slice = f"ROC-AUC by {wording.SLICES}"
    elsewhere = f"ROC-AUC at other {wording.COHORTS}"
    fitted = f"Each model fitted to all of {TRAINING.title}, and to no patient of these groups"
    return {
        "roc.png": roc(predictions, summaries),
        "precision_recall.png": precision_recall(predictions, summaries),
        "reliability.png": reliability_curves(predictions, report.plan.calibration_bins),
        "distributions.png": distributions(predictions),
        "decision_curve.png": decision_curves(predictions),
        "slices.png": forest(titles, slice_rows(report), by_slice, folds),
        "external.png": forest(titles, cohort_rows(report), elsewhere, fitted),
    }


@styled
def reliability_curves(predictions: Predictions, bins: int) -> Figure:
    """Draw observed against predicted rates, with the interval of each group's rate."""
    figure, axes = square()
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", label="Perfect calibration")
    for number, (title, given) in enumerate(predictions.items()):
        groups, (colour, marker) = reliability(given, bins), MARKS[number]
        axes.errorbar(
            groups["predicted"],
            groups["observed"],
            yerr=_reach(groups),
            color=colour,
            linestyle=DASHES[number],
            marker=marker,
            elinewidth=1,
            label=title,
            clip_on=False,
        )
    axes.set_xlabel(f"Predicted probability of {wording.OUTCOME}")
    axes.set_ylabel(f"Observed rate of {wording.OUTCOME}")
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
    detail = f"{described(predictions)}; {bins} groups of equal size, 95 % Wilson intervals"
    headline(figure, "Calibration curve", detail)
    return figure


def _reach(groups: pd.DataFrame) -> Vector:
    """Return how far the interval of each group's rate reaches down and up, shape (2, groups)."""
    positives = groups["observed"] * groups["patients"]
    ends = [*map(wilson_interval, positives, groups["patients"])]
    reach = np.abs(np.transpose(ends) - groups["observed"].to_numpy())
    return np.asarray(reach, dtype=np.float64)


@styled
def distributions(predictions: Predictions) -> Figure:
    """Draw the probabilities given to positives and to negatives, a panel for each model."""
    figure = Figure(figsize=(9.0, 4.5))
    panels = figure.subplots(1, len(predictions), sharey=True, squeeze=False)[0]
    for axes, (title, given), colour in zip(panels, predictions.items(), SERIES, strict=False):
        _spread(axes, given[given["outcome"] == 1], fill=True, color=colour, alpha=0.4)
        _spread(axes, given[given["outcome"] == 0], color=INK, linewidth=1.4)
        _threshold(axes, float(given["threshold"].mean()))
        axes.set(title=title, xlabel=f"Probability of {wording.OUTCOME}", xlim=(0, 1))
        axes.grid(axis="y")
    panels[0].set_ylabel("Share of the group, %")
    handles = [Patch(facecolor=GREY, alpha=0.4), Line2D([], [], color=INK)]
    titles = [wording.POSITIVE.capitalize(), wording.NEGATIVE.capitalize()]
    figure.legend(handles, titles, loc="outside lower center", ncols=2)
    groups = f"the {wording.POSITIVE} and the {wording.NEGATIVE}"
    headline(figure, f"Predicted probability of {groups}", described(predictions))
    return figure


def _spread(axes: Axes, given: pd.DataFrame, **style: Any) -> None:
    share = np.histogram(given["probability"], SCORE_EDGES)[0] / len(given) * 100
    axes.stairs(share, SCORE_EDGES, **style)


def _threshold(axes: Axes, threshold: float) -> None:
    axes.axvline(threshold, color=INK, linestyle=":")
    label = f"predicted positive from\n{threshold:.2f} on average"
    top = axes.get_xaxis_transform()
    axes.text(threshold + 0.02, 0.97, label, transform=top, va="top")


@styled
def decision_curves(predictions: Predictions) -> Figure:
    """Draw the net benefit of each model, and of predicting all or no patients positive."""
    figure = Figure(figsize=(9.0, 5.2))
    axes = figure.subplots()
    for number, (title, given) in enumerate(predictions.items()):
        benefit = [point.model for point in decision_curve(given, THRESHOLDS)]
        axes.plot(THRESHOLDS, benefit, color=SERIES[number], linestyle=DASHES[number], label=title)
    first = next(iter(predictions.values()))
    everybody = [point.call_all for point in decision_curve(first, THRESHOLDS)]
    axes.plot(
        THRESHOLDS, everybody, color=GREY, linestyle="-.", label="Everybody predicted positive"
    )
    axes.axhline(0, color=GREY, linestyle=":", label="Nobody predicted positive")
    axes.set(xlim=(0, 0.9), ylim=(LOWEST_BENEFIT, first["outcome"].mean() * 1.08))
    axes.set_xlabel("Threshold: a patient is predicted positive from this probability on")
    axes.set_ylabel("Net benefit: true positives per patient")
    axes.grid(visible=True)
    axes.legend()
    price = "threshold / (1 - threshold) of a true positive"
    detail = f"{described(predictions)}; a false positive costs {price}"
    headline(figure, "Decision curve", detail)
    return figure


@styled
def forest(titles: Sequence[str], rows: Sequence[GroupRow], finding: str, detail: str) -> Figure:
    """Draw the AUC of each model in each row with its interval, and the difference beside it."""
    figure = Figure(figsize=(9.0, 1.9 + 0.55 * len(rows)))
    widths = [3, 2][: len(titles)]
    panels = figure.subplots(1, len(titles), sharey=True, squeeze=False, width_ratios=widths)[0]
    _values(panels[0], titles, rows)
    for axes in panels[1:]:
        _differences(axes, rows)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    headline(figure, finding, detail)
    return figure


def _values(axes: Axes, titles: Sequence[str], rows: Sequence[GroupRow]) -> None:
    for number, title in enumerate(titles):
        given = [(row.roc_auc.challenger, row.roc_auc.champion)[number] for row in rows]
        offset = OFFSETS[number] if len(titles) > 1 else 0.0
        _intervals(axes, given, rows, MARKS[number], offset)
        colour, marker = MARKS[number]
        axes.plot([], [], color=colour, marker=marker, label=title)
    places = np.arange(len(rows))
    limits = [np.nan if row.limit is None else row.limit for row in rows]
    axes.vlines(limits, places - 0.4, places + 0.4, color=INK, linestyle=":", label=LIMIT)
    if any(row.few for row in rows):
        axes.scatter([], [], facecolors="white", edgecolors=GREY, label=FEW)
    axes.set_yticks(places, [_row_title(row) for row in rows])
    axes.set(xlabel="ROC-AUC", ylim=(len(rows) - 0.5, -0.5))
    axes.grid(axis="x")


def _differences(axes: Axes, rows: Sequence[GroupRow]) -> None:
    _intervals(axes, [row.roc_auc.difference for row in rows], rows, (INK, "s"))
    axes.axvline(0, color=GREY, linewidth=1)
    axes.set_xlabel("Challenger minus champion")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")


def _intervals(
    axes: Axes,
    given: Sequence[Estimate | None],
    rows: Sequence[GroupRow],
    mark: tuple[str, str],
    offset: float = 0.0,
) -> None:
    (colour, marker), places = mark, np.arange(len(rows)) + offset
    known = [estimate or UNKNOWN for estimate in given]
    ends = [estimate.low for estimate in known], [estimate.high for estimate in known]
    axes.hlines(places, *ends, color=colour, linewidth=1.8)
    faces = ["white" if row.few else colour for row in rows]
    means = [estimate.mean for estimate in known]
    axes.scatter(means, places, 36, marker=marker, facecolors=faces, edgecolors=colour, zorder=3)


def _row_title(row: GroupRow) -> str:
    return f"{row.title}\n{row.rows} patients, {row.positives} {wording.POSITIVE}"
