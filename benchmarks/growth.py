"""How everything grows: training with patients, the registry with versions, its branch with merges.

What grows is made in temporary folders; the registry of this folder is not touched.
"""

import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Final, Literal

from benchmarks import contract, growth_branch, growth_process, growth_training, plots
from benchmarks.findings import NOT_SEEN, Curve, Goal, Samples, Section, Table, ratios, spread
from benchmarks.growth_registry import CALLING, LOOKING, RESOLVE
from benchmarks.growth_training import Trained
from pipeline.base import cli
from pipeline.base.errors import PipelineError
from pipeline.base.names import FAMILIES, SERVED
from pipeline.packaging.packager import ModelPackager
from pipeline.report.drawing import figure_bytes

VERSIONS: Final = (10, 100, 1_000, 10_000)
LOOKED_AT: Final = (10, 100, 1_000)
MERGES: Final = (10, 100, 1_000)
QUICK_VERSIONS: Final = (10, 100)
QUICK_MERGES: Final = (10,)
# Of the time to resolve the champion, from the smallest registry to the largest: constant.
STEADY: Final = 1.5
VALIDATIONS: Final = 5

ABOUT: Final = """\
The exponent is b of size^b, fitted to all sizes: 0 is constant, 1 linear, 2 quadratic.

Training is one fit of a family's pipeline as `config.yaml` has it, on one thread, to patients of
Cleveland that were drawn with replacement; measured values have noise, one in twenty of the others
is another patient's. Each fit has a process of its own; a short one is repeated and the fastest
counts. Memory is what the table and the fit take at their peak beyond a process that has fitted
before.

The registry is the embedded one, on SQLite. One version was published, copied into the served
model and promoted; the others are its rows, cloned in all of MLflow's tables. A registry of so many
versions has them in the family's model, in the served model, and as entries of the log of
champions. Every call is the real one: registering uploads two files of 1 kB, downloads and compares
them; resolving asks for `heart_disease@champion`, downloads its files and compares them with its
manifest, as packager, report and gate do; promoting settles, checks the files, writes the log, and
moves both aliases. The doctor reads every file of every version, or on ordinary
days those of champions, shipped versions and new ones; half of them are copies.

The branch holds files as large as those of the real models, of noise, which no compression helps,
and every twentieth merge promotes. The merges whose files stay are real; of the others, which
pruning leaves no files, the rows are cloned with noise of their own.
"""


@dataclass(frozen=True)
class Growth:
    """What was found of one thing: the samples of each size, by the name of each curve."""

    unit: str
    of: str
    found: Mapping[str, Mapping[int, Samples]]

    def curves(self) -> list[Curve]:
        """Return the medians as curves."""
        return [
            Curve(name, [(size, median(seen)) for size, seen in sizes.items()])
            for name, sizes in self.found.items()
        ]

    def figures(self) -> dict[str, Samples]:
        """Return everything that was measured, by name."""
        return {
            f"{name}, {size:,} {self.of}, {self.unit}": seen
            for name, sizes in self.found.items()
            for size, seen in sizes.items()
        }

    def table(self, title: str) -> Table:
        """Return a row for each curve, with its exponent."""
        sizes = sorted({size for seen in self.found.values() for size in seen})
        rows = [
            (
                curve.name,
                *(spread(self.found[curve.name].get(size, ())) for size in sizes),
                NOT_SEEN if isnan(curve.exponent) else f"{curve.exponent:.2f}",
            )
            for curve in self.curves()
        ]
        columns = (f"{self.unit}, by {self.of}", *(f"{size:,}" for size in sizes), "exponent")
        return Table(title, columns, rows)

    def plot(self, title: str) -> bytes:
        """Return the curves as a picture."""
        detail = f"{self.unit} by the number of {self.of}; the median of the rounds"
        return figure_bytes(plots.curves(title, detail, (self.of, self.unit), self.curves()))


def measure(*, quick: bool) -> Section:
    """Measure how training, the registry and its branch grow."""
    with tempfile.TemporaryDirectory(prefix="bench-growth-") as folder:
        scratch = Path(folder)
        trained = list(_train(scratch, quick=quick))
        calls = _registry(CALLING, QUICK_VERSIONS if quick else VERSIONS, scratch)
        looks = _registry(LOOKING, QUICK_VERSIONS if quick else LOOKED_AT, scratch)
        size, time = _branch(QUICK_MERGES if quick else MERGES, scratch)
    grown = {
        "Training, time": _curves_of("seconds", trained),
        "Training, memory": _curves_of("megabytes", trained),
        "The registry": Growth("ms", "versions", {**calls, **looks}),
        "The registry's branch, size": size,
        "The registry's branch, time": time,
    }
    figures = [growth.figures() for growth in grown.values()]
    return Section(
        name="growth",
        title="How everything grows",
        about=ABOUT,
        figures={name: seen for growth in figures for name, seen in growth.items()},
        tables=[growth.table(title) for title, growth in grown.items()],
        goals=[steady(calls[RESOLVE])],
        plots={_file(title): growth.plot(title) for title, growth in grown.items()},
        notes=[*_left_out(trained), *_validation()],
    )


def _train(scratch: Path, *, quick: bool) -> Iterator[Trained]:
    sizes = growth_training.QUICK_SIZES if quick else growth_training.SIZES
    for family in growth_training.QUICK_FAMILIES if quick else FAMILIES:
        cli.say(f"training      {family}")
        yield growth_training.measure(family, sizes, scratch)


def _registry(what: str, sizes: Sequence[int], scratch: Path) -> dict[str, dict[int, Samples]]:
    """Return the milliseconds of each call, by its name and the number of versions."""
    cli.say(f"registry      {what}")
    folder = scratch / what
    folder.mkdir()
    samples = growth_process.measured(
        "growth_registry", what, str(folder), *map(str, sizes), scratch=scratch
    )
    return {
        name: {int(size): [1_000 * seconds for seconds in seen] for size, seen in by_size.items()}
        for name, by_size in samples.items()
    }


def _branch(moments: Sequence[int], scratch: Path) -> tuple[Growth, Growth]:
    cli.say("branch        merges")
    folder = scratch / "branch"
    folder.mkdir()
    samples = growth_process.measured(
        "growth_branch", str(folder), *map(str, moments), scratch=scratch
    )

    def growth(unit: str, names: Sequence[str]) -> Growth:
        return Growth(
            unit,
            "merges",
            {name: {int(at): [seen[name]] for at, seen in samples.items()} for name in names},
        )

    return growth("MB", growth_branch.SIZES), growth("s", growth_branch.TIMES)


def _curves_of(unit: Literal["seconds", "megabytes"], trained: Iterable[Trained]) -> Growth:
    curves: list[Curve] = [getattr(family, unit) for family in trained]
    samples = {
        curve.name: {int(size): [figure] for size, figure in curve.points} for curve in curves
    }
    return Growth("s" if unit == "seconds" else "MB", "patients", samples)


def steady(resolving: Mapping[int, Samples]) -> Goal:
    """Return how the time to resolve the champion may grow, held against each round."""
    smallest, largest = min(resolving), max(resolving)
    return Goal(
        f"resolving {SERVED}@champion with {largest:,} versions / with {smallest:,}",
        "at most",
        STEADY,
        ratios(resolving[largest], resolving[smallest]),
        "MLflow looks something up among all versions",
    )


def _left_out(trained: Iterable[Trained]) -> Iterator[str]:
    for curves in trained:
        if curves.left_out:
            sizes = ", ".join(f"{size:,}" for size in curves.left_out)
            yield (
                f"{curves.seconds.name} was not trained on {sizes} patients: by its last exponent, "
                "that would take longer than what is left of its share of "
                f"{growth_training.SHARE_SECONDS:.0f} s"
            )


def _validation() -> Iterator[str]:
    """Say what the validation of a package takes, which asks no registry."""
    try:
        folder = contract.newest()
    except PipelineError as error:
        yield f"no package was validated: {error}"
        return
    packager = ModelPackager()
    packager.validate_package(folder)
    times = []
    for _ in range(VALIDATIONS):
        started = perf_counter()
        packager.validate_package(folder)
        times.append(1_000 * (perf_counter() - started))
    yield f"to validate {folder.name} takes {spread(times)} ms, whatever the registry holds"


def _file(title: str) -> str:
    return "growth-" + re.sub(r"\W+", "-", title.lower().replace("'s", ""))
