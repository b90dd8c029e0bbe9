"""What the pipeline and its scoring took, and the tables, goals and plot that say it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final, NamedTuple

from benchmarks import plots, scoring
from benchmarks.findings import Goal, Samples, Table, number, ratios, spread
from benchmarks.measuring import Usage
from pipeline.report.drawing import figure_bytes

OURS: Final = "ours"
NAIVE: Final = "naive"
# A goal is about a thousand rows or more.
MANY_ROWS: Final = 1_000

WHY_OUTSIDE: Final = (
    "both import MLflow and scikit-learn and make MLflow's new database, which alone is more than "
    "a fifth of the naive script; the rest is what that one leaves out: 500 resamples behind each "
    "interval, the gate, eight figures, two reports, ONNX, files read back, the package"
)
WHY_SCORING: Final = (
    "in a large part scikit-learn's costs for each call weigh nothing, and both sides walk the "
    "same trees of a forest in compiled code; the gain is in small parts"
)
WHY_MEMORY: Final = "a part's rows, answers and working memory do not depend on the file"


class Timing(NamedTuple):
    """What a task says of itself: how long it took, and how much of that was fitting."""

    seconds: float
    fitting: float


class Run(NamedTuple):
    """One run of a whole pipeline: what it took, and its seconds of fitting and registering."""

    usage: Usage
    fitting: float
    registering: float

    @property
    def outside(self) -> float:
        """Return the seconds that were not fitting."""
        return self.usage.seconds - self.fitting


@dataclass
class Measured:
    """Everything that was measured, in the order of the rounds."""

    runs: dict[str, list[Run]] = field(default_factory=dict)
    tasks: dict[str, Usage] = field(default_factory=dict)
    timings: dict[str, Timing] = field(default_factory=dict)
    # By model, number of rows, and way to ask.
    rates: dict[str, dict[str, dict[str, list[float]]]] = field(default_factory=dict)
    streamed: dict[int, Usage] = field(default_factory=dict)

    def figures(self) -> dict[str, Samples]:
        """Return everything by a name of its own."""
        runs = {
            f"{name}: {what}": values
            for name, runs in self.runs.items()
            for what, values in _columns(runs).items()
        }
        tasks = {
            f"ours, task {place}: {what}": (value,)
            for place, used in enumerate(self.tasks.values(), 1)
            for what, value in zip(("seconds", "CPU seconds", "peak MB"), used, strict=True)
        }
        rates = {
            f"scoring {rows} rows, {model}, {way}: rows/s": ways[way]
            for model, rows, ways in self._scored()
            for way in ways
        }
        streamed = {
            f"streaming {rows} rows: {what}": (value,)
            for rows, used in self.streamed.items()
            for what, value in (("seconds", used.seconds), ("peak MB", used.peak_mb))
        }
        return {**runs, **tasks, **rates, **streamed}

    def tables(self) -> list[Table]:
        """Return what is shown of it, in order."""
        shown = (self._whole(), self._tasks(), self._fitting(), self._scoring(), self._streaming())
        return [table for table in shown if table.rows]

    def goals(self) -> list[Goal]:
        """Return what is wanted of the pipeline, and of the scoring."""
        ours, naive = ([run.outside for run in self.runs[name]] for name in (OURS, NAIVE))
        what = "`make pipeline` without fitting, of the naive script without fitting"
        return [
            Goal(what, "at most", 0.2, ratios(ours, naive), WHY_OUTSIDE),
            *self._faster(),
            self._steady(),
        ]

    def plot(self) -> bytes:
        """Return what the pipeline takes as bars."""
        bars = {
            f"{name}: {what}": _columns(self.runs[name])[what]
            for name in (OURS, NAIVE)
            for what in ("seconds outside fitting", "fitting seconds")
        }
        tasks = {
            f"ours, task {place} alone": (used.seconds,)
            for place, used in enumerate(self.tasks.values(), 1)
        }
        title = "What the pipeline takes"
        detail = (
            "One repeat of cross-validation. A task alone also imports, and task 2 alone also fits."
        )
        return figure_bytes(plots.bars(title, detail, "seconds", {**bars, **tasks}))

    def _scored(self) -> Iterator[tuple[str, str, Mapping[str, Samples]]]:
        """Return the rates of each way to ask, with the model and the number of rows."""
        for model, sizes in self.rates.items():
            for rows, ways in sizes.items():
                yield model, rows, ways

    def _whole(self) -> Table:
        rows = [(name, *map(spread, _columns(self.runs[name]).values())) for name in self.runs]
        return Table("The whole", ("", *_columns(())), rows)

    def _tasks(self) -> Table:
        rows = [(task, *map(number, used)) for task, used in self.tasks.items()]
        return Table("Each task as a command", ("task", "seconds", "CPU seconds", "peak MB"), rows)

    def _fitting(self) -> Table:
        rows = [
            (task, *map(number, timing), f"{100 * timing.fitting / timing.seconds:.0f} %")
            for task, timing in self.timings.items()
        ]
        return Table("The share of fitting", ("task", "seconds", "fitting", "share"), rows)

    def _scoring(self) -> Table:
        rows = [
            (model, f"{int(rows):,}", way, spread(ways[way]), spread(_times_sklearn(ways, way)))
            for model, rows, ways in self._scored()
            for way in ways
        ]
        columns = ("model", "rows", "asked", "rows/s", f"times {scoring.SKLEARN}")
        return Table("Scoring", columns, rows)

    def _streaming(self) -> Table:
        rows = [
            (f"{rows:,}", number(rows / used.seconds), number(used.peak_mb))
            for rows, used in self.streamed.items()
        ]
        columns = ("rows", "rows/s with the start", "peak MB")
        return Table("Scoring a file in parts, as a process", columns, rows)

    def _faster(self) -> Iterator[Goal]:
        for model, rows, ways in self._scored():
            if int(rows) >= MANY_ROWS:
                what = f"scoring {int(rows):,} rows, {model}: rows/s of ours, times scikit-learn's"
                ours = _better(ways, scoring.OURS, scoring.OURS_CORES)
                theirs = _better(ways, scoring.SKLEARN, scoring.SKLEARN_CORES)
                yield Goal(what, "at least", 3, ratios(ours, theirs), WHY_SCORING)

    def _steady(self) -> Goal:
        few, many = (used.peak_mb for used in self.streamed.values())
        sizes = " to that for ".join(f"{rows:,} rows" for rows in reversed(self.streamed))
        what = f"scoring a file: peak memory for {sizes}"
        return Goal(what, "at most", 1.2, (many / few,), WHY_MEMORY)


def _columns(runs: Sequence[Run]) -> dict[str, Samples]:
    return {
        "seconds": [run.usage.seconds for run in runs],
        "fitting seconds": [run.fitting for run in runs],
        "seconds outside fitting": [run.outside for run in runs],
        "of these registering": [run.registering for run in runs],
        "CPU seconds": [run.usage.cpu_seconds for run in runs],
        "peak MB": [run.usage.peak_mb for run in runs],
    }


def _times_sklearn(ways: Mapping[str, Samples], way: str) -> list[float]:
    return ratios(ways[way], ways[scoring.SKLEARN])


def _better(ways: Mapping[str, Samples], *names: str) -> Samples:
    return max((ways[name] for name in names), key=median)
