"""What in the tables makes a good figure suspicious, and what does not."""

import numpy as np
import pandas as pd
import pytest

from pipeline.evaluation.leaks import leaks
from pipeline.table import parsing
from pipeline.table.contract import COHORT, FEATURES, TARGET


@pytest.fixture(scope="module")
def table(parsed):
    """Return the training table."""
    return parsing.training_table(parsed)


@pytest.fixture(scope="module")
def abroad(parsed):
    """Return the external table."""
    return parsing.external_table(parsed)


def nudged(rows):
    """Return rows whose cholesterol, heart rate and ST depression were changed a little."""
    random = np.random.default_rng(0)
    return rows.assign(
        chol=rows["chol"] + random.integers(-3, 4, len(rows)),
        thalach=rows["thalach"] + random.integers(-2, 3, len(rows)),
        oldpeak=rows["oldpeak"] + 0.1,
    )


def test_the_real_tables_raise_no_suspicion(table, abroad):
    """No patient twice; the pain tells best, and not everything."""
    found = leaks(table, abroad)

    assert (found.repeated_rows, found.near_copies, found.feature) == (0, 0, "cp")
    assert 0.7 < found.feature_roc_auc < 0.8
    assert found.missing_roc_auc < 0.52
    assert found.trained_on == {"hungarian": 0, "switzerland": 0, "va": 0}


def test_all_hospitals_together_raise_none_either(table, abroad):
    """With few fields known, some patients are alike by chance."""
    found = leaks(pd.concat([table, abroad[table.columns]], ignore_index=True), abroad.head(0))

    assert 0 < found.near_copies < 0.05
    assert found.missing_roc_auc < 0.65
    assert found.trained_on == {}


def test_a_patient_with_another_outcome_is_still_the_same_patient(table, abroad):
    """The fields are compared, not the outcome."""
    twin = table.head(1).assign(**{TARGET: 1 - table[TARGET].iloc[0]})
    assert leaks(pd.concat([table, twin]), abroad).repeated_rows == 2


@pytest.mark.parametrize("sign", [1, -1], ids=["rising", "falling"])
def test_a_field_that_tells_the_outcome_is_named(table, abroad, sign):
    """In whichever direction it does."""
    noise = np.random.default_rng(0).normal(0, 0.01, len(table))
    found = leaks(table.assign(trestbps=sign * table[TARGET] + noise), abroad)
    assert (found.feature, found.feature_roc_auc) == ("trestbps", 1.0)


def test_a_field_that_tells_by_its_extremes_is_named(table, abroad):
    """The ill have the middle values: no order of them tells, their tenths do."""
    away = np.where(table[TARGET] == 1, 0, np.where(np.arange(len(table)) % 2, 50, -50))
    found = leaks(table.assign(trestbps=130.0 + away), abroad)
    assert (found.feature, found.feature_roc_auc) == ("trestbps", 1.0)


def test_codes_in_any_order_can_tell_the_outcome(table, abroad):
    """A nominal field is ranked by its outcome rates."""
    coded = table.assign(
        thal=np.where(table[TARGET] == 1, 6.0, np.where(table["sex"] == 1, 3.0, 7.0))
    )
    found = leaks(coded[[*FEATURES, TARGET]], abroad)
    assert (found.feature, found.feature_roc_auc) == ("thal", 1.0)


@pytest.mark.parametrize("outcome", [0, 1], ids=["healthy", "ill"])
def test_a_value_that_is_missing_for_one_outcome_is_named(table, abroad, outcome):
    """Such as cholesterol that was left out for most of the ill."""
    own = table[TARGET] == outcome
    gone = own & (np.random.default_rng(0).random(len(table)) < 0.85)
    found = leaks(table.assign(chol=table["chol"].mask(gone)), abroad)
    assert found.missing_feature == "chol"
    assert found.missing_roc_auc == pytest.approx((1 + gone.sum() / own.sum()) / 2)


@pytest.mark.parametrize("name", FEATURES)
def test_copies_that_differ_in_one_field_are_counted(table, abroad, name):
    """Whatever it is."""
    other = table[name].iloc[-40:].fillna(table[name].median()).to_numpy()
    copies = table.head(40).assign(**{name: other})
    found = leaks(pd.concat([table, copies], ignore_index=True), abroad)
    assert found.near_copies == pytest.approx(80 / 343, abs=0.005)


def test_copies_that_were_changed_a_little_are_counted(table, abroad):
    """Most of them, as a step of two hundredths of the range may end between the two."""
    found = leaks(pd.concat([table, nudged(table.head(60))], ignore_index=True), abroad)
    assert found.near_copies > 0.2


def test_an_external_cohort_that_was_trained_on_is_named(table, abroad):
    """Whole or with small changes; the others are not."""
    site = nudged(table).assign(**{COHORT: "elsewhere"})
    found = leaks(table, pd.concat([abroad, site], ignore_index=True))
    assert found.trained_on["elsewhere"] > 0.6
    assert found.trained_on["va"] == 0


def test_rows_are_compared_in_no_order(table, abroad):
    """The same signs for any order of the rows."""
    assert leaks(table.sample(frac=1, random_state=1), abroad[::-1]) == leaks(table, abroad)
