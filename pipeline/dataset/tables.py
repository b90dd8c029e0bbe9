"""Tables to bytes and back. The same table always becomes the same bytes."""

import io

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq


def table_bytes(table: pd.DataFrame) -> bytes:
    """Return ``table`` as parquet, without its index and without pandas' own metadata."""
    arrow = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
    buffer = io.BytesIO()
    pq.write_table(arrow, buffer, compression="zstd")
    return buffer.getvalue()


def read_table(content: bytes) -> pd.DataFrame:
    """Read what `table_bytes` wrote."""
    table: pd.DataFrame = pq.read_table(io.BytesIO(content)).to_pandas()
    return table
