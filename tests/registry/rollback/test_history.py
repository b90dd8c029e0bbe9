"""The history of champions, from the log of promotions."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.registry import history
from pipeline.registry.history import Entry, Identity, Promotion, Standing, Tenure


def promoted(minute, action="promoted"):
    """Return a promotion in that minute."""
    at = f"2026-01-01T00:{minute:02d}:00+00:00"
    return Promotion(at=at, by="ada", action=action, reason="better", commit="abc")


def identity(version):
    """Return what no other version of the same number has."""
    return Identity(run=f"run of {version}", manifest=f"files of {version}")


def log(*entries):
    """Return a log of entries, each given as sequence, version and what it came after."""
    return [
        Entry(
            sequence=sequence,
            version=version,
            identity=identity(version),
            after=after,
            promotion=promoted(sequence),
        )
        for sequence, version, after in entries
    ]


def numbers(line):
    """Return the sequence numbers of entries."""
    return [entry.sequence for entry in line]


# --- who was faster


@pytest.mark.parametrize(
    ("entries", "counting"),
    [
        pytest.param([], [], id="no entry"),
        pytest.param([(1, 1, 0), (2, 2, 1), (3, 1, 2)], [1, 2, 3], id="one after the other"),
        pytest.param([(1, 1, 0), (2, 2, 0)], [1], id="two first ones"),
        pytest.param([(1, 1, 0), (2, 2, 1), (3, 3, 1)], [1, 2], id="two over the same"),
        pytest.param([(1, 1, 0), (2, 2, 0), (3, 2, 1)], [1, 3], id="decided again"),
        pytest.param([(1, 1, 0), (2, 2, 0), (3, 3, 2)], [1, 3], id="after one that did not count"),
        pytest.param([(4, 1, 2), (7, 2, 4)], [4, 7], id="entries were deleted"),
        pytest.param([(2, 2, 1), (1, 1, 0)], [1, 2], id="in any order"),
        pytest.param([(1, 1, 0), (4, 3, 3)], [1, 4], id="the one before was deleted"),
        pytest.param([(1, 1, 0), (2, 2, 9)], [1], id="after one that is not there yet"),
    ],
)
def test_an_entry_counts_when_no_other_came_between(entries, counting):
    """So of several promoters at once exactly one wins."""
    assert numbers(history.valid_entries(log(*entries))) == counting


@given(st.data(), st.integers(1, 12))
def test_an_entry_once_counted_counts_for_good(data, length):
    """Whatever is appended later changes nothing that was decided."""
    entries = log(
        *((number, number, data.draw(st.integers(0, number - 1))) for number in range(1, length))
    )
    whole = numbers(history.valid_entries(entries))
    for end in range(len(entries)):
        seen = numbers(history.valid_entries(entries[:end]))
        assert whole[: len(seen)] == seen


@given(st.data(), st.integers(1, 12))
def test_every_entry_that_counts_knew_its_predecessor(data, length):
    """It was decided against the champion whose place it took."""
    entries = log(
        *((number, number, data.draw(st.integers(0, number - 1))) for number in range(1, length))
    )
    for before, entry in pairwise(history.valid_entries(entries)):
        assert before.sequence <= entry.after < entry.sequence


@given(st.data(), st.integers(1, 12))
def test_read_backwards_the_same_entries_count(data, length):
    """Also where entries of others stand between, or were deleted."""
    entries = log(
        *((number, number, data.draw(st.integers(0, number))) for number in range(1, length))
    )
    left = [entry for entry in entries if data.draw(st.booleans())]
    found = history.backwards(reversed(left))
    assert numbers(found) == numbers(reversed(history.valid_entries(left)))


def test_backwards_no_more_is_read_than_is_asked_for():
    """The last champion of a long log is known from its last two entries."""
    entries = iter(log(*((number, number, number - 1) for number in range(100, 0, -1))))
    assert next(history.backwards(entries)).sequence == 100
    assert next(entries).sequence == 98


@pytest.mark.parametrize(
    ("entries", "before"),
    [
        pytest.param([(1, 1, 0)], None, id="the first"),
        pytest.param([(1, 1, 0), (2, 2, 1)], 1, id="two"),
        pytest.param([(1, 1, 0), (2, 2, 1), (3, 1, 2)], 2, id="back again"),
        pytest.param([(1, 1, 0), (2, 2, 1), (3, 2, 2)], 1, id="promoted twice in a row"),
    ],
)
def test_the_previous_champion_is_another_version(entries, before):
    """It is the one that a rollback takes."""
    assert standing(entries, identity).previous == before


# --- who is champion


def standing(entries, lookup):
    """Return who is champion by a log, given oldest first."""
    return history.standing(reversed(history.valid_entries(log(*entries))), lookup)


ANOTHER = Identity(run="another", manifest="files of 2")
EDITED = Identity(run="run of 2", manifest="edited")
NOT_KEPT = Identity(run="run of 2")
REUSED = "its number was given to a version of another run"


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        ({1: identity(1), 2: identity(2)}, Standing(champion=2, previous=1)),
        (
            {1: identity(1), 2: ANOTHER},
            Standing(champion=None, previous=1, problem=REUSED),
        ),
        ({1: identity(1)}, Standing(champion=None, previous=1, problem="it was deleted")),
        (
            {1: identity(1), 2: EDITED},
            Standing(
                champion=2, previous=1, problem="its manifest is not the one that was promoted"
            ),
        ),
        ({2: identity(2)}, Standing(champion=2)),
        ({1: ANOTHER, 2: identity(2)}, Standing(champion=2)),
        ({2: ANOTHER}, Standing(champion=None)),
        ({}, Standing(champion=None)),
    ],
    ids=[
        "as it was",
        "number given again",
        "deleted",
        "edited",
        "the one before deleted",
        "the number of the one before given again",
        "nothing left that was promoted",
        "all deleted",
    ],
)
def test_a_champion_is_what_was_promoted(today, expected):
    """Not what has its number."""
    assert standing([(1, 1, 0), (2, 2, 1)], today.get) == expected


def test_an_entry_that_kept_no_digest_asks_for_none():
    """The older ones know the run alone."""
    (entry,) = log((1, 2, 0))
    older = entry.model_copy(update={"identity": NOT_KEPT})
    assert history.standing([older], lambda _: EDITED) == Standing(champion=2)


def test_without_entries_nobody_was_promoted():
    """Then an alias may say who is champion."""
    assert history.standing([], identity) is None


# --- tenures


def test_a_tenure_lasts_until_the_next_one():
    """The last one has no end."""
    first, second = log((1, 1, 0), (2, 2, 1))
    assert history.tenures([first, second]) == [
        Tenure(
            version=1, identity=identity(1), promotion=first.promotion, until=second.promotion.at
        ),
        Tenure(version=2, identity=identity(2), promotion=second.promotion),
    ]


def test_a_version_can_be_champion_again():
    """After a rollback the older version has a second tenure."""
    moves = log((1, 1, 0), (2, 2, 1), (3, 1, 2))
    assert [tenure.version for tenure in history.tenures(moves)] == [1, 2, 1]


def test_a_version_that_was_promoted_twice_in_a_row_has_one_tenure():
    """The later promotion counts."""
    again = log((1, 1, 0), (2, 1, 1))
    assert history.tenures(again) == [
        Tenure(version=1, identity=identity(1), promotion=again[-1].promotion)
    ]


def test_there_is_no_tenure_where_no_version_was_promoted():
    """An empty registry has an empty history."""
    assert history.tenures([]) == []


@given(st.lists(st.integers(1, 3), max_size=59))
def test_tenures_follow_each_other_without_a_gap(versions):
    """Each ends when the next begins, and never is one version its own successor."""
    moves = log(*((number, version, number - 1) for number, version in enumerate(versions, 1)))
    found = history.tenures(history.valid_entries(moves))
    for earlier, later in pairwise(found):
        assert earlier.until == later.promotion.at
        assert earlier.version != later.version
