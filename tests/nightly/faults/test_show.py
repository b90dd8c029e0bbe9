"""`make faults` ends with 1 when anything was lost, and says what."""

import pytest
from rich.console import Console

from tests.nightly.faults.crashes import Crash
from tests.nightly.faults.matrix import AGAIN, LOST, RETRY, Cell, Result, Row
from tests.nightly.faults.proxy import Call
from tests.nightly.faults.race import Jobs, Race, Reading
from tests.nightly.faults.show import table, totals

CELL = Cell(Row("publish", 1, Call("POST runs/create", 1)), "500")
OTHER = Cell(Row("promote", 1, Call("POST registered-models/alias", 2)), "cut")


@pytest.mark.parametrize(
    ("part", "result"),
    [
        ("calls", Result(CELL, LOST, "a run")),
        ("crashes", Crash("server", 0.5, survived=True, lost="a run")),
        ("races", Race(2, 1, 1, "a run")),
        ("jobs", Jobs(2, 0, 0, "a run")),
        ("reads", Reading(1, 1, 1, ("a run",))),
        ("error", "a run"),
    ],
)
def test_whatever_was_lost_is_a_loss(part, result):
    """Of every kind, and a part that did not come to its end."""
    _, (loss,) = totals({("sqlite", part): [result]})
    assert "a run" in loss


def test_what_was_finished_is_no_loss():
    """By asking again, or by a second run."""
    lines, losses = totals({("sqlite", "calls"): [Result(CELL, RETRY), Result(OTHER, AGAIN)]})

    assert lines == ["sqlite     calls       2: retry 1, again 1, duplicate 0, LOST 0; lost 0"]
    assert losses == []


def test_the_table_has_a_row_for_each_call_in_their_order():
    """Publishing comes before promotion."""
    console = Console(width=190, record=True)
    console.print(table("sqlite", [Result(OTHER, AGAIN), Result(CELL, RETRY)]))
    words = console.export_text().split()

    assert words.index("runs/create") < words.index("registered-models/alias")
    assert words.index("retry") < words.index("again")
