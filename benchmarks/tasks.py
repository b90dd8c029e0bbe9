"""What `make pipeline` takes beside a first script for the same work, and how fast a model scores.

Everything runs in scratch copies of the work tree, so the registry of this folder is not touched.
"""

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks import measuring, scoring
from benchmarks.findings import BenchmarkError, Section
from benchmarks.measuring import Usage
from benchmarks.tasks_results import NAIVE, OURS, Measured, Run, Timing
from pipeline.base import artifacts

TASKS: Final = (
    "data_acquisition_eda",
    "feature_engineering",
    "experiment_tracking",
    "model_packaging",
)
REGISTERING: Final = "experiment_tracking"
ALL: Final = "all"
FULL: Final = "as it is set"
COMMANDS: Final[Mapping[str, Sequence[str]]] = {
    OURS: ("pipeline",),
    NAIVE: ("benchmarks.naive",),
    FULL: ("pipeline",),
}
ROUNDS: Final = 2
SHORT: Final = {
    "PIPELINE__EVALUATION__REPEATS": "1",
    "PIPELINE__REGISTER_OVERRIDDEN": "true",
}
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
    return Section(
        "pipeline",
        "The pipeline, and scoring with its models",
        ABOUT,
        measured.figures(),
        measured.tables(),
        [] if quick else measured.goals(),
        {"pipeline": measured.plot()},
        [QUICK_NOTE] if quick else [],
    )


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
