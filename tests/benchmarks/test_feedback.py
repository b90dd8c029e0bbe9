"""What a push waits for: the executed jobs and the record of the tests, as figures and tables."""

import json
import os
import signal
import sys
import threading
import time
from types import SimpleNamespace

import psutil
import pytest

from benchmarks import ending, feedback
from benchmarks.findings import BenchmarkError

RECORD = b"""<?xml version="1.0" encoding="utf-8"?>
<testsuites><testsuite time="9.5" timestamp="2026-11-25T20:39:11.5+00:00">
<testcase classname="tests.nightly.faults.test_calls" name="test_a[1]" time="4.0" />
<testcase classname="tests.nightly.faults.test_calls.TestB" name="test_b" time="2.0" />
<testcase classname="tests.image.test_image" name="test_c" time="5.0"><skipped /></testcase>
<testcase classname="tests.integration.image.test_it" name="test_d" time="6.0" />
<testcase classname="tests.integration.serving.test_it" name="test_e" time="2.0" />
</testsuite></testsuites>"""
# A workflow that takes a while, and tidies up when it is told to end.
PLAYS = """
import pathlib, signal, sys, time
def tidy(*_):
    pathlib.Path("tidied").touch()
    sys.exit(1)
signal.signal(signal.SIGTERM, tidy)
pathlib.Path("begun").touch()
time.sleep(60)
"""


def job(name, result="success", **steps):
    """Return a job of the pull request as it is written down, with the seconds of its steps."""
    return {
        "workflow": "comment" if name == "comment" else "pull-request",
        "seconds": 1.0 if name == "comment" else 70.0,
        "job": name,
        "result": result,
        "log": f"reports/workflows/{name}.log",
        "steps": [
            {"name": step, "result": result, "seconds": took} for step, took in steps.items()
        ],
    }


JOBS = [
    job("check", check=20.0),
    job("fast", tools=0.25, **{"Run the fast tests": 10.0}),
    job("integration", **{"Run the tests": 1.0}),
    job("image", build=30.0, verify=15.0),
    job("report", train=25.0),
    job("required-checks-pass", accept=0.5),
    job("comment", post=1.5),
]


def played(jobs=JOBS):
    """Return what executed jobs tell."""
    return feedback.read(json.dumps(jobs).encode())


def rows(section, title):
    """Return the rows of a section's table by the beginning of its title."""
    return next(table.rows for table in section.tables if table.title.startswith(title))


@pytest.fixture
def plays(tmp_path, monkeypatch):
    """Return a function that lets a program stand for the one that executes the workflows."""
    monkeypatch.chdir(tmp_path)

    def play(program):
        monkeypatch.setattr(feedback, "PLAY", (sys.executable, "-c", program))

    return play


def test_the_comment_waits_for_the_report_and_the_required_check_for_the_slowest_job():
    """The others run beside them."""
    chains = {
        what: [(step.job, step.name) for step in steps]
        for what, steps in feedback.chains(played(), None).items()
    }

    assert chains == {
        "to the comment": [("report", "train"), ("comment", "post")],
        "to required-checks-pass": [
            ("image", "build"),
            ("image", "verify"),
            ("required-checks-pass", "accept"),
        ],
    }


@pytest.mark.parametrize(
    ("seconds", "expected"), [(1900.0, 600.5), (19.0, 45.5)], ids=["integration", "image"]
)
def test_with_every_test_the_jobs_that_test_take_their_share(seconds, expected):
    """Of 19 seconds: 5 of fast tests, 6 of the longer group; what runs at night takes none."""
    tests = feedback.Tests.of(RECORD)._replace(seconds=seconds)
    found = feedback.section(played(), tests)

    assert found.figures["seconds to required-checks-pass"] == [45.5]
    assert found.figures["seconds to required-checks-pass, with every test"] == [expected]


def test_every_step_is_a_figure_and_a_short_one_no_line():
    """Under the name of its job."""
    found = feedback.section(played(), None)

    assert found.figures["seconds of fast: tools"] == [0.25]
    assert found.figures["seconds of everything, on these cores"] == [71.0]
    assert ("image", "", "45") in rows(found, "Each job")
    assert ("", "verify", "15") in rows(found, "Each job")
    assert "tools" not in str(rows(found, "Each job"))


def test_the_slowest_tests_and_files_come_first():
    """With the day of the record."""
    found = feedback.section(None, feedback.Tests.of(RECORD))

    assert rows(found, "The slowest tests, of 2026-11-25T20:39: 5 in 9.5 s") == [
        ("integration/image/test_it.py::test_d", "6"),
        ("image/test_image.py::test_c", "5"),
        ("nightly/faults/test_calls.py::test_a[1]", "4"),
        ("nightly/faults/test_calls.py::TestB::test_b", "2"),
        ("integration/serving/test_it.py::test_e", "2"),
    ]
    assert rows(found, "The slowest files") == [
        ("nightly/faults/test_calls.py", "6"),
        ("integration/image/test_it.py", "6"),
        ("image/test_image.py", "5"),
        ("integration/serving/test_it.py", "2"),
    ]
    assert found.figures["seconds of every test"] == [9.5]


def test_a_quick_look_executes_nothing(tmp_path, monkeypatch):
    """It says what makes the record, where there is none."""
    monkeypatch.chdir(tmp_path)
    found = feedback.measure(quick=True)

    assert found.tables == []
    assert "`make test` makes it" in found.notes[0]


@pytest.mark.parametrize("record", [b"", b"<testsuites/>"])
def test_a_record_without_tests_is_one_line_with_the_next_step(record):
    """A run that was killed may have left it."""
    with pytest.raises(BenchmarkError, match="run `make test`"):
        feedback.Tests.of(record)


def test_a_job_that_failed_is_named_with_its_log():
    """What it took is not what a good pull request waits for."""
    with pytest.raises(BenchmarkError, match=r"job check .* failure: see reports/workflows/check"):
        played([job("check", "failure", check=1.0)])


def test_what_is_missing_is_one_line(plays):
    """As the program says it that executes the workflows."""
    plays("import sys; sys.exit('no Docker engine answers')")

    with pytest.raises(BenchmarkError, match=r"no Docker engine answers$"):
        feedback.measure(quick=False)


def test_what_was_executed_is_measured(plays):
    """It writes its record where it is told to."""
    plays(f"import pathlib, sys; pathlib.Path(sys.argv[1]).write_text({json.dumps(JOBS)!r})")
    found = feedback.measure(quick=False)

    assert found.figures["seconds to the comment"] == [26.5]
    assert found.plots["feedback"].startswith(b"\x89PNG")


def test_an_interrupted_play_tidies_up(plays, tmp_path):
    """Its containers and images are not left."""
    plays(PLAYS)

    def interrupt():
        while not (tmp_path / "begun").exists():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        feedback.measure(quick=False)

    assert (tmp_path / "tidied").exists()


def test_a_play_that_is_interrupted_while_it_starts_tidies_up(plays, tmp_path, monkeypatch):
    """The signal may come before the process is known to the one that started it."""
    plays(PLAYS)

    def start_late(*arguments, **options):
        started = psutil.Popen(*arguments, **options)
        while not (tmp_path / "begun").exists():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)
        return started

    monkeypatch.setattr(ending, "psutil", SimpleNamespace(**vars(psutil) | {"Popen": start_late}))
    with pytest.raises(KeyboardInterrupt):
        feedback.measure(quick=False)

    assert (tmp_path / "tidied").exists()
