"""A server that is killed at any moment has kept what it acknowledged, and a second run goes on.

`make faults` kills 50 times on each database.
"""

import pytest

from tests.conftest import SAMPLE
from tests.nightly.faults.crashes import Crashes
from tests.nightly.faults.show import CRASHES

SEEDS = range(4)


@pytest.fixture(scope="module")
def crashes(server):
    """Return crashes of the server."""
    return Crashes(server)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_server_that_is_killed_loses_no_promotion(crashes, seed, record_property):
    """None that it acknowledged; and what it did not finish is finished by the next run."""
    record_property(SAMPLE, f"{len(SEEDS)} of {CRASHES} killed servers")
    assert crashes.play(seed).lost == ""
