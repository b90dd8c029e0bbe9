"""A program that is given a time ends within it, and leaves nothing behind."""

import contextlib
import os
import time

import psutil
import pytest

from pipeline.base import command
from pipeline.base.errors import PipelineError


def test_a_program_that_takes_too_long_ends_with_all_that_it_started(tmp_path):
    """A child that holds the output open does not keep us waiting either."""
    script = "sleep 600 & echo $! >child; wait"
    started = time.monotonic()
    with pytest.raises(TimeoutError, match=r"^sh -c did not end within 0\.5 s$"):
        command.finish(("sh", "-c", script), os.environ, 0.5, tmp_path)

    assert time.monotonic() - started < 5
    child = int((tmp_path / "child").read_text())
    with contextlib.suppress(psutil.NoSuchProcess):
        while psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() - started < 30


def test_what_a_program_says_is_returned():
    """Both kinds of it, and its exit code."""
    done = command.finish(("sh", "-c", "echo one; echo two >&2; exit 3"), os.environ, 30)

    assert (done.stdout, done.stderr, done.returncode) == ("one\n", "two\n", 3)


def test_a_question_that_takes_too_long_is_one_line_with_the_next_step(monkeypatch):
    """Such as one of `gh` to a server that is silent."""
    monkeypatch.setattr(command, "LONGEST_SECONDS", 0.2)
    with pytest.raises(PipelineError, match=r"did not end within 0\.2 s: look at the"):
        command.ask(("sleep", "600"), nothing="x")


def test_a_program_that_does_not_exist_is_one_line():
    """Git and `gh` have to be installed."""
    with pytest.raises(PipelineError, match="cannot run no-such-program: No such file"):
        command.finish(("no-such-program",), os.environ, 1)
