"""How the registry's branch grows with merges: its size, its database, and the time to clone it.

Each merge publishes four new versions for real, into MLflow's own database, with files as large as
those of the real models and filled with noise, which no compression helps: an upper bound. Every
twentieth merge promotes a champion, whose files are kept for good.

Example:
    python -m benchmarks.registry_branch --merges 1000

"""

import argparse
import os
import random
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from pipeline import config, registry_branch
from pipeline.adapters.git_branch import GitBranch
from pipeline.adapters.registry import Registry, Submission, Version
from pipeline.core.history import Crowning
from pipeline.core.policies import FAMILIES
from pipeline.core.promotion import SERVED, registered_name

MEGABYTE = 1_000_000
# Bytes of a version's files, of its run's figures, and of its tags and metrics, as the pipeline
# writes them.
MODEL = {
    "random_forest": 2_900_000,
    "logistic_regression": 130_000,
    "gradient_boosting": 240_000,
    "svm": 130_000,
}
FIGURES = 90_000
VERDICT = 6_000
METRICS, PARAMETERS = 40, 30
PROMOTED_EVERY = 20
# A publish prunes every time; the result is the same.
PRUNED_EVERY = 10


def submission(family: str, merge: int, noise: random.Random) -> Submission:
    """Return what a merge publishes of a family."""
    return Submission(
        model_name=registered_name(family),
        description=family,
        run_name=family,
        source_name="benchmark",
        key=f"merge-{merge}",
        files={"model.skops": noise.randbytes(MODEL[family])},
        figures={"figures.png": noise.randbytes(FIGURES)},
        parameters={f"parameter.{n}": str(n) for n in range(PARAMETERS)},
        metrics={f"metric_{n}": noise.random() for n in range(METRICS)},
        tags={
            "family": family,
            "git_commit": noise.randbytes(20).hex(),
            "model_digest": noise.randbytes(32).hex(),
            "gate_verdict": noise.randbytes(VERDICT // 2).hex(),
        },
        dataset="cleveland",
        dataset_digest="e" * 64,
        dataset_source="data/processed/training.parquet",
    )


def merge(registry: Registry, number: int, noise: random.Random) -> None:
    """Publish four versions, and now and then crown one of them."""
    crowning = Crowning(at=str(number), by="x", action="promoted", reason="x", commit="x")
    made: list[Version] = []
    for family in FAMILIES:
        version = registry.publish(submission(family, number, noise))
        registry.crown(version, crowning, over=registry.settle(version.model_name))
        made.append(version)
    if number % PROMOTED_EVERY == 0:
        registry.ensure_registered(SERVED, "served")
        chosen = registry.copy(made[number // PROMOTED_EVERY % len(made)], SERVED, {})
        registry.crown(chosen, crowning, over=registry.settle(SERVED))


def measure(folder: Path, scratch: Path) -> tuple[float, float, float]:
    """Return the megabytes of a clone and of the packed database, and the seconds to clone."""
    copy = shutil.copytree(folder, scratch / "packed")
    registry_branch.pack(copy)
    packed = (copy / registry_branch.PACKED).stat().st_size
    remote, clone = scratch / "remote.git", scratch / "clone"
    subprocess.run(["git", "init", "--quiet", "--bare", remote], check=True)
    branch = GitBranch(str(remote), "mlflow-registry", scratch / "branch")
    branch.read()
    shutil.copytree(copy, branch.folder, dirs_exist_ok=True)
    branch.replace("", "measured")
    started = time.perf_counter()
    command = ["git", "clone", "--quiet", "--branch", branch.name, f"file://{remote}", clone]
    subprocess.run(command, check=True)
    seconds = time.perf_counter() - started
    size = sum(path.stat().st_size for path in (clone / ".git").rglob("*") if path.is_file())
    for path in (copy, remote, clone, branch.folder):
        shutil.rmtree(path)
    return size / MEGABYTE, packed / MEGABYTE, seconds


def main() -> None:
    """Merge, prune as a publish does, measure at powers of ten and the end, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--merges", type=int, default=1000, help="default: %(default)s")
    merges = parser.parse_args().merges
    moments = {n for n in (1, 10, 100, 1000, 10_000) if n < merges} | {merges}
    policy = config.load().registry_branch.keep
    noise = random.Random(20260101)  # noqa: S311 (files of noise, not secrets)
    table = Table(*("merges", "to clone, MB", "of it database, MB", "clone, s", "merge, s"))
    with tempfile.TemporaryDirectory() as name:
        scratch, folder = Path(name), Path(name, "registry")
        folder.mkdir()
        os.chdir(folder)
        registry = Registry(f"sqlite:///{folder}/mlflow.db", "heart-disease")
        for number in track(range(1, merges + 1), "Merging"):
            started = time.perf_counter()
            merge(registry, number, noise)
            if number % PRUNED_EVERY == 0 or number in moments:
                (folder / "mlruns").rename(folder / "artifacts")
                registry_branch.prune(registry, folder, policy)
                (folder / "artifacts").rename(folder / "mlruns")
            seconds = time.perf_counter() - started
            if number in moments:
                size, packed, clone = measure(folder, scratch)
                row = (f"{size:.1f}", f"{packed:.1f}", f"{clone:.2f}", f"{seconds:.1f}")
                table.add_row(f"{number:,}", *row)
        os.chdir(scratch)
    Console().print(table)


if __name__ == "__main__":
    main()
