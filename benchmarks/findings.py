"""What a benchmark found: figures, the tables that show them, and the goals they are held against.

Nothing here measures, reads or writes.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite
from statistics import median
from typing import Any, Final, Literal, Self

from pipeline.base.errors import PipelineError

Samples = Sequence[float]

THREE_DIGITS: Final = 100
NOT_SEEN: Final = "not seen"
INTERRUPTED: Final = 130


class BenchmarkError(PipelineError):
    """Something could not be measured."""


@dataclass(frozen=True)
class Table:
    """A table, as a console and as a page show it."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """Return it for a page."""
        lines = [self.columns, ("---",) * len(self.columns), *self.rows]
        return "\n".join([f"### {self.title}", "", *(f"| {' | '.join(line)} |" for line in lines)])


@dataclass(frozen=True)
class Goal:
    """What is wanted of a figure, and what was found: one value for each round.

    ``why`` tells where the rest goes; it is shown only where the goal is missed.
    """

    what: str
    sign: Literal["at least", "at most"]
    limit: float
    found: Samples
    why: str = ""

    @property
    def is_reached(self) -> bool:
        """Say whether the median keeps to the limit."""
        value = median(self.found)
        return value >= self.limit if self.sign == "at least" else value <= self.limit

    def row(self) -> tuple[str, ...]:
        """Return it as a row: what, wanted, found, whether it is reached, and why not."""
        verdict = "reached" if self.is_reached else "**not reached**"
        wanted = f"{self.sign} {self.limit:g}"
        return self.what, wanted, spread(self.found), verdict, "" if self.is_reached else self.why


@dataclass(frozen=True)
class Curve:
    """How a figure grows: ``points`` are (size, figure), in order of size."""

    name: str
    points: Sequence[tuple[float, float]]

    @property
    def exponent(self) -> float:
        """Return ``b`` of the power law ``a * size**b`` that fits best, by least squares of logs.

        0 is constant, 1 is linear; NaN for fewer than two sizes.
        """
        if len({size for size, _ in self.points}) < 2:  # noqa: PLR2004 (a slope needs two)
            return math.nan
        x = [math.log(size) for size, _ in self.points]
        y = [math.log(figure) for _, figure in self.points]
        middle_x, middle_y = sum(x) / len(x), sum(y) / len(y)
        above = sum((a - middle_x) * (b - middle_y) for a, b in zip(x, y, strict=True))
        return above / sum((a - middle_x) ** 2 for a in x)


@dataclass(frozen=True)
class Section:
    """What one benchmark found.

    ``figures`` holds everything that was measured, by name, a value for each round: what another
    commit is compared with. ``plots`` are PNG files by name.
    """

    name: str
    title: str
    about: str
    figures: Mapping[str, Samples]
    tables: Sequence[Table]
    goals: Sequence[Goal] = ()
    plots: Mapping[str, bytes] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def record(self) -> dict[str, Any]:
        """Return it as JSON can hold it: without what was not seen, the plots by name alone."""
        seen = {
            name: [float(f"{value:.4g}") for value in samples]
            for name, samples in self.figures.items()
            if all(map(isfinite, samples))
        }
        return {**asdict(self), "figures": seen, "plots": sorted(self.plots)}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """Return the section of a record, its plots without content."""
        parts = {
            **record,
            "tables": [Table(**fields) for fields in record["tables"]],
            "goals": [Goal(**fields) for fields in record["goals"]],
            "plots": dict.fromkeys(record["plots"], b""),
        }
        return cls(**parts)


def spread(values: Samples) -> str:
    """Return the median, with the lowest and the highest in brackets."""
    if not values or any(map(math.isnan, values)):
        return NOT_SEEN
    middle = number(median(values))
    if len(values) == 1:
        return middle
    return f"{middle} ({number(min(values))}-{number(max(values))})"


def ratios(ones: Samples, others: Samples) -> list[float]:
    """Return the ratio of each round."""
    return [value / other for value, other in zip(ones, others, strict=True)]


def number(value: float) -> str:
    """Return three digits of a figure, or all before the point."""
    if math.isnan(value):
        return NOT_SEEN
    return f"{value:,.0f}" if abs(value) >= THREE_DIGITS else f"{value:.3g}"


def compared(before: Mapping[str, Samples], after: Mapping[str, Samples]) -> list[tuple[str, ...]]:
    """Return a row for each figure that both hold: its name, both spreads, their ratio, a verdict.

    A figure has changed when the ranges of its rounds lie apart.
    """
    rows: list[tuple[str, ...]] = []
    for name in [name for name in before if name in after]:
        old, new = before[name], after[name]
        is_apart = min(old) > max(new) or max(old) < min(new)
        ratio = number(median(new) / median(old)) if median(old) else NOT_SEEN
        rows.append((name, spread(old), spread(new), ratio, "changed" if is_apart else "as before"))
    return rows
