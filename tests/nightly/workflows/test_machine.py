"""The machine is made ready for the workflows, and left as it was."""

import os
from pathlib import Path

import pytest

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
