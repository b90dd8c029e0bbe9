"""The command `python -m benchmarks`: what it writes, keeps, compares and refuses."""

import json
import math
import re
from functools import partial
from pathlib import Path

import pytest

import benchmarks.__main__ as command
from benchmarks.findings import BenchmarkError, Goal, Section, Table
from tests import command_line


def finding(name, speed, **more):
    """Return what a part would find that took no time."""
    figures = {"ours: requests/s": [speed, speed + 1], "theirs: requests/s": [math.nan]}
    table = Table(f"Speed of {name}", ("server", "requests/s of one patient"), [("ours", "1")])
    return Section(name, name.title(), "How.", figures, [table], **more)


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """Let every part find something at once, below a folder; what it finds can be changed."""
    found = {name: finding(name, 10.0) for name in command.MEASURE}

    def measure(name, *, quick):
        assert isinstance(quick, bool)
        if isinstance(found[name], Exception):
            raise found[name]
        return found[name]

    parts = {name: partial(measure, name) for name in command.MEASURE}
    monkeypatch.setattr(command, "MEASURE", parts)
    monkeypatch.setattr(command.ending, "heed_signals", lambda: None)
    monkeypatch.chdir(tmp_path)
    return found


def results():
    """Return what was written."""
    return json.loads(command.RESULTS.read_bytes())


def test_everything_that_was_found_is_written(measured):
    """The page, the plots, and the JSON without what was not seen."""
    measured["growth"] = finding("growth", 3.0, plots={"training": b"PNG"})

    command.main()

    assert list(results()) == list(command.MEASURE)
    figures = results()["growth"]["section"]["figures"]
    assert figures == {"ours: requests/s": [3.0, 4.0]}
    assert (command.PLOTS / "training.png").read_bytes() == b"PNG"
    assert "![training](plots/training.png)" in command.PAGE.read_text()


def test_a_part_alone_replaces_its_own_section(measured):
    """The others stay as they were measured, with their own date and commit."""
    command.main()
    before = results()
    measured["image"] = finding("image", 99.0)

    command.main([command.Part("image")])

    after = results()
    assert after.pop("image") != before.pop("image")
    assert after == before
    assert list(results()) == list(command.MEASURE)
    assert command.PAGE.read_text().count("### Speed of") == len(command.MEASURE)


@pytest.mark.usefixtures("measured")
def test_a_quick_look_writes_nothing(capsys):
    """A few rounds are good for a glance, not for a record."""
    command.main(quick=True)

    assert "Speed of serving" in capsys.readouterr().out
    assert not command.RESULTS.parent.exists()


def test_a_part_that_fails_keeps_no_other_from_being_measured(measured):
    """Half an hour of measurements is not lost to a missing program; the error comes last."""
    measured["image"] = BenchmarkError("Docker is missing")

    with pytest.raises(BenchmarkError, match="not measured: image: Docker is missing"):
        command.main()

    assert list(results()) == [name for name in command.MEASURE if name != "image"]


def test_another_commit_is_compared_with(measured, capsys):
    """Each figure that both have, with the ratio of the medians."""
    command.main()
    Path("old.json").write_bytes(command.RESULTS.read_bytes())
    measured["serving"] = finding("serving", 20.0)
    capsys.readouterr()

    command.main([command.Part("serving")], against=Path("old.json"))

    shown = capsys.readouterr().out
    assert re.search(
        r"ours: requests/s .* 10.5 \(10-11\) .* 20.5 \(20-21\) .* 1.95 .* changed", shown
    )


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize("content", [None, b"", b"[1, 2", b"\xff"])
def test_results_that_cannot_be_read_are_named_before_anything_is_measured(content):
    """A misspelt file is found before half an hour of work."""
    if content is not None:
        Path("old.json").write_bytes(content)

    with pytest.raises(BenchmarkError, match=r"cannot read old\.json as results"):
        command.main(against=Path("old.json"))

    assert not command.RESULTS.exists()


def test_a_missed_goal_is_shown_with_its_reason(measured, capsys):
    """On the console as on the page."""
    goal = Goal("image, MB", "at most", 200, [300.0], why="a compiler")
    measured["image"] = finding("image", 1.0, goals=[goal])

    command.main([command.Part("image")])

    assert "a compiler" in capsys.readouterr().out
    assert (
        "| image, MB | at most 200 | 300 | **not reached** | a compiler |"
        in command.PAGE.read_text()
    )


def test_help_shows_examples_and_a_misspelt_part_is_refused():
    """The parts are named by the error too."""
    assert "python -m benchmarks --quick" in command_line.call("benchmarks", "--help").stdout
    refused = command_line.call("benchmarks", "servng")
    assert refused.returncode == 2
    assert "'serving'" in refused.stderr
