"""How things are measured: in turns, and what a command takes."""

import sys

import pytest

from benchmarks import measuring
from benchmarks.findings import BenchmarkError, Curve
from benchmarks.plots import bars, curves
from pipeline.report import drawing

WORK = """
import subprocess, sys, time
block = bytearray(80_000_000)
for n in range(0, len(block), 4096):
    block[n] = 1
child = "import time; t = time.process_time()\\nwhile time.process_time() - t < 0.6: pass"
subprocess.run([sys.executable, "-c", child], check=True)
"""


def test_everyone_has_one_turn_in_each_round_and_another_begins():
    """So that whatever follows a slow one is not always the same."""
    assert measuring.in_turns(["a", "b", "c"], 4) == list("abcbcacababc")


def test_a_command_is_measured_with_its_children(tmp_path):
    """The memory that the parent holds while a child works, and the child's work."""
    found = measuring.usage([sys.executable, "-c", WORK], tmp_path / "log", tmp_path, {})

    assert found.peak_mb > 80
    assert found.cpu_seconds > 0.4
    assert found.seconds > 0.6


def test_a_command_that_fails_is_no_measurement(tmp_path):
    """The error names it, its exit code and its last words."""
    command = [sys.executable, "-c", "import sys; print('early'); sys.exit('no such file')"]

    with pytest.raises(BenchmarkError, match=r"ended with 1: no such file$"):
        measuring.usage(command, tmp_path / "log", tmp_path, {})


def test_the_machine_is_named():
    """A figure says where, when and from which commit it comes."""
    found = measuring.machine()

    assert {"date", "commit", "machine", "versions"} == set(found)
    assert "scikit-learn" in found["versions"]


def test_plots_are_the_same_bytes_each_time():
    """Else every run would change files for no reason."""

    def drawn():
        growth = [Curve("ours", [(10, 1.0), (100, 1.1)]), Curve("log", [(10, 1.0), (100, 9.0)])]
        figures = {"ours": [1.0, 2.0, 3.0], "bare": [2.0]}
        return (
            drawing.figure_bytes(curves("Growth", "detail", ("versions", "s"), growth)),
            drawing.figure_bytes(bars("Speed", "detail", "requests/s", figures)),
        )

    assert drawn() == drawn()
