"""The machine is made ready for the workflows, and left as it was."""

import io
import os
import uuid
from pathlib import Path

import pytest

from tests.containers import client_of_engine, remove_images
from tests.nightly.workflows import machine


def terminals():
    """Return the numbers of the terminals that are in use."""
    return {path.name for path in Path("/dev/pts").iterdir()}


def test_terminal_zero_is_in_use_and_cannot_be_opened_while_workflows_run():
    """Not even by root; where another program has it already, ours is the next one."""
    before = terminals()
    with machine.terminal_zero_locked():
        assert "0" in terminals()
        (ours,) = terminals() - before
        with pytest.raises(OSError, match=ours):
            os.open(f"/dev/pts/{ours}", os.O_RDWR | os.O_NOCTTY)

    assert ours not in terminals()


@pytest.fixture
def engine(monkeypatch):
    """Return a client of the engine; label and name of the story's images are this test's own."""
    name = f"heart-disease-test:{uuid.uuid4().hex[:12]}"
    monkeypatch.setattr(machine, "CANDIDATE", name)
    monkeypatch.setattr(machine, "OURS", {"label": f"story={name}"})
    with client_of_engine() as client:
        yield client
        remove_images(client, name)


def build(client, labels):
    """Build an image of nothing with the name of a candidate, and return its identity."""
    content = io.BytesIO(b"FROM scratch\nLABEL of=test")
    made, _ = client.images.build(fileobj=content, tag=machine.CANDIDATE, labels=labels, rm=True)
    return made.id


def of_the_story():
    """Return the label by which the story knows its images."""
    return dict([machine.OURS["label"].split("=")])


def test_the_story_gives_back_the_name_of_a_persons_candidate(engine):
    """It has the same image as before, and the story's own is gone."""
    mine = build(engine, {"made by": "a person"})
    with machine.left_as_it_was():
        build(engine, of_the_story())

    assert engine.images.get(machine.CANDIDATE).id == mine
    assert not engine.images.list(all=True, filters=machine.OURS)


def test_what_a_killed_story_left_is_taken_away_and_not_given_back(engine):
    """The next story on this machine begins, and ends, without its image."""
    build(engine, of_the_story())
    with machine.left_as_it_was():
        assert not engine.images.list(machine.CANDIDATE)
        build(engine, {**of_the_story(), "second": "yes"})

    assert not engine.images.list(machine.CANDIDATE)
