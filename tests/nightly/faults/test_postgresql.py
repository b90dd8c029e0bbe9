"""On PostgreSQL, which a team has below its server, the same holds as on SQLite."""

from contextlib import closing

import pytest

from tests.conftest import SAMPLE
from tests.databases import running
from tests.nightly.faults.breaking import FAULTS, KILLS
from tests.nightly.faults.crashes import Crashes
from tests.nightly.faults.matrix import LOST, Matrix, sample
from tests.nightly.faults.race import Races

SEED = 20261125
BROKEN = 10


@pytest.fixture(scope="module")
def both(folder):
    """Return a server on PostgreSQL, and PostgreSQL itself."""
    with running("postgresql", folder) as both:
        yield both


def test_a_broken_call_loses_nothing(both, folder, record_property):
    """Nor a client that is killed at it."""
    with closing(Matrix(both[0], folder)) as matrix:
        every = matrix.cells(FAULTS | KILLS, every_call=True)
        record_property(SAMPLE, f"{BROKEN} of {len(every):,} broken calls on PostgreSQL")
        cells = sample(every, BROKEN, SEED)
        lost = [result for result in map(matrix.play, cells) if result.outcome == LOST]
    assert lost == []


def test_a_database_that_is_killed_loses_no_promotion(both):
    """Its server's connections lead nowhere then."""
    crashes = Crashes(*both)
    found = [crashes.play(seed) for seed in range(4)]

    assert {crash.what for crash in found} == {"server", "database"}
    assert [crash.lost for crash in found if crash.lost] == []


def test_promoters_at_once_are_as_promoters_one_after_the_other(both):
    """PostgreSQL runs transactions side by side, which SQLite does not."""
    with closing(Races(both[0])) as races:
        assert [race.wrong for race in map(races.play, range(3)) if race.wrong] == []
