"""Tables to bytes and back. The same table always becomes the same bytes."""

import io

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.base.manifest import sha256


def table_bytes(table: pd.DataFrame) -> bytes:
    """Return ``table`` as parquet, without its index and without pandas' own metadata."""
    arrow = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
    buffer = io.BytesIO()
    pq.write_table(arrow, buffer, compression="zstd")
    return buffer.getvalue()


def rows_digest(table: pd.DataFrame) -> str:
    """Return the sha256 of the rows of a table of numbers: the same for any order of them."""
    # Zero has one sign.
    values = (table.astype(float) + 0.0).sort_values([*table.columns])
    return sha256(values.to_csv(index=False).encode())


def read_table(content: bytes) -> pd.DataFrame:
    """Read what `table_bytes` wrote."""
    table: pd.DataFrame = pq.read_table(io.BytesIO(content)).to_pandas()
    return table
