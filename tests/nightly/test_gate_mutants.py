"""The table of cases notices whatever is changed in the gate."""

import pytest

from tests.nightly import mutate_gate

pytestmark = pytest.mark.once

MUTANTS = list(mutate_gate.mutants())


@pytest.mark.parametrize("mutant", MUTANTS, ids=[what for what, _ in MUTANTS])
def test_a_change_of_the_gate_is_noticed(mutant):
    """A comparison, limit or decision that could change unnoticed would not be tested."""
    _, tree = mutant
    assert mutate_gate.caught_by(tree)


def test_every_kind_of_change_is_tried():
    """A script that found nothing to change would catch everything."""
    assert len(MUTANTS) > 80
