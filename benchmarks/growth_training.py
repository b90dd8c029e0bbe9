"""How training grows with the number of patients: the time and the memory of one fit.

Each fit runs in a process of its own: `python -m benchmarks.growth_training FAMILY ROWS` prints the
seconds of the fit, and the MB that the table and the fit took beyond a warm process, as JSON.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
import psutil

from benchmarks import growth_process, measuring
from benchmarks.findings import Curve
from pipeline.base import artifacts, config
from pipeline.base.names import FAMILIES, Family
from pipeline.dataset.contract import Kind
from pipeline.evaluation import cross_validation
from pipeline.table import parsing, source
from pipeline.table.contract import FIELDS, TARGET
from pipeline.training import families, workspace

SIZES: Final[tuple[int, ...]] = (300, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
QUICK_SIZES: Final[tuple[int, ...]] = (300, 3_000, 10_000)
QUICK_FAMILIES: Final = FAMILIES[:2]
# What all fits of a family may take, their processes' start included.
SHARE_SECONDS: Final = 45.0
# A quick fit is repeated for so long, and the fastest counts: others only disturb.
REPEATED_SECONDS: Final = 0.5
# Of a field's standard deviation: no two patients are the same any more.
NOISE: Final = 0.05
# Less is how memory happens to be handed out, and says nothing.
LEAST_MEGABYTES: Final = 1.0
# The next size is at least so much dearer in proportion to the rows.
LEAST_EXPONENT: Final = 1.0


class Trained(NamedTuple):
    """The curves of a family, and the sizes that would have taken longer than its share."""

    seconds: Curve
    megabytes: Curve
    left_out: tuple[int, ...]


def measure(family: Family, sizes: tuple[int, ...], scratch: Path) -> Trained:
    """Fit a family to ever more patients, as long as the next fit fits into its share."""
    seconds: list[tuple[float, float]] = []
    megabytes: list[tuple[float, float]] = []
    spent = 0.0
    for size in sizes:
        if spent + _expected(seconds, size) > SHARE_SECONDS:
            break
        started = time.perf_counter()
        measured = growth_process.measured("growth_training", family, str(size), scratch=scratch)
        spent += time.perf_counter() - started
        seconds.append((size, measured["seconds"]))
        if measured["megabytes"] >= LEAST_MEGABYTES:
            megabytes.append((size, measured["megabytes"]))
    left_out = sizes[len(seconds) :]
    return Trained(Curve(family, seconds), Curve(family, megabytes), left_out)


def _expected(seen: list[tuple[float, float]], size: int) -> float:
    """Return the seconds that a fit would take, by the exponent of the last two sizes."""
    if len(seen) < 2:  # noqa: PLR2004 (a slope needs two)
        return 0.0
    last, seconds = seen[-1]
    exponent = max(Curve("", seen[-2:]).exponent, LEAST_EXPONENT)
    return float(seconds * (size / last) ** exponent)


def patients(rows: int, seed: int) -> pd.DataFrame:
    """Return patients of Cleveland drawn with replacement, with noise on what is measured.

    One in twenty of the other answers is another patient's, so that a model has no copies to learn.
    """
    table = parsing.training_table(parsing.parse(source.read(artifacts.RAW)))
    random = np.random.default_rng(seed)
    drawn = table.iloc[random.integers(len(table), size=rows)].reset_index(drop=True)
    for field in FIELDS:
        values = drawn[field.name]
        if field.kind is Kind.CONTINUOUS:
            noise = random.normal(0, NOISE * table[field.name].std(), rows)
            drawn[field.name] = (values + noise).clip(field.low, field.high)
        else:
            others = table[field.name].to_numpy()[random.integers(len(table), size=rows)]
            drawn[field.name] = values.where(random.random(rows) >= NOISE, others)
    return drawn.astype({TARGET: "int64"})


def main() -> None:
    """Fit once, or for half a second, and print what it took."""
    parser = argparse.ArgumentParser(description="See the module.")
    parser.add_argument("family", choices=FAMILIES)
    parser.add_argument("rows", type=int)
    asked = parser.parse_args()
    plan = workspace.plan(config.load())
    model = families.build(asked.family, plan)
    # What is loaded at the first use belongs to no size.
    cross_validation.fit(model, patients(SIZES[0], plan.model_seed))
    before = psutil.Process().memory_info().rss
    table = patients(asked.rows, plan.model_seed)
    times: list[float] = []
    _forget_peak()
    while sum(times) < REPEATED_SECONDS:
        started = time.perf_counter()
        cross_validation.fit(model, table)
        times.append(time.perf_counter() - started)
    figures = {"seconds": min(times), "megabytes": (_peak() - before) / measuring.MEGABYTE}
    print(json.dumps(figures))  # noqa: T201 (what whoever started it reads)


def _forget_peak() -> None:
    """Let the peak of the memory begin again: the making of the table is not training."""
    Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    """Return the peak of the process's memory in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
