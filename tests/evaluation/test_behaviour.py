"""What must not matter to a model, and what should."""

import numpy as np
import pytest

from pipeline.evaluation import behaviour
from pipeline.table import parsing

CHANCE = np.random.default_rng(1)


@pytest.fixture(scope="module")
def table(parsed):
    """Return the training table."""
    return parsing.training_table(parsed)


def answering(rule):
    """Return a model that answers by any rule, from a table to probabilities."""
    return lambda patients: np.asarray(rule(patients), dtype=float)


def observed(rule, table):
    """Return the greatest changes that the harmless ways of asking bring about."""
    return behaviour.observe(answering(rule), table).differences


def test_a_model_that_looks_at_the_patient_alone_never_changes_its_answer(table):
    """Order, company and repetition are no facts about a patient."""
    differences = observed(lambda patients: patients["age"] / 100, table)
    ways = {"repeated call", "row order", "column order", "batch size", "alone"}
    assert set(differences) == ways
    assert set(differences.values()) == {0.0}


@pytest.mark.parametrize(
    ("rule", "noticed"),
    [
        pytest.param(lambda p: np.linspace(0, 1, len(p)), "row order", id="position"),
        pytest.param(
            lambda p: p.iloc[:, 0] / p.iloc[:, 0].max(), "column order", id="first column"
        ),
        pytest.param(lambda p: p["age"] / p["age"].max(), "batch size", id="company"),
        pytest.param(lambda p: CHANCE.random(len(p)), "repeated call", id="chance"),
    ],
)
def test_what_must_not_matter_is_noticed_where_it_does(table, rule, noticed):
    """Each way of asking finds the defect that it is there for."""
    assert observed(rule, table)[noticed] > 0.01


def test_an_answer_that_is_no_number_is_as_far_as_answers_get(table):
    """A NaN must not pass as no difference."""
    broken = observed(lambda p: p.iloc[:, 12], table)
    assert broken["repeated call"] == 1.0


def test_directions_say_for_how_many_patients_they_hold(table):
    """A rule that follows the vessels, and goes against the ST depression."""
    rule = answering(
        lambda p: 0.5 + p["ca"].fillna(0) / 10 - p["oldpeak"] / 50 + (p["cp"] == 4) / 10
    )
    holds = {d.change: d.holds for d in behaviour.observe(rule, table).directions}
    assert holds == {
        "one more vessel": 1.0,
        "1 mm more ST depression": 0.0,
        "no pain instead of typical angina": 1.0,
    }


def test_only_patients_who_can_have_one_more_vessel_are_asked(table):
    """Who has three vessels or an unknown number has no more."""
    directions = behaviour.observe(answering(lambda p: p["age"] / 100), table).directions
    vessels = next(d for d in directions if d.change == "one more vessel")
    assert vessels.patients == (table["ca"] < 3).sum()


def test_an_answer_that_depends_on_the_company_is_noticed(table):
    """A patient alone gets another answer than among others."""
    found = observed(lambda p: np.full(len(p), 1 / (1 + (len(p) > 1))), table)
    assert found["alone"] == 0.5
