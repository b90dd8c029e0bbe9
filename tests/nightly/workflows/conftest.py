"""The story, played once in a process and shared by the tests of it."""

import tempfile
from pathlib import Path

import pytest

from tests.containers import needs
from tests.nightly.workflows import machine
from tests.nightly.workflows.github import HERE
from tests.nightly.workflows.story import play


class Silent:
    """Prints nothing: the story is played for its tests alone."""

    def chapter(self, title):
        """Say nothing of a chapter that begins."""

    def step(self, run, job, step):
        """Say nothing of a step that has ended."""


@pytest.fixture(scope="session")
def story(request):
    """Return what came out of the whole cycle, if the command line names the workflows."""
    asked = [Path(one.partition("::")[0]).resolve() for one in request.config.args]
    if not any(path.is_relative_to(HERE) for path in asked):
        # Ten minutes on every core: beside other tests it would slow each of them, and be slow.
        # `.ci/run` plays it as a step of its own.
        pytest.skip("the workflows are executed by themselves: make workflows")
    if reason := machine.missing():
        needs(reason)
    narrator = request.config.pluginmanager.get_plugin("narrator") or Silent()
    # It holds images, which are not worth keeping, as pytest would.
    with (
        tempfile.TemporaryDirectory(prefix="workflows-") as folder,
        machine.kept_logs(Path(folder)),
    ):
        return play(Path(folder), narrator.chapter, narrator.step)
