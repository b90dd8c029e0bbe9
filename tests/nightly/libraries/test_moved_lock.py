"""A champion that the last minor versions stored, under the lock of today: every command."""

import subprocess
import sys

import pytest

from pipeline.base.names import FAMILIES, SERVED
from tests.nightly.libraries.conftest import surroundings

SAME = "is the same recipe, fitted to the same data by other libraries"


@pytest.fixture(scope="module")
def command(stored):
    """Return a function that runs a command of today there, and returns what it prints."""
    retrained = [sys.executable, "-m", "pipeline.feature_engineering"]
    subprocess.run(retrained, cwd=stored, env=surroundings(), check=True, capture_output=True)

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=stored,
            env=surroundings(),
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    return run


def test_the_report_says_what_the_libraries_do_and_keeps_the_champion(command):
    """Each family's champion is fitted again beside its frozen answers."""
    said = command("pipeline.report")

    assert f"champion      {SERVED}/1 (" in said
    assert SAME in said
    assert "changed       scikit-learn: " in said
    refits = [line for line in said.splitlines() if line.startswith("refitted")]
    assert refits
    assert all("at most" in line and "e-0" in line for line in refits)


def test_training_registers_nothing_and_moves_nothing(command):
    """A moved lock alone is no decision."""
    said = command("pipeline.experiment_tracking", "--once-per", "moved", "--reuse")

    assert f"verdict       keep: {SERVED}/1 {SAME}" in said
    assert f"unchanged     {', '.join(FAMILIES)}: no new version" in said


def test_the_champion_is_packaged_and_answers(command):
    """From its ONNX file, which no library of today wrote."""
    assert "every sha256 checked" in command("pipeline.model_packaging")


def test_the_doctor_finds_nothing_wrong(command):
    """A moved lock damages nothing."""
    assert "healthy" in command("pipeline.registry", "doctor", "--grace", "0")


def test_a_person_may_replace_it(command):
    """Also without any fault: the last test, since it moves the champion."""
    command("pipeline.experiment_tracking", "--once-per", "by-hand")

    said = command(
        *("pipeline.registry", "promote", "--version", "heart_disease_svm/2"),
        *("--reason", "new libraries"),
    )

    assert f"champion      {SERVED}/2, was {SERVED}/1" in said
