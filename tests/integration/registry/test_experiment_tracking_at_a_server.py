"""The story of a clone whose registry is a server's."""

import pytest

from tests import registries
from tests.task3_experiment_tracking.test_experiment_tracking import *  # noqa: F403 (the same tests, with another `address`)


@pytest.fixture(scope="module")
def address(server):
    """Return the address of the server, whose registry is empty."""
    registries.empty(server)
    return server
