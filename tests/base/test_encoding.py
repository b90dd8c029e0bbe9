"""Values to bytes and back: exact, and the same bytes every time."""

import io
import json
import math

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from pipeline.base import encoding
from pipeline.base.records import Record
from pipeline.dataset import tables

TABLE = pd.DataFrame(
    {
        "age": [63.0, 41.5, np.nan],
        "count": [0, 1, 2],
        "disease": [True, False, True],
        "hospital": ["cleveland", "va", "hungarian"],
    }
)


class Point(Record):
    """A value as tasks write them."""

    x: float
    name: str = "é"


def test_a_table_comes_back_as_it_was_with_its_missing_values():
    """Values, column order, types and NaN survive."""
    read = tables.read_table(tables.table_bytes(TABLE))

    pd.testing.assert_frame_equal(read, TABLE)


def test_an_empty_table_keeps_its_columns_and_types():
    """No rows is a fact about a table, not a reason to lose its shape."""
    read = tables.read_table(tables.table_bytes(TABLE.head(0)))

    pd.testing.assert_frame_equal(read, TABLE.head(0))


def test_the_same_table_becomes_the_same_bytes():
    """The digest of a processed table is the identity of the data."""
    assert tables.table_bytes(TABLE) == tables.table_bytes(TABLE.copy())


def test_the_index_of_a_table_is_not_written():
    """The history of a table, such as which rows were dropped, is not part of it."""
    moved = TABLE.set_axis([7, 8, 9])

    assert tables.table_bytes(moved) == tables.table_bytes(TABLE)


def test_a_table_carries_no_metadata_of_pandas():
    """It names the version of pandas, which is not part of the data."""
    content = tables.table_bytes(TABLE)

    assert pq.read_schema(io.BytesIO(content)).metadata is None


def test_another_value_becomes_other_bytes():
    """The check above could not pass on constant bytes."""
    other = TABLE.assign(age=[63.0, 41.5, 50.0])

    assert tables.table_bytes(other) != tables.table_bytes(TABLE)


@pytest.mark.parametrize("value", [Point(x=0.1), {"x": 0.1, "name": "é"}], ids=["record", "dict"])
def test_json_holds_the_value_in_readable_utf_8(value):
    """One notation for records and for plain mappings: readable, exact, with a line end."""
    content = encoding.json_bytes(value)

    assert json.loads(content) == {"x": 0.1, "name": "é"}
    assert "é".encode() in content
    assert content.endswith(b"}\n")


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    "wrap",
    [lambda x: {"x": x}, lambda x: Point.model_construct(x=x)],
    ids=["dict", "record"],
)
def test_json_refuses_numbers_that_it_cannot_say(wrap, number):
    """A NaN in a file would be no JSON for any other program."""
    with pytest.raises(ValueError, match="JSON"):
        encoding.json_bytes(wrap(number))
