"""What must not matter to a model, what should, and what makes its figures suspicious."""

import numpy as np
import pandas as pd
import pytest

from pipeline.evaluation import behaviour
from pipeline.table import parsing
from pipeline.table.contract import FEATURES, TARGET

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
    assert set(differences) == {"repeated call", "row order", "column order", "batch size"}
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


def test_the_real_table_raises_no_suspicion(table):
    """No patient twice; the pain tells best, and not everything."""
    found = behaviour.leaks(table)
    assert (found.repeated_rows, found.feature) == (0, "cp")
    assert 0.7 < found.feature_roc_auc < 0.8


def test_a_patient_with_another_outcome_is_still_the_same_patient(table):
    """The fields are compared, not the outcome."""
    twin = table.head(1).assign(**{TARGET: 1 - table[TARGET].iloc[0]})
    assert behaviour.leaks(pd.concat([table, twin])).repeated_rows == 2


@pytest.mark.parametrize("sign", [1, -1], ids=["rising", "falling"])
def test_a_field_that_tells_the_outcome_is_named(table, sign):
    """In whichever direction it does."""
    noise = np.random.default_rng(0).normal(0, 0.01, len(table))
    found = behaviour.leaks(table.assign(trestbps=sign * table[TARGET] + noise))
    assert (found.feature, found.feature_roc_auc) == ("trestbps", 1.0)


def test_codes_in_any_order_can_tell_the_outcome(table):
    """A nominal field is ranked by its outcome rates."""
    coded = table.assign(
        thal=np.where(table[TARGET] == 1, 6.0, np.where(table["sex"] == 1, 3.0, 7.0))
    )
    found = behaviour.leaks(coded[[*FEATURES, TARGET]])
    assert (found.feature, found.feature_roc_auc) == ("thal", 1.0)
