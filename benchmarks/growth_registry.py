"""How long the registry takes as it grows: to register, to resolve, to promote, to be looked at.

Run in a process of its own, since MLflow knows one registry in a process:
`python -m benchmarks.growth_registry calls|doctor FOLDER SIZE...` prints its figures as JSON.
"""

import argparse
import json
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks import growth_store, measuring
from benchmarks.growth_store import PROMOTION, Lineage, Row
from pipeline.base.context import RunContext
from pipeline.base.names import HISTORY, SERVED, Family, registered_name
from pipeline.registry.care import RegistryCare
from pipeline.registry.client import Registry, connect
from pipeline.registry.look import look
from pipeline.registry.publishing import Submission
from pipeline.registry.version import Version

CALL_ROUNDS: Final = 5
DOCTOR_ROUNDS: Final = 3
# A short call is repeated, and its mean taken.
REPEATS: Final = 10
FAMILY: Final[Family] = "logistic_regression"
FAMILY_MODEL: Final = registered_name(FAMILY)
FILE_BYTES: Final = 1_000

REGISTER: Final = "register a version"
FIND: Final = "find the champion"
RESOLVE: Final = "resolve the champion, files checked"
PROMOTE: Final = "promote: settle and promote"
DOCTOR: Final = "the doctor's look at all"
EVERYDAY: Final = "the doctor's everyday look"
GRACE: Final = 3600
CALLING: Final = "calls"
LOOKING: Final = "doctor"
CALLS: Final = (REGISTER, FIND, RESOLVE, PROMOTE)

# By what was measured, then by size: the seconds of each round.
Figures = dict[str, dict[int, list[float]]]


class Grown:
    """Registries of several sizes in one folder, each with a database of its own.

    One version was really published, copied into the served model and promoted; the others are
    clones of it. Each database holds as many of the family's versions as of the served model's and
    as entries of the log.
    """

    def __init__(self, folder: Path, context: RunContext) -> None:
        """Make the registry that all others begin with."""
        self._folder, self._context = folder, context
        self.noise = random.Random(20260101)  # noqa: S311 (files of noise, not secrets)
        registry = self.open("seed")
        version = registry.publish(self.submission("seed"))
        registry.ensure_registered(SERVED, "served")
        served = registry.copy(version, SERVED, {})
        registry.promote(served, PROMOTION, over=registry.settle(SERVED))
        rows = (Row(FAMILY_MODEL, 1), Row(SERVED, 1), Row(HISTORY, 1))
        self._lineage = Lineage(version, rows)

    def context(self, name: str) -> RunContext:
        """Return what a command is given to work with a registry of this folder."""
        settings = self._context.settings
        update = {"tracking_uri": f"sqlite:///{self._folder / name}.db"}
        registry = settings.registry.model_copy(update=update)
        return replace(self._context, settings=settings.model_copy(update={"registry": registry}))

    def open(self, name: str) -> Registry:
        """Return a registry of this folder."""
        return connect(self.context(name).settings.registry)

    def submission(self, key: str) -> Submission:
        """Return what is published with a key."""
        return growth_store.submission(FAMILY, key, self.noise, FILE_BYTES, FILE_BYTES)

    def grow(self, size: int, files: int) -> None:
        """Make a registry with so many versions; so many of the newest have their files."""
        database = self._folder / f"{size}.db"
        shutil.copy(self._folder / "seed.db", database)
        models = growth_store.clone(database, self._lineage, range(1, size), pruned=False)
        (original,) = self._folder.glob(f"mlruns/*/models/{self._lineage.model_id}")
        for model in models[-files:]:
            shutil.copytree(original, original.with_name(model))
        # The aliases follow the log.
        self.open(str(size)).settle(SERVED)


def calls(grown: Grown, sizes: list[int]) -> Figures:
    """Measure in turns what readers and promoters do, at each number of versions."""
    for size in sizes:
        grown.grow(size, files=2)
    samples: Figures = {call: {size: [] for size in sizes} for call in CALLS}
    turns = measuring.in_turns([str(size) for size in sizes], CALL_ROUNDS)
    for number, turn in enumerate(turns):
        registry, size = grown.open(turn), int(turn)
        champion = registry.settle(SERVED)
        other = size - 1 if champion and champion.version == size else size
        for call, seconds in _round(
            registry, registry.version(SERVED, other), grown.submission(f"turn-{number}")
        ):
            samples[call][size].append(seconds)
    return samples


def _round(
    registry: Registry, other: Version, submission: Submission
) -> Iterator[tuple[str, float]]:
    yield REGISTER, _seconds(lambda: registry.publish(submission))
    yield FIND, _seconds(lambda: registry.champion(SERVED), REPEATS)
    yield RESOLVE, _seconds(lambda: registry.files(registry.champion(SERVED)), REPEATS)
    yield (
        PROMOTE,
        _seconds(lambda: registry.promote(other, PROMOTION, over=registry.settle(SERVED))),
    )


def doctor(grown: Grown, sizes: list[int]) -> Figures:
    """Measure in turns the doctor's looks at registries: at every file, and at what is new.

    Half of the versions are the family's, half are copies of them in the served model.
    """
    for size in sizes:
        grown.grow(size // 2, files=size // 2)
    samples: Figures = {name: {size: [] for size in sizes} for name in (DOCTOR, EVERYDAY)}
    for turn in measuring.in_turns([str(size) for size in sizes], DOCTOR_ROUNDS):
        settings = grown.context(str(int(turn) // 2)).settings.registry
        for name, since in ((DOCTOR, 0.0), (EVERYDAY, time.time() * 1000)):
            registry = RegistryCare(**dict(settings))
            seconds = _seconds(partial(look, registry, GRACE, since))
            samples[name][int(turn)].append(seconds)
    return samples


def _seconds(call: Callable[[], object], repeats: int = 1) -> float:
    started = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - started) / repeats


def main() -> None:
    """Measure in a folder, and print the figures as one line of JSON."""
    parser = argparse.ArgumentParser(description="See the module.")
    parser.add_argument("what", choices=(CALLING, LOOKING))
    parser.add_argument("folder", type=Path)
    parser.add_argument("sizes", type=int, nargs="+")
    asked = parser.parse_args()
    context = RunContext.read()
    # An embedded registry keeps its files below the current folder.
    os.chdir(asked.folder)
    measure = calls if asked.what == CALLING else doctor
    samples = measure(Grown(asked.folder, context), asked.sizes)
    print(json.dumps(samples))  # noqa: T201 (what whoever started it reads)


if __name__ == "__main__":
    main()
