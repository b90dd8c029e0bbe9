"""The four tasks in order, in one process, with the time each took."""

from collections.abc import Callable
from time import perf_counter
from typing import NamedTuple

from pipeline import data_acquisition_eda, experiment_tracking, feature_engineering, model_packaging
from pipeline.base import cli
from pipeline.base.context import RunContext
from pipeline.training import workspace

TASKS: tuple[Callable[[RunContext], float | None], ...] = (
    data_acquisition_eda.run,
    feature_engineering.run,
    experiment_tracking.run,
    model_packaging.run,
)


class Timing(NamedTuple):
    """The seconds that a task took, and those of them spent on fitting."""

    task: str
    seconds: float
    fitting: float

    def row(self) -> tuple[str, ...]:
        """Return the timing as a row of the table."""
        rest = self.seconds - self.fitting
        return self.task, *(f"{part:.1f}" for part in (self.seconds, self.fitting, rest))


def main() -> None:
    """Run the four tasks: check the data, train, register and decide, package the champion.

    Each task does what it does alone, without options. The time that each took is shown at the end.
    Where variables make or evaluate the models otherwise than `config.yaml` says, nothing is
    registered or packaged, unless `register_overridden` is set.

    Exit codes: 0 done, whatever the verdict; 1 something is wrong; 2 a setting does not exist; 4
    the registry does not answer.

    Examples:
    - `python -m pipeline`
    - `PIPELINE__EVALUATION__REPEATS=1 python -m pipeline` is a quick look, which registers nothing

    """
    context = RunContext.read()
    overridden = workspace.overridden(context)
    timings = [_timed(task, context) for task in (TASKS[:-1] if overridden else TASKS)]
    if overridden:
        cli.say("\nno version is new: model_packaging was left out")
    total = Timing("all", sum(t.seconds for t in timings), sum(t.fitting for t in timings))
    columns = ("task", "seconds", "of these fitting", "all else")
    cli.show_table("Time", columns, (timing.row() for timing in (*timings, total)))


def _timed(task: Callable[[RunContext], float | None], context: RunContext) -> Timing:
    name = task.__module__.removeprefix("pipeline.")
    cli.say(f"\n== {name}")
    started = perf_counter()
    fitting = task(context) or 0.0
    return Timing(name, perf_counter() - started, fitting)


if __name__ == "__main__":
    cli.run(main)
