"""Run the tests: all of them, the fast ones, or those of single tasks.

All of them are held to the coverage floor. Further arguments go to pytest.

Exit codes: 0 passed; 1 a test failed, or the floor was missed; else pytest's own.

Examples:
  python run_tests.py                     every test, with the coverage floor
  python run_tests.py --fast              those that need no server, engine or browser
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
# What takes a server, an engine or a browser, or long, is in these folders.
SLOWER = ["tests/integration", "tests/nightly"]
# How long each test of the whole suite took, with what was prepared for it.
RECORD = "reports/tests.xml"
TOTAL = ["-o", "junit_duration_report=total"]


def main(arguments: list[str]) -> int:
    """Run pytest on the chosen tasks and return its exit code."""
    parser = argparse.ArgumentParser(
        usage="%(prog)s [OPTIONS]",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for task, name in TASKS.items():
        rooms = " and its rooms" if ROOMS[task] else ""
        parser.add_argument(f"--{task}", action="store_true", help=f"the tests of {name}{rooms}")
    parser.add_argument("--fast", action="store_true", help="without server, engine or browser")
    chosen, further = parser.parse_known_args(arguments)
    tasks = [task for task in TASKS if getattr(chosen, task)]
    part = [f"tests/{name}" for t in tasks for name in (f"{t}_{TASKS[t]}", *ROOMS[t])]
    part += [f"--ignore={folder}" for folder in SLOWER if chosen.fast] + further
    os.chdir(ROOT)
    # The floor is a promise about the whole suite; a part of it cannot keep it.
    coverage = ["--cov", "--cov-fail-under=0"] if part else ["--cov"]
    # A process per core; a file stays in one process, so that what it prepares is prepared once.
    # They begin in the order of `tests/conftest.py`.
    spread = ["--numprocesses=auto", "--dist=loadfile", "--no-loadscope-reorder"]
    record = [] if part else [f"--junit-xml={RECORD}", *TOTAL]
    several = spread if chosen.fast or not part else []
    code = pytest.main([*coverage, *several, *record, *part])
    if record and code == pytest.ExitCode.INTERRUPTED:
        # It holds a part of the tests.
        Path(RECORD).unlink(missing_ok=True)
    return int(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
