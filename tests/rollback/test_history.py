"""The history of champions, from the notes on their versions."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core import history
from pipeline.core.history import Crowning, Reign


def crowned(minute, action="promoted"):
    """Return a crowning in that minute."""
    at = f"2026-01-01T00:{minute:02d}:00+00:00"
    return Crowning(at=at, by="ada", action=action, reason="better", commit="abc")


def test_a_reign_lasts_until_the_next_one():
    """The last one has no end."""
    first, second = crowned(1), crowned(2)
    assert history.reigns([(1, first), (2, second)]) == [
        Reign(version=1, crowning=first, until=second.at),
        Reign(version=2, crowning=second),
    ]


def test_the_order_is_that_of_time_and_not_of_versions():
    """After a rollback the older version reigns later."""
    moves = [(1, crowned(1)), (1, crowned(3, "restored")), (2, crowned(2))]
    assert [reign.version for reign in history.reigns(moves)] == [1, 2, 1]


def test_a_crowning_that_was_repeated_counts_once():
    """An interrupted command notes the crowning, and does so again when it is repeated."""
    again = crowned(2)
    assert history.reigns([(1, crowned(1)), (1, again)]) == [Reign(version=1, crowning=again)]


def test_nobody_reigned_where_nobody_was_crowned():
    """An empty registry has an empty history."""
    assert history.reigns([]) == []


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 59))))
def test_reigns_follow_each_other_without_a_gap(moves):
    """Each ends when the next begins, and never is one version its own successor."""
    found = history.reigns((version, crowned(minute)) for version, minute in moves)
    for earlier, later in pairwise(found):
        assert earlier.until == later.crowning.at
        assert earlier.version != later.version


def test_crownings_can_be_written_and_read_back():
    """They are kept as one tag."""
    both = (crowned(1), crowned(2, "restored"))
    assert history.read_crownings(history.write_crownings(both)) == both


def test_no_tag_means_no_crowning():
    """A version that was never champion has none."""
    assert history.read_crownings("") == ()


@pytest.mark.parametrize("text", ["nonsense", "{}", '[{"at": 1}]'])
def test_a_damaged_tag_is_not_a_history(text):
    """Somebody edited it by hand."""
    with pytest.raises(ValueError, match="not a list of crownings"):
        history.read_crownings(text)
