"""The gate decides, case by case, and says by which check."""

import pytest

from pipeline.gate import decision
from pipeline.gate.checks import Status
from pipeline.gate.comparison import Comparison
from pipeline.gate.decision import Verdict
from tests.gate import gate_cases
from tests.gate.gate_cases import FIT, POLICY, around, fit_but, group

CASES = list(gate_cases.cases())


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_the_gate_decides_as_the_table_says(case):
    """Outcome, reason and effect of each case are written down."""
    assert not gate_cases.complaint(decision, case)


def test_the_table_has_no_case_twice():
    """A name stands for one case."""
    names = [case.name for case in CASES]
    assert len(names) == len(set(names))


def test_a_refusal_names_every_failed_check():
    """A reader can repair everything at once."""
    unfit = fit_but(brier=around(0.3), log_loss=around(0.9))
    reason = decision.decide(unfit, None, POLICY).reason
    assert "Brier score: 0.300" in reason
    assert "Log loss: 0.900" in reason


def test_a_check_carries_its_limit_figure_interval_and_reason():
    """The report shows them without knowing the rule."""
    check = decision.decide(FIT, None, POLICY).checks[0]
    assert check.model_dump() == {
        "name": "ROC-AUC",
        "limit": ">= 0.85",
        "actual": "0.910",
        "interval": "[0.890, 0.930]",
        "status": "passed",
        "reason": "0.910 [0.890, 0.930], limit >= 0.85",
    }


def test_a_slice_that_is_too_small_is_not_judged_and_says_why():
    """It neither passes nor fails."""
    small = FIT.model_copy(update={"slices": (group("female", 0.2, rows=30, positives=4),)})
    verdict = decision.decide(small, None, POLICY)
    (check,) = [check for check in verdict.checks if check.status is Status.NOT_JUDGED]
    assert check.name == "ROC-AUC, female"
    assert check.reason == "4 patients of one outcome, 10 needed"


def test_a_verdict_can_be_written_and_read_back():
    """The tag on a version holds the whole of it."""
    verdict = decision.decide(FIT, Comparison(**gate_cases.WON), POLICY)
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict


@pytest.mark.parametrize("name", gate_cases.ELECTIONS)
def test_the_winner_is(name):
    """A family that ranks best but fails a check does not stand for election."""
    candidates, winner = gate_cases.ELECTIONS[name]
    assert decision.best_family(candidates, POLICY) == winner


@pytest.mark.parametrize("name", gate_cases.CHALLENGERS)
def test_the_challenger_is(name):
    """The best family; or the champion's own, on other rows or with another threshold."""
    assert gate_cases.challenges(decision, name)


def test_every_check_shows_its_limit():
    """The table of the report needs no knowledge of the rules."""
    checks = decision.decide(FIT, Comparison(**gate_cases.WON), POLICY).checks
    assert {check.name: check.limit for check in checks} == gate_cases.SHOWN
