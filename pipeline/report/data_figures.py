"""The figures of the data-quality report."""

import textwrap
from collections.abc import Callable, Mapping
from itertools import groupby
from operator import attrgetter
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure

from pipeline.dataset.contract import Field, Kind
from pipeline.dataset.profile import (
    CategoryFacts,
    ParsedFile,
    outcome_by_category,
    outcome_rate,
)
from pipeline.report.drawing import BLUE, GREY, INK, VERMILLION, bare, headline, styled
from pipeline.table import wording
from pipeline.table.contract import BY_NAME, CONTRACT, FEATURES, FIELDS, TARGET, TRAINING

BINS: Final = 12
TITLE_WIDTH: Final = 34
TICK_WIDTH: Final = 18
# The height of a panel's title, in rows of the panel.
TITLE_ROWS: Final = 0.9
OUTCOMES: Final = (
    (0, f"no {wording.OUTCOME}", BLUE),
    (1, wording.OUTCOME, VERMILLION),
)
DASH: Final = 4
# A colour map and the value that its first colour stands for; the last one stands for 1.
Colours = tuple[Colormap, float]
SEQUENTIAL: Final = (LinearSegmentedColormap.from_list("one", ["#f6f8fa", BLUE]), 0.0)
DIVERGING: Final = (LinearSegmentedColormap.from_list("two", [BLUE, "#f6f8fa", VERMILLION]), -1.0)
# From this share of a colour map's end on, white letters read better than dark ones.
DARK: Final = 0.75
ONE_PERCENT: Final = 0.01
SPREAD: Final = tuple(field for field in FIELDS if field.kind in {Kind.CONTINUOUS, Kind.COUNT})
# Correlation needs an order, which a nominal code has not.
ORDERED: Final = (*(field.name for field in FIELDS if field.kind is not Kind.NOMINAL), TARGET)


def data_figures(parsed: Mapping[str, ParsedFile]) -> dict[str, Figure]:
    """Return every figure by the name of its file."""
    training = parsed[TRAINING.name].table
    return {
        "distributions.png": distributions(training),
        "outcome-by-category.png": outcome_by_value(training),
        "correlations.png": correlations(training),
        "missingness.png": missingness(parsed),
    }


@styled
def distributions(table: pd.DataFrame) -> Figure:
    """Show how each measured or counted field is spread, for each outcome."""
    figure = Figure(figsize=(10, 6.6))
    panels = figure.subplots(2, 3)
    for axes, field in zip(panels.flat, SPREAD, strict=True):
        _spread(axes, field, table)
    for axes in panels[:, 0]:
        axes.set_ylabel("share of the group, %")
    figure.legend(
        *panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=len(OUTCOMES)
    )
    headline(
        figure,
        wording.SPREAD,
        f"{TRAINING.title}, {len(table)} patients. Dashed lines: medians of the two groups.",
    )
    return figure


def _spread(axes: Axes, field: Field, table: pd.DataFrame) -> None:
    draw = _bars if field.kind is Kind.COUNT else _histogram
    draw(axes, field, table)
    axes.set_title(textwrap.fill(field.title, TITLE_WIDTH))
    axes.set_xlabel(field.unit)
    axes.grid(axis="y")


def _histogram(axes: Axes, field: Field, table: pd.DataFrame) -> None:
    edges = np.histogram_bin_edges(table[field.name].dropna(), BINS)
    for outcome, label, colour in OUTCOMES:
        values = table.loc[table[TARGET] == outcome, field.name].dropna()
        share = np.histogram(values, edges)[0] / len(values) * 100
        axes.stairs(share, edges, fill=True, color=colour, alpha=0.25)
        axes.stairs(share, edges, color=colour, linewidth=1.6, label=label)
        # If both medians are equal, the dashes of one fill the gaps of the other.
        dashes = (DASH * outcome, (DASH, DASH))
        axes.axvline(values.median(), color=colour, linestyle=dashes, linewidth=1.4)


def _bars(axes: Axes, field: Field, table: pd.DataFrame) -> None:
    counts = np.arange(field.low, field.high + 1)
    for outcome, label, colour in OUTCOMES:
        values = table.loc[table[TARGET] == outcome, field.name].dropna()
        share = [(values == count).mean() * 100 for count in counts]
        axes.bar(counts + 0.4 * (outcome - 0.5), share, width=0.38, color=colour, label=label)
    axes.set_xticks(counts)


@styled
def missingness(parsed: Mapping[str, ParsedFile]) -> Figure:
    """Show the share of missing cells by field and cohort."""
    tables = {_short_title(file): file.table for file in parsed.values()}
    shares = pd.DataFrame(
        {name: table[[*FEATURES]].isna().mean() for name, table in tables.items()}
    )
    figure = Figure(figsize=(8.4, 6.4))
    axes = figure.subplots()
    _heat_map(axes, shares.to_numpy(), SEQUENTIAL, _percent)
    axes.set_xticks(range(len(tables)), [f"{t}\n{len(tables[t])} patients" for t in tables])
    axes.set_yticks(range(len(FEATURES)), [BY_NAME[name].title for name in FEATURES])
    axes.xaxis.tick_top()
    headline(
        figure,
        wording.MISSING,
        wording.MISSING_DETAIL,
    )
    return figure


def _short_title(parsed: ParsedFile) -> str:
    return parsed.cohort.title.split(",")[0]


def _percent(share: float) -> str:
    if not share:
        return "\N{EN DASH}"
    return "< 1 %" if share < ONE_PERCENT else f"{100 * share:.0f} %"


@styled
def correlations(table: pd.DataFrame) -> Figure:
    """Show Spearman's rank correlation of the fields whose values have an order."""
    matrix = table[[*ORDERED]].corr(method="spearman").to_numpy()
    hidden = np.triu(np.ones_like(matrix, dtype=bool))
    shown = np.where(hidden, np.nan, matrix)[1:, :-1]
    titles = [_title(name) for name in ORDERED]
    figure = Figure(figsize=(9.6, 7.2))
    axes = figure.subplots()
    _heat_map(axes, shown, DIVERGING, _signed)
    wrapped = [textwrap.fill(title, TICK_WIDTH) for title in titles[:-1]]
    axes.set_xticks(range(len(wrapped)), wrapped, rotation=90)
    axes.set_yticks(range(len(titles) - 1), titles[1:])
    headline(
        figure,
        wording.CORRELATED,
        f"Spearman's rank correlation. {TRAINING.title}, {len(table)} patients. "
        "Fields without an order are left out.",
    )
    return figure


def _title(name: str) -> str:
    return wording.AXES.get(name) or BY_NAME[name].title


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "\N{MINUS SIGN}")


def _heat_map(
    axes: Axes, values: np.ndarray, colours: Colours, words: Callable[[float], str]
) -> None:
    colour_map, lowest = colours
    edges = [np.arange(size + 1) - 0.5 for size in values.shape]
    cells = np.ma.masked_invalid(values)
    axes.pcolormesh(
        edges[1], edges[0], cells, cmap=colour_map, vmin=lowest, vmax=1, edgecolor="white"
    )
    axes.invert_yaxis()
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            colour = "white" if abs(value) > DARK else INK
            axes.text(column, row, words(value), ha="center", va="center", color=colour)
    bare(axes)


@styled
def outcome_by_value(table: pd.DataFrame) -> Figure:
    """Show the outcome rate of the patients with each value of each coded or counted field."""
    by_field = groupby(outcome_by_category(CONTRACT, table), attrgetter("field"))
    groups = [(BY_NAME[name], list(facts)) for name, facts in by_field]
    heights = [len(facts) + TITLE_ROWS for _, facts in groups]
    figure = Figure(figsize=(10, 8.4))
    axes = figure.subplots(len(groups), 1, sharex=True, height_ratios=heights)
    overall = 100 * outcome_rate(table[TARGET]).rate
    for panel, (field, facts) in zip(axes, groups, strict=True):
        panel.axvline(overall, color=GREY, linestyle="--", linewidth=1.2)
        _rates(panel, field, facts)
    axes[-1].set_xlabel(f"patients with {wording.OUTCOME}, %, with the 95 % Wilson interval")
    axes[-1].set_xlim(0, 100)
    headline(
        figure,
        wording.RATES,
        f"{TRAINING.title}, {len(table)} patients. Dashed line: {overall:.0f} % of all.",
    )
    return figure


def _rates(axes: Axes, field: Field, facts: list[CategoryFacts]) -> None:
    rows = np.arange(len(facts))
    rates = np.array([[f.outcome.low, f.outcome.rate, f.outcome.high] for f in facts]) * 100
    axes.hlines(rows, rates[:, 0], rates[:, 2], color=VERMILLION, linewidth=2)
    axes.plot(rates[:, 1], rows, "o", color=VERMILLION, markersize=6)
    axes.set_yticks(rows, [f"{fact.meaning} (n = {fact.outcome.rows})" for fact in facts])
    axes.set_ylim(len(facts) - 0.4, -0.6)
    axes.set_title(field.title)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(length=0)
    axes.grid(axis="x")
