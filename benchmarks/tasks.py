"""What `make pipeline` takes beside a first script for the same work, and how fast a model scores.

Everything runs in scratch copies of the work tree, so the registry of this folder is not touched.
"""

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from benchmarks import measuring, plots, scoring
from benchmarks.findings import (
    BenchmarkError,
    Goal,
    Samples,
    Section,
    Table,
    number,
    ratios,
    spread,
)
from benchmarks.measuring import Usage
from pipeline.base import artifacts
from pipeline.report.drawing import figure_bytes

TASKS: Final = (
    "data_acquisition_eda",
    "feature_engineering",
    "experiment_tracking",
    "model_packaging",
)
REGISTERING: Final = "experiment_tracking"
ALL: Final = "all"
OURS: Final = "ours"
NAIVE: Final = "naive"
FULL: Final = "as it is set"
COMMANDS: Final[Mapping[str, Sequence[str]]] = {
    OURS: ("pipeline",),
    NAIVE: ("benchmarks.naive",),
    FULL: ("pipeline",),
}
ROUNDS: Final = 2
SHORT: Final = {"PIPELINE__EVALUATION__REPEATS": "1"}
# Two folds decide nothing, so nothing is decided.
SHORTEST: Final = {
    **SHORT,
    "PIPELINE__EVALUATION__FOLDS": "2",
    "PIPELINE__MODELS__RANDOM_FOREST__N_ESTIMATORS": "20",
    "PIPELINE__PROMOTION__MODE": "disabled",
}
QUICK_FAMILY: Final = "logistic_regression"
ENVIRONMENT: Final = {
    # The table of the times is read: no cell of it may be broken.
    "COLUMNS": "200",
    "PYTHONIOENCODING": "utf-8",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # The registry of the copy, whatever the user's is.
    "MLFLOW_TRACKING_URI": "",
}
CELLS: Final = 4
FOREST: Final = "random_forest"
# One patient is the service's business; a thousand are its largest request; the last is a file.
SIZES: Final = (100, 1_000, 100_000)
QUICK_SIZES: Final = (100, 1_000)
# A goal is about a thousand rows or more.
MANY_ROWS: Final = 1_000
STREAMED: Final = (10_000, 1_000_000)
QUICK_STREAMED: Final = (10_000, 100_000)

ABOUT: Final = """\
`make pipeline` beside `benchmarks/naive.py`: a script that fits and cross-validates the same four
families on the same data and folds, registers each with `mlflow.sklearn.log_model` as MLflow's
quickstart does it (an example, all else by default), moves the alias, and saves the winner with
`bentoml.sklearn.save_model`. It draws nothing, compares nothing, reads nothing back, converts
nothing to ONNX and builds no package. Neither builds an image: that is a section of its own.
"Outside fitting" is the whole process, its start and its imports too, without the seconds that it
spends on fitting; "registering" is task 3, with the cross-validation of the gate and every file
read back, and in the naive script all that MLflow and BentoML do with the fitted models. Each run
has a fresh copy of the work tree and a new registry. To keep the fitting short, both take one
repeat of the cross-validation instead of five; one run of ours with all repeats shows the share of
fitting as it is set.

Scoring asks the model that the service serves (`pipeline.scoring.onnx_model.OnnxModel`) and
scikit-learn's `predict_proba` of the same model for the same patients, in parts of 10,000 rows, and
compares the better way of each to use the cores. It measures functions of the library: there is no
command that scores files. Memory is the peak of a process with all its workers. The streamed files
hold float32 rows and float64 answers, so that reading them costs next to nothing.
"""
QUICK_NOTE: Final = (
    "two folds, a forest of 20 trees, and one family of four in the naive script: this only shows "
    "that everything runs, so no goal is held against it"
)
WHY_OUTSIDE: Final = (
    "both import MLflow and scikit-learn and make MLflow's new database, which alone is more than "
    "a fifth of the naive script; the rest is what that one leaves out: 500 resamples behind each "
    "interval, the gate, eight figures, two reports, ONNX, files read back, the package"
)
WHY_SCORING: Final = (
    "in a large part scikit-learn's costs for each call weigh nothing, and both sides walk the "
    "same 200 trees of a forest in compiled code; the gain is in small parts"
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


def measure(*, quick: bool) -> Section:
    """Measure the pipeline beside the naive script, and the scoring of its models.

    Raises:
        BenchmarkError: something that is measured fails.

    """
    measured = Measured()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        scratch = Path(name)
        trained = _measure_runs(measured, scratch, quick=quick)
        _measure_scoring(measured, trained, scratch, quick=quick)
    return _section(measured, quick=quick)


def _measure_runs(measured: Measured, scratch: Path, *, quick: bool) -> Path:
    """Run everything in turns, and return a folder in which all four tasks have run."""
    environment, copies = SHORTEST if quick else SHORT, {}
    for name in measuring.in_turns((OURS, NAIVE), 1 if quick else ROUNDS):
        families = ("--families", QUICK_FAMILY) if quick and name == NAIVE else ()
        copies[name] = measuring.copy_of_work_tree(scratch)
        measured.runs.setdefault(name, []).append(_run(name, copies[name], environment, *families))
    if not quick:
        alone = measuring.copy_of_work_tree(scratch)
        measured.tasks = {task: _usage(alone, SHORT, f"pipeline.{task}") for task in TASKS}
        copies[FULL] = measuring.copy_of_work_tree(scratch)
        measured.runs[FULL] = [_run(FULL, copies[FULL], {})]
    trained = copies[OURS if quick else FULL]
    measured.timings = timings(_log(trained).read_text())
    return trained


def _run(name: str, folder: Path, environment: Mapping[str, str], *arguments: str) -> Run:
    usage = _usage(folder, environment, *COMMANDS[name], *arguments)
    log = _log(folder)
    if name == NAIVE:
        return Run(usage, **json.loads(measuring.last_line(log)))
    took = timings(log.read_text())
    return Run(usage, took[ALL].fitting, took[REGISTERING].seconds)


def _usage(folder: Path, environment: Mapping[str, str], *command: str) -> Usage:
    whole = {**ENVIRONMENT, "BENTOML_HOME": str(folder / ".bentoml"), **environment}
    return measuring.usage([sys.executable, "-m", *command], _log(folder), folder, whole)


def _log(folder: Path) -> Path:
    return folder.with_suffix(".log")


def timings(log: str) -> dict[str, Timing]:
    """Read the table that `python -m pipeline` ends with, by the names of the tasks.

    Raises:
        BenchmarkError: there is none.

    """
    lines = (line.strip("│").split("│") for line in log.splitlines() if line.startswith("│"))
    cells = ([cell.strip() for cell in line] for line in lines if len(line) == CELLS)
    timings = {
        task: Timing(float(seconds), float(fitting))
        for task, seconds, fitting, _ in cells
        if task in (*TASKS, ALL)
    }
    if len(timings) != len(TASKS) + 1:
        raise BenchmarkError("`python -m pipeline` shows no table of its times")
    return timings


def _measure_scoring(measured: Measured, trained: Path, scratch: Path, *, quick: bool) -> None:
    models = {"champion": _champion(trained), FOREST: trained / artifacts.MODELS / FOREST}
    sizes = [str(size) for size in (QUICK_SIZES if quick else SIZES)]
    for name, model in models.items():
        _usage(trained, {}, "benchmarks.scoring", "rates", str(model), *sizes)
        measured.rates[name] = json.loads(measuring.last_line(_log(trained)))
    for size in QUICK_STREAMED if quick else STREAMED:
        asked, answers = scratch / "patients", scratch / "answers"
        scoring.patients(size).tofile(asked)
        files = (str(models["champion"]), str(asked), str(answers))
        measured.streamed[size] = _usage(trained, {}, "benchmarks.scoring", "stream", *files)


def _champion(trained: Path) -> Path:
    (package,) = (trained / artifacts.PACKAGES).glob("*_model_v1/")
    return package / "model"


def _section(measured: Measured, *, quick: bool) -> Section:
    return Section(
        "pipeline",
        "The pipeline, and scoring with its models",
        ABOUT,
        _figures(measured),
        [table for table in _tables(measured) if table.rows],
        [] if quick else [_outside_goal(measured), *_scoring_goals(measured)],
        {"pipeline": _plot(measured)},
        [QUICK_NOTE] if quick else [],
    )


def _figures(measured: Measured) -> dict[str, Samples]:
    runs = {
        f"{name}: {what}": values
        for name, runs in measured.runs.items()
        for what, values in _columns(runs).items()
    }
    tasks = {
        f"ours, task {place}: {what}": (value,)
        for place, used in enumerate(measured.tasks.values(), 1)
        for what, value in zip(("seconds", "CPU seconds", "peak MB"), used, strict=True)
    }
    rates = {
        f"scoring {rows} rows, {model}, {way}: rows/s": values
        for model, sizes in measured.rates.items()
        for rows, ways in sizes.items()
        for way, values in ways.items()
    }
    streamed = {
        f"streaming {rows} rows: {what}": (value,)
        for rows, used in measured.streamed.items()
        for what, value in (("seconds", used.seconds), ("peak MB", used.peak_mb))
    }
    return {**runs, **tasks, **rates, **streamed}


def _columns(runs: Sequence[Run]) -> dict[str, Samples]:
    return {
        "seconds": [run.usage.seconds for run in runs],
        "fitting seconds": [run.fitting for run in runs],
        "seconds outside fitting": [run.outside for run in runs],
        "of these registering": [run.registering for run in runs],
        "CPU seconds": [run.usage.cpu_seconds for run in runs],
        "peak MB": [run.usage.peak_mb for run in runs],
    }


def _tables(measured: Measured) -> list[Table]:
    whole = ("", *_columns(()))
    runs = [(name, *map(spread, _columns(measured.runs[name]).values())) for name in measured.runs]
    tasks = [
        (task, *map(number, (used.seconds, used.cpu_seconds, used.peak_mb)))
        for task, used in measured.tasks.items()
    ]
    shares = [
        (
            task,
            number(timing.seconds),
            number(timing.fitting),
            f"{100 * timing.fitting / timing.seconds:.0f} %",
        )
        for task, timing in measured.timings.items()
    ]
    rates = [
        (model, f"{int(rows):,}", way, spread(values), spread(_faster(ways, way)))
        for model, sizes in measured.rates.items()
        for rows, ways in sizes.items()
        for way, values in ways.items()
    ]
    streamed = [
        (f"{rows:,}", number(rows / used.seconds), number(used.peak_mb))
        for rows, used in measured.streamed.items()
    ]
    scored = ("model", "rows", "asked", "rows/s", f"times {scoring.SKLEARN}")
    return [
        Table("The whole", whole, runs),
        Table("Each task as a command", ("task", "seconds", "CPU seconds", "peak MB"), tasks),
        Table("The share of fitting", ("task", "seconds", "fitting", "share"), shares),
        Table("Scoring", scored, rates),
        Table(
            "Scoring a file in parts, as a process",
            ("rows", "rows/s with the start", "peak MB"),
            streamed,
        ),
    ]


def _faster(ways: Mapping[str, Samples], way: str) -> list[float]:
    return ratios(ways[way], ways[scoring.SKLEARN])


def _outside_goal(measured: Measured) -> Goal:
    ours, naive = ([run.outside for run in measured.runs[name]] for name in (OURS, NAIVE))
    what = "`make pipeline` without fitting, of the naive script without fitting"
    return Goal(what, "at most", 0.2, ratios(ours, naive), WHY_OUTSIDE)


def _scoring_goals(measured: Measured) -> list[Goal]:
    faster = [
        Goal(
            f"scoring {int(rows):,} rows, {model}: rows/s of ours, times scikit-learn's",
            "at least",
            3,
            ratios(
                _better(ways, scoring.OURS, scoring.OURS_CORES),
                _better(ways, scoring.SKLEARN, scoring.SKLEARN_CORES),
            ),
            WHY_SCORING,
        )
        for model, sizes in measured.rates.items()
        for rows, ways in sizes.items()
        if int(rows) >= MANY_ROWS
    ]
    few, many = (used.peak_mb for used in measured.streamed.values())
    sizes = " to that for ".join(f"{rows:,} rows" for rows in reversed(measured.streamed))
    what = f"scoring a file: peak memory for {sizes}"
    return [*faster, Goal(what, "at most", 1.2, (many / few,), WHY_MEMORY)]


def _better(ways: Mapping[str, Samples], *names: str) -> Samples:
    return max((ways[name] for name in names), key=median)


def _plot(measured: Measured) -> bytes:
    bars = {
        f"{name}: {what}": _columns(measured.runs[name])[what]
        for name in (OURS, NAIVE)
        for what in ("seconds outside fitting", "fitting seconds")
    }
    tasks = {
        f"ours, task {place} alone": (used.seconds,)
        for place, used in enumerate(measured.tasks.values(), 1)
    }
    detail = (
        "One repeat of cross-validation. A task alone also imports, and task 2 alone also fits."
    )
    return figure_bytes(plots.bars("What the pipeline takes", detail, "seconds", {**bars, **tasks}))
