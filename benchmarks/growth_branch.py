"""How the registry's branch grows with merges: its size, its database, and the time to clone it.

A merge publishes four versions for real, into MLflow's own database, with files as large as those
of the real models and filled with noise, which no compression helps: an upper bound. Every
twentieth promotes a champion, whose files are kept for good. Of twenty merges the first and the
last are real, and so are the last ones before a measurement, whose files stay; of the others, which
pruning leaves no files, the rows are cloned.

Run in a process of its own, since MLflow knows one registry in a process:
`python -m benchmarks.growth_branch FOLDER MERGES...` prints its figures as JSON.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import time
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks import growth_store
from benchmarks.growth_store import PROMOTION, Lineage, Row
from benchmarks.measuring import MEGABYTE
from pipeline.base import config, git_settings
from pipeline.base.git import Remote
from pipeline.base.names import FAMILIES, HISTORY, SERVED
from pipeline.base.policies import RetentionPolicy
from pipeline.registry.branch import PACKED, pack, prune
from pipeline.registry.client import Registry
from pipeline.registry.git_branch import GitBranch
from pipeline.registry.version import Version

# Bytes of a version's files and of its run's figures, as the pipeline writes them.
MODEL: Final = {
    "random_forest": 2_900_000,
    "logistic_regression": 130_000,
    "gradient_boosting": 240_000,
    "svm": 130_000,
}
FIGURES: Final = 90_000
PROMOTED_EVERY: Final = 20
CLONINGS: Final = 3
SIZE: Final = "to clone"
DATABASE: Final = "of it the packed database"
CLONE: Final = "to clone it"
MERGE: Final = "one merge"
SIZES: Final = (SIZE, DATABASE)
TIMES: Final = (CLONE, MERGE)


class Growing:
    """A registry in a folder, into which merges are made, and the branch that it would be."""

    def __init__(self, folder: Path, policy: RetentionPolicy) -> None:
        """Begin with an empty registry in the current folder."""
        self._folder, self._policy = folder / "registry", policy
        self._scratch = folder
        self._folder.mkdir()
        os.chdir(self._folder)
        self._database = self._folder / "mlflow.db"
        self._registry = Registry(f"sqlite:///{self._database}", "heart-disease")
        self._noise = random.Random(20260101)  # noqa: S311 (files of noise, not secrets)
        self._merges = self._entries = 0

    def grow(self, moment: int) -> dict[str, float]:
        """Merge until there were so many merges, prune, and measure the branch."""
        seconds = []
        while self._merges < moment:
            started = time.perf_counter()
            made = self._merge()
            seconds.append(time.perf_counter() - started)
            self._clone(made, moment)
        self._prune()
        return {**self._measure(), MERGE: median(seconds)}

    def _merge(self) -> list[Version]:
        """Publish four versions, make each its family's champion, and now and then one of all."""
        self._merges += 1
        made = []
        for family in FAMILIES:
            version = self._registry.publish(
                growth_store.submission(
                    family, f"merge-{self._merges}", self._noise, MODEL[family], FIGURES
                )
            )
            self._promote(version)
            made.append(version)
        if self._merges % PROMOTED_EVERY == 0:
            self._registry.ensure_registered(SERVED, "served")
            chosen = made[self._merges // PROMOTED_EVERY % len(made)]
            self._promote(self._registry.copy(chosen, SERVED, {}))
        return made

    def _promote(self, version: Version) -> None:
        over = self._registry.settle(version.model_name)
        self._registry.promote(version, PROMOTION, over=over)
        self._entries += 1

    def _clone(self, made: list[Version], moment: int) -> None:
        """Clone a merge without a promotion as far as the next one that has to be real."""
        end = min(
            moment - self._policy.versions, self._merges // PROMOTED_EVERY * PROMOTED_EVERY + 19
        )
        between = range(1, end - self._merges + 1)
        if not between or self._merges % PROMOTED_EVERY == 0:
            return
        first = self._entries - len(made) + 1
        lineages = [
            Lineage(
                version,
                (
                    Row(version.model_name, version.version),
                    Row(HISTORY, first + later, distance=len(made)),
                ),
            )
            for later, version in enumerate(made)
        ]
        # One after the other, as merges come: what compresses lies as near to its like.
        for distance in between:
            for lineage in lineages:
                growth_store.clone(self._database, lineage, [distance], pruned=True)
        self._merges = end
        self._entries += len(between) * len(made)

    def _prune(self) -> None:
        # An embedded registry keeps its files in another folder than the server of a branch.
        (self._folder / "mlruns").rename(self._folder / "artifacts")
        prune(self._registry, self._folder, self._policy)
        (self._folder / "artifacts").rename(self._folder / "mlruns")

    def _measure(self) -> dict[str, float]:
        copy = shutil.copytree(self._folder, self._scratch / "packed")
        pack(copy)
        packed = (copy / PACKED).stat().st_size
        remote = self._scratch / "remote.git"
        here = git_settings.reading(os.environ)
        subprocess.run(["git", "init", "--quiet", "--bare", remote], env=here, check=True)
        origin = Remote(self._scratch, (("remote.origin.url", str(remote)),))
        branch = GitBranch(origin, "mlflow-registry", self._scratch / "branch")
        branch.read()
        shutil.copytree(copy, branch.folder, dirs_exist_ok=True)
        branch.replace("", "measured")
        size, seconds = self._cloned(branch)
        for path in (copy, remote, branch.folder):
            shutil.rmtree(path)
        return {SIZE: size / MEGABYTE, DATABASE: packed / MEGABYTE, CLONE: seconds}

    def _cloned(self, branch: GitBranch) -> tuple[int, float]:
        """Return the bytes of a clone, and the median of the seconds that it takes."""
        clone, times, here = self._scratch / "clone", [], git_settings.reading(os.environ)
        command = ["git", "clone", "--quiet", "--branch", branch.name]
        command += [f"file://{branch.remote.shown}", str(clone)]
        for _ in range(CLONINGS):
            shutil.rmtree(clone, ignore_errors=True)
            started = time.perf_counter()
            subprocess.run(command, env=here, check=True)
            times.append(time.perf_counter() - started)
        files = (path for path in (clone / ".git").rglob("*") if path.is_file())
        size = sum(path.stat().st_size for path in files)
        shutil.rmtree(clone)
        return size, median(times)


def main() -> None:
    """Merge, measure at each of the moments, and print the figures as one line of JSON."""
    parser = argparse.ArgumentParser(description="See the module.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("merges", type=int, nargs="+")
    asked = parser.parse_args()
    growing = Growing(asked.folder, config.load().registry_branch.keep)
    growth = {moment: growing.grow(moment) for moment in asked.merges}
    print(json.dumps(growth))  # noqa: T201 (what whoever started it reads)


if __name__ == "__main__":
    main()
