"""Values to bytes and back. The same value always becomes the same bytes."""

import io
import json
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel


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


def json_bytes(value: BaseModel | dict[str, Any]) -> bytes:
    """Return ``value`` as indented JSON in UTF-8.

    Raises:
        ValueError: a number is NaN or infinite, which JSON cannot say.

    """
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    text = json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()
