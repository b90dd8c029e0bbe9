"""What was measured, and the tables that say it."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from pipeline.core.package import Manifest

OURS, BARE, BENTOML, MLFLOW = "ours", "bare", "bentoml serve", "mlflow models serve"
IN_CONTAINER: Final = ", container"
FOREST: Final = "random_forest"
THREE_DIGITS: Final = 100
NOT_SEEN: Final = "not seen"


@dataclass
class Figures:
    """What was measured of one server, a figure for each round; memory in MB.

    ``cpu_us`` is the time of a core for one request, which other work disturbs least. It and the
    memory are NaN where the server's processes are on another machine.
    """

    requests_per_second: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    idle_mb: float = math.nan
    loaded_mb: float = math.nan


@dataclass
class Starts:
    """Seconds from the command to the engine's word that it started, and to a correct answer."""

    engine: list[float] = field(default_factory=list)
    answer: list[float] = field(default_factory=list)

    @property
    def program(self) -> list[float]:
        """Return the seconds that were the program's own."""
        return [whole - part for whole, part in zip(self.answer, self.engine, strict=True)]


@dataclass
class Image:
    """The size of an image, in MB, and what is in it."""

    name: str
    base: str
    size_mb: float
    over_base_mb: float | None
    python_packages: int


@dataclass
class Findings:
    """Everything that a run found; containers only where there is an engine."""

    about: Manifest
    servers: dict[str, Figures] = field(default_factory=dict)
    starts: dict[str, Starts] = field(default_factory=dict)
    image: Image | None = None
    else_busy_percent: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Table:
    """A table, as a console and as a page show it."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]

    def markdown(self) -> str:
        """Return it for a page."""
        lines = [self.columns, ("---",) * len(self.columns), *self.rows]
        return "\n".join([f"## {self.title}", "", *(f"| {' | '.join(line)} |" for line in lines)])


def tables(findings: Findings) -> list[Table]:
    """Return what is to be shown, in order."""
    found = [_speed(findings), _compared(findings), _memory(findings)]
    if findings.starts:
        found.append(_starts(findings))
    if findings.image:
        found.append(_image(findings.image))
    return [*found, _wanted(findings)]


def spread(values: Sequence[float]) -> str:
    """Return the median, with the lowest and the highest in brackets."""
    if any(map(math.isnan, values)):
        return NOT_SEEN
    return f"{_number(median(values))} ({_number(min(values))}-{_number(max(values))})"


def _speed(findings: Findings) -> Table:
    rows = [
        (name, *map(spread, (f.requests_per_second, f.p50_ms, f.p99_ms, f.cpu_us)))
        for name, f in findings.servers.items()
    ]
    columns = ("server", "requests/s", "p50, ms", "p99, ms", "CPU, us a request")
    return Table("One patient a request, 8 connections", columns, rows)


def _compared(findings: Findings) -> Table:
    found, rows = findings.servers, []
    for name, figures in found.items():
        bare = found[BARE + IN_CONTAINER if name.endswith(IN_CONTAINER) else BARE]
        ratios = (
            _ratios(figures.requests_per_second, bare.requests_per_second),
            _ratios(figures.p99_ms, bare.p99_ms),
            _ratios(figures.cpu_us, bare.cpu_us),
            _ratios(figures.requests_per_second, found[MLFLOW].requests_per_second),
        )
        rows.append((name, *map(spread, ratios)))
    columns = ("server", "requests/s, x bare", "p99, x bare", "CPU, x bare", "requests/s, x mlflow")
    return Table("The same as ratios", columns, rows)


def _memory(findings: Findings) -> Table:
    rows = [
        (name, _number(found.idle_mb), _number(found.loaded_mb))
        for name, found in findings.servers.items()
    ]
    return Table("Resident memory of all processes, MB", ("server", "idle", "after load"), rows)


def _starts(findings: Findings) -> Table:
    ours, bare = findings.starts[OURS], findings.starts[BARE]
    pairs = (
        ("to the first correct answer, s", ours.answer, bare.answer),
        ("of these the engine's, s", ours.engine, bare.engine),
        ("and the program's, s", ours.program, bare.program),
    )
    rows = [
        (what, spread(one), spread(other), spread(_ratios(one, other)))
        for what, one, other in pairs
    ]
    return Table(
        f"Start of a container, {len(ours.answer)} times each", ("", "ours", "bare", "ratio"), rows
    )


def _image(image: Image) -> Table:
    rows = [("size, MB", f"{image.size_mb:.0f}")]
    if image.over_base_mb is not None:
        rows.append((f"size over {image.base}, MB", f"{image.over_base_mb:.0f}"))
    rows.append(("Python packages", str(image.python_packages)))
    return Table("Image", ("", image.name), rows)


def _wanted(findings: Findings) -> Table:
    rows = []
    for what, sign, limit, found in _goals(findings):
        reached = found >= limit if sign == "at least" else found <= limit
        rows.append((what, f"{sign} {limit:g}", _number(found), "yes" if reached else "NO"))
    return Table("What is wanted", ("", "wanted", "found", "reached"), rows)


def _goals(findings: Findings) -> Iterator[tuple[str, str, float, float]]:
    found = findings.servers
    if findings.about.family == FOREST:
        rates = (found[OURS].requests_per_second, found[MLFLOW].requests_per_second)
        yield "requests/s of the random forest, x mlflow", "at least", 150, median(_ratios(*rates))
    for placed in ("", IN_CONTAINER):
        if ours := found.get(OURS + placed):
            bare = found[BARE + placed]
            rates = (ours.requests_per_second, bare.requests_per_second)
            yield f"requests/s{placed}, x bare", "at least", 0.6, median(_ratios(*rates))
            yield f"p99{placed}, x bare", "at most", 3, median(_ratios(ours.p99_ms, bare.p99_ms))
    if starts := findings.starts:
        ratios = _ratios(starts[OURS].answer, starts[BARE].answer)
        yield "container to its first correct answer, x bare", "at most", 1.5, median(ratios)
    if findings.image and findings.image.over_base_mb is not None:
        yield "image over its base, MB", "at most", 200, findings.image.over_base_mb


def _ratios(ones: Sequence[float], others: Sequence[float]) -> list[float]:
    """Return the ratio of each round."""
    return [one / other for one, other in zip(ones, others, strict=True)]


def _number(value: float) -> str:
    if math.isnan(value):
        return NOT_SEEN
    return f"{value:,.0f}" if value >= THREE_DIGITS else f"{value:.3g}"
