"""Everything that is measured, each part beside what others use: `make bench`."""

import json
import sys
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from benchmarks import ending, feedback, growth, image, measuring, page, serving, tasks
from benchmarks.findings import INTERRUPTED, BenchmarkError, Section, compared
from pipeline.base import artifacts, cli
from pipeline.base.encoding import json_bytes
from pipeline.base.errors import PipelineError

RESULTS: Final = Path("benchmarks/results.json")
PAGE: Final = Path("benchmarks/results.md")
PLOTS: Final = Path("benchmarks/plots")


class Part(StrEnum):
    """What can be measured by itself."""

    SERVING = "serving"
    IMAGE = "image"
    PIPELINE = "pipeline"
    GROWTH = "growth"
    FEEDBACK = "feedback"


MEASURE: Final[Mapping[str, Callable[..., Section]]] = {
    Part.SERVING: serving.measure,
    Part.IMAGE: image.measure,
    Part.PIPELINE: tasks.measure,
    Part.GROWTH: growth.measure,
    Part.FEEDBACK: feedback.measure,
}


Parts = Annotated[list[Part] | None, typer.Argument(help="what to measure; nothing: all")]
Quick = Annotated[
    bool, typer.Option("--quick", help="few rounds, nothing is written; under 3 minutes")
]
Against = Annotated[
    Path | None,
    typer.Option(metavar="RESULTS.json", help="compare with the results of another commit"),
]


def main(parts: Parts = None, *, quick: Quick = False, against: Against = None) -> None:
    """Measure this repository beside what its users would otherwise use.

    The results go to benchmarks/results.md, results.json and plots/; a part that is measured
    alone replaces its own section there. It wants the machine for itself: close what else runs.
    `wrk` makes the load, a Docker engine holds the containers.

    Exit codes: 0 measured; 1 a part could not be measured; 2 an option does not exist; 130
    interrupted.

    Examples:
    - `python -m benchmarks`
    - `python -m benchmarks --quick`
    - `python -m benchmarks serving growth`
    - `git show v1.0.0:benchmarks/results.json > old.json` and then
      `python -m benchmarks --against old.json` compares with the results of another commit

    """
    ending.heed_signals()
    before, failed = _read(against) if against else {}, []
    # Asked before the first part writes its results, which git would call a change.
    where = measuring.machine()
    try:
        for part in parts or list(Part):
            cli.say(f"\n== {part}")
            busy = measuring.busy_percent()
            try:
                section = MEASURE[part](quick=quick)
            except PipelineError as error:
                # What the others find in half an hour does not depend on it.
                failed.append(f"{part}: {error}")
                cli.say(f"not measured  {error}")
                continue
            _show(section, before.get(part), busy)
            if not quick:
                ran = {"what else ran": f"{busy:.0f} % of the cores, just before"}
                _write(section, {**where, **ran})
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: all that was started has ended; finished parts are kept\n")
        raise typer.Exit(INTERRUPTED) from None
    if failed:
        raise BenchmarkError(f"not measured: {'; '.join(failed)}")


def _show(section: Section, before: Mapping[str, Any] | None, busy: float) -> None:
    for table in section.tables:
        cli.show_table(table.title, table.columns, table.rows)
    if section.goals:
        cli.show_table("What is wanted", page.GOALS, [goal.row() for goal in section.goals])
    for note in section.notes:
        cli.say(f"note          {note}")
    if before:
        rows = compared(before["section"]["figures"], section.figures)
        columns = ("figure", "before", "now", "now / before", "")
        cli.show_table("Compared with before", columns, rows)
    if busy > measuring.CALM_PERCENT:
        cli.say(f"note          something else took {busy:.0f} % of the cores before it")


def _write(section: Section, measured: Mapping[str, str]) -> None:
    results = _read(RESULTS) if RESULTS.exists() else {}
    results[section.name] = {"measured": measured, "section": section.record()}
    results = {name: results[name] for name in MEASURE if name in results}
    for name, content in section.plots.items():
        artifacts.write_file(PLOTS / f"{name}.png", content)
    artifacts.write_file(RESULTS, json_bytes(results))
    artifacts.write_file(PAGE, page.markdown(list(results.values())).encode())
    cli.say(f"written       {PAGE}, {RESULTS}")


def _read(path: Path) -> dict[str, Any]:
    try:
        results: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BenchmarkError(f"cannot read {path} as results of a benchmark: {error}") from error
    return results


if __name__ == "__main__":
    cli.run(main)
