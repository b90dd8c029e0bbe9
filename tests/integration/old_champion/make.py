"""Make `champion.tar.gz`: a registry and its champion's package, as ``COMMIT`` leaves them.

Run with the lock of that commit: ``python -m tests.integration.old_champion.make``. The registry is
what the branch `mlflow-registry` holds, whose addresses name no path of a machine, without the
figures of its runs. Small settings keep the models small; each family has a champion.
"""

import gzip
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from pipeline.base import archives, config
from pipeline.base.artifacts import PACKAGES, REGISTRY, files_below, write_file
from tests.conftest import QUICK, ROOT

COMMIT = "378a99fb670461776616314abebef858ad1fbe34"
ARCHIVE = Path(__file__).with_name("champion.tar.gz")
# Other parameters than the tests train with: today's models must not be the same, byte for byte.
SMALL = QUICK | {
    "MODELS__RANDOM_FOREST__N_ESTIMATORS": "5",
    "MODELS__GRADIENT_BOOSTING__N_ESTIMATORS": "15",
    "MODELS__GRADIENT_BOOSTING__LEARNING_RATE": "0.2",
    "MODELS__LOGISTIC_REGRESSION__C": "0.2",
    "MODELS__SVM__C": "0.6",
}
# The old commit registers whatever it trains, and does not know the setting.
del SMALL["REGISTER_OVERRIDDEN"]


def main():
    """Let a clone at the old commit train, register and package, and keep what that leaves."""
    module = [sys.executable, "-m"]
    tasks = ("pipeline.experiment_tracking", "pipeline.model_packaging")
    both = " && ".join(shlex.join([*module, task]) for task in tasks)
    with tempfile.TemporaryDirectory() as scratch:
        clone = Path(scratch, "clone")
        run(ROOT, "git", "clone", "--quiet", "--config=user.name=Ann", str(ROOT), str(clone))
        run(clone, "git", "checkout", "--quiet", "--detach", COMMIT)
        run(clone, "git", "init", "--quiet", "--bare", "../remote.git")
        run(clone, "git", "remote", "set-url", "origin", "../remote.git")
        run(clone, *module, "pipeline.data_acquisition_eda")
        run(clone, *module, "pipeline.feature_engineering")
        run(clone, *module, "pipeline.registry_branch", "--", "sh", "-c", both)
        registry = files_below(clone / REGISTRY)
        package = files_below(clone / PACKAGES / "heart_disease_model_v1")
    kept = {
        f"registry/{name}": content
        for name, content in registry.items()
        if not name.startswith((".git/", "SHA256SUMS")) and "/figures/" not in name
    } | {f"package/{name}": content for name, content in package.items()}
    write_file(ARCHIVE, gzip.compress(archives.tar(kept), mtime=0))


def run(folder, *command):
    """Run a command in a folder, as a person who has set nothing but the small settings."""
    outside = {k: v for k, v in os.environ.items() if not k.startswith((config.PREFIX, "MLFLOW_"))}
    small = {f"{config.PREFIX}{name}": value for name, value in SMALL.items()}
    subprocess.run(command, cwd=folder, env=outside | small, check=True)


if __name__ == "__main__":
    main()
