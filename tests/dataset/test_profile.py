"""The facts of the data-quality report."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dataset import profile
from pipeline.table.contract import BY_NAME, CONTRACT, FEATURES, TARGET


@pytest.fixture(scope="module")
def facts(parsed):
    """Return the profile of the real data."""
    return profile.describe(CONTRACT, parsed, "digest")


def hospital(facts, name):
    """Return the facts of one hospital."""
    return next(one for one in facts.cohorts if one.name == name)


@pytest.mark.parametrize(
    ("name", "rows", "positives", "repeated"),
    [
        ("cleveland", 303, 139, 0),
        ("hungarian", 294, 106, 1),
        ("switzerland", 123, 115, 0),
        ("va", 200, 149, 1),
    ],
)
def test_every_hospital_is_counted(facts, name, rows, positives, repeated):
    """Rows, patients with disease and repeated rows are those of UCI's files."""
    one = hospital(facts, name)
    counted = (one.outcome.rows, one.outcome.positives, one.repeated_rows)
    assert counted == (rows, positives, repeated)


@pytest.mark.parametrize(
    ("name", "field", "missing", "zeros"),
    [
        ("cleveland", "ca", 4, 0),
        ("cleveland", "thal", 2, 0),
        ("hungarian", "ca", 291, 0),
        ("switzerland", "chol", 123, 123),
        ("va", "chol", 56, 49),
        ("va", "trestbps", 57, 1),
    ],
)
def test_missing_values_are_counted_and_the_zeros_among_them(facts, name, field, missing, zeros):
    """The zeros that became missing can be told from the question marks."""
    one = hospital(facts, name)
    assert (one.missing[field], one.zeros.get(field, 0)) == (missing, zeros)


def test_the_missing_share_is_of_all_feature_cells(facts):
    """Cleveland lacks 6 of 303 times 13 values."""
    assert hospital(facts, "cleveland").missing_share == 6 / (303 * 13)


def test_every_field_is_summarised_at_every_hospital_once(facts):
    """Measured and coded fields together are the 13 of the contract."""
    summaries = [*facts.measured, *facts.categorical]
    assert len({(one.field, one.cohort) for one in summaries}) == len(summaries) == 13 * 4
    assert {one.field for one in summaries} == {*FEATURES}


def test_a_measured_field_is_summarised_by_its_quartiles(facts):
    """Age at Cleveland goes from 29 to 77 around a median of 56 years."""
    age = profile.by_field(facts.measured)["age"][0]
    assert (age.minimum, age.lower_quartile, age.median) == (29, 48, 56)
    assert (age.upper_quartile, age.maximum, age.known) == (61, 77, 303)


def test_a_field_without_values_has_no_quartiles(facts):
    """Switzerland has no cholesterol, and that is no zero."""
    chol = {one.cohort: one for one in profile.by_field(facts.measured)["chol"]}
    assert chol["switzerland"].known == 0
    assert chol["switzerland"].median is None


def test_categories_add_up_to_the_known_patients(facts):
    """No patient is counted twice or left out."""
    assert all(sum(one.counts.values()) == one.known for one in facts.categorical)


def test_the_outcome_rates_of_a_field_add_up_to_the_patients_who_have_it(facts):
    """All 299 Cleveland patients with a vessel count are in the four rates of `ca`."""
    vessels = [one.outcome for one in facts.categories if one.field == "ca"]
    assert sum(one.rows for one in vessels) == 299


def test_a_value_without_patients_gets_no_rate():
    """A rate of no patients is not a number, so there is none."""
    table = pd.DataFrame({name: [1.0] for name in FEATURES} | {TARGET: [1]})
    rates = [one for one in profile.outcome_by_category(CONTRACT, table) if one.field == "cp"]
    assert [one.code for one in rates] == [1]


def test_a_count_means_itself():
    """Vessels have no codes; their numbers are their meaning."""
    assert profile.meanings(BY_NAME["ca"]) == {0: "0", 1: "1", 2: "2", 3: "3"}


def test_the_interval_is_wilsons():
    """The published example of 81 of 263 agrees to four digits (Newcombe 1998, table I)."""
    low, high = profile.wilson_interval(81, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)


@given(counts=st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_rate_and_stays_a_share(counts):
    """Whatever the counts: 0 <= low <= rate <= high <= 1, and never a point."""
    positives, rows = counts
    low, high = profile.wilson_interval(positives, rows)
    assert 0 <= low <= positives / rows <= high <= 1
    assert low < high
