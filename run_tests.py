"""Run the tests by tier, or those of single tasks, spread over the cores.

fast         no server, engine or browser
integration  a real server, image, browser or registry; skipped with a reason where it is missing
nightly      faults, races, executed workflows, documentation, benchmarks: what takes long

Without an option: fast and integration, held to the coverage floor, as all tiers together are. The
slowest twenty come at the end. Further arguments go to pytest.

Exit codes: 0 passed; 1 a test failed, or the floor was missed; else pytest's own.

Examples:
  python run_tests.py                     the fast and the integration tests
  python run_tests.py --fast              the fast ones
  python run_tests.py --all               every tier
  python run_tests.py --task1 --task3     the tests of tasks 1 and 3
  python run_tests.py --task2 -k leak -x  further arguments go to pytest

"""

import argparse
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
TASKS = {
    "task1": "data_acquisition_eda",
    "task2": "feature_engineering",
    "task3": "experiment_tracking",
    "task4": "model_packaging",
}
# The rooms that a task is made of.
ROOMS = {
    "task1": ("dataset", "table"),
    "task2": ("evaluation", "training"),
    "task3": ("gate", "registry"),
    "task4": (),
}
INTEGRATION, NIGHTLY = "tests/integration", "tests/nightly"
# The arguments of pytest that choose a tier.
TIERS = {
    "fast": [f"--ignore={INTEGRATION}", f"--ignore={NIGHTLY}"],
    "nightly": [NIGHTLY],
    "all": [],
}
HELP = {
    "fast": "the fast tier alone",
    "nightly": "the nightly tier alone",
    "all": "every tier",
}
# A process per core; a file stays in one process, so that what it prepares is prepared once.
# They begin in the order of `tests/conftest.py`.
SPREAD = ["--numprocesses=auto", "--dist=loadfile", "--no-loadscope-reorder"]
SLOWEST = ["--durations=20", "--durations-min=0.5"]
# How long each test took, with what was prepared for it.
RECORD = "reports/tests.xml"
TOTAL = ["-o", "junit_duration_report=total"]


def main(arguments: list[str]) -> int:
    """Run pytest on the chosen tests and return its exit code."""
    parser = argparse.ArgumentParser(
        usage="%(prog)s [OPTIONS]",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for task, name in TASKS.items():
        rooms = " and its rooms" if ROOMS[task] else ""
        parser.add_argument(f"--{task}", action="store_true", help=f"the tests of {name}{rooms}")
    tiers = parser.add_mutually_exclusive_group()
    for tier in TIERS:
        tiers.add_argument(f"--{tier}", action="store_true", help=HELP[tier])
    chosen, further = parser.parse_known_args(arguments)
    tasks = [task for task in TASKS if getattr(chosen, task)]
    part = [f"tests/{name}" for t in tasks for name in (f"{t}_{TASKS[t]}", *ROOMS[t])] + further
    os.chdir(ROOT)
    return _run(next((tier for tier in TIERS if getattr(chosen, tier)), ""), part)


def _run(tier: str, part: list[str]) -> int:
    # The floor is a promise about all that every change is held to; a part cannot keep it, and to
    # measure takes a third of the time.
    whole = tier in {"", "all"} and not part
    coverage = ["--cov"] if whole else []
    record = [f"--junit-xml={RECORD}", *TOTAL] if whole else []
    named = any(Path(argument.partition("::")[0]).exists() for argument in part)
    tests = TIERS.get(tier, [] if named else [f"--ignore={NIGHTLY}"])
    code = pytest.main([*coverage, *SPREAD, *SLOWEST, *record, *tests, *part])
    if record and code == pytest.ExitCode.INTERRUPTED:
        # It holds a part of the tests.
        Path(RECORD).unlink(missing_ok=True)
    return int(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
