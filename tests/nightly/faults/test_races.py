"""Of promoters at once one wins, the others decide again, and no reader notices.

`make faults` runs 100 races on each database.
"""

from contextlib import closing

import pytest

from pipeline.registry import history
from tests.conftest import SAMPLE
from tests.nightly.faults.race import Races, Readers
from tests.nightly.faults.show import RACES

SEEDS = range(9)


@pytest.fixture(scope="module")
def races(server):
    """Return races on the server."""
    with closing(Races(server)) as races:
        yield races


@pytest.mark.parametrize("seed", SEEDS)
def test_promoters_at_once_are_as_promoters_one_after_the_other(races, seed, record_property):
    """Each champion is better than the one before, and was compared with it; the best is last."""
    record_property(SAMPLE, f"{len(SEEDS)} of {RACES} races")
    assert races.play(seed).wrong == ""


@pytest.mark.parametrize("seed", range(3))
def test_jobs_of_one_key_at_once_make_one_version(races, seed):
    """Each job gets one; what another made meanwhile is marked as its duplicate."""
    assert races.publish(seed).wrong == ""


def test_a_reader_always_sees_a_whole_champion(server):
    """While it changes all the time."""
    seen = Readers(server).play(reads=600, promotions=6)

    assert seen.wrong == ()
    assert (seen.reads >= 600, seen.verified) == (True, 2)
    assert seen.champions == 7


def test_promoters_who_all_think_that_they_won_are_caught(races, monkeypatch):
    """The last one would be champion, whatever it had been compared with."""

    def valid_entries(log):
        return sorted(log, key=lambda entry: entry.sequence)

    monkeypatch.setattr(history, "valid_entries", valid_entries)
    assert any("decided against" in races.play(seed).wrong for seed in SEEDS)
