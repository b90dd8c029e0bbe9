"""Random patients: every one of them is allowed."""

import numpy as np
import pandas as pd
import pytest

from pipeline.dataset.drawn import draw
from pipeline.dataset.tables import rows_digest
from pipeline.table.contract import CONTRACT, FIELDS

DRAWN = draw(CONTRACT, 3000)


def test_they_have_the_fields_of_the_contract():
    """In its order."""
    assert tuple(DRAWN) == CONTRACT.features
    assert len(DRAWN) == 3000


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_every_value_is_allowed(field):
    """And each code, and nearly the whole range, occurs."""
    values = DRAWN[field.name].dropna()
    if field.codes:
        assert set(values) == {*field.codes}
    else:
        assert field.low <= values.min() <= values.max() <= field.high
        assert values.max() - values.min() > 0.95 * (field.high - field.low)
    if field.kind == "count":
        assert (values % 1 == 0).all()


def test_a_third_is_complete_and_a_third_has_nearly_nothing():
    """Where a value may be missing at all."""
    missing = DRAWN.isna()
    optional = [field.name for field in FIELDS if field.nullable]
    shares = [missing.loc[part::3, optional].to_numpy().mean() for part in range(3)]
    assert shares == pytest.approx([0, 0.3, 0.9], abs=0.02)
    assert not missing.drop(columns=optional).any(axis=None)


def test_they_are_the_same_each_time_and_for_more_rows_others():
    """By the seed."""
    pd.testing.assert_frame_equal(draw(CONTRACT, 3000), DRAWN)
    assert not draw(CONTRACT, 3000, seed=1).equals(DRAWN)


def test_the_digest_of_rows_knows_no_order_and_no_sign_of_zero():
    """Nor whether a number was written as an integer."""
    table = pd.DataFrame({"age": [40.0, 50.0, np.nan], "ca": [0.0, 1.0, 2.0], "ill": [0, 1, 1]})
    same = table[::-1].assign(ca=[2, 1, -0.0], ill=[1.0, 1.0, 0.0])
    assert rows_digest(table) == rows_digest(same)


@pytest.mark.parametrize(
    "other",
    [
        lambda table: table.assign(ca=[0.0, 1.0, 2.000001]),
        lambda table: table.assign(ca=[0.0, np.nan, 2.0]),
        lambda table: table.rename(columns={"ca": "cb"}),
        lambda table: table.head(2),
        lambda table: pd.concat([table, table.head(1)]),
    ],
    ids=["a value", "a missing value", "a column", "a row less", "a row twice"],
)
def test_the_digest_of_rows_knows_whatever_else_differs(other):
    """A model that was fitted to it may be another one."""
    table = pd.DataFrame({"age": [40.0, 50.0, np.nan], "ca": [0.0, 1.0, 2.0]})
    assert rows_digest(other(table)) != rows_digest(table)
