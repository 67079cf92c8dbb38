"""Names of contents, whatever file they came from."""

import hashlib
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from results.files import json_text


def content_hash(table: pd.DataFrame | pa.Table) -> str:
    """Name a table by its columns and rows in order, whatever file it came from.

    Args:
        table: Columns of text or numbers without missing values; the index does not count. As it
            is read from Parquet it is hashed in a third of the time.

    Returns:
        sha256 in hexadecimal.
    """
    digest = hashlib.sha256(f"{len(table)}".encode())
    names = table.column_names if isinstance(table, pa.Table) else table.columns
    for name in names:
        column = table[name]
        if _is_numeric(column):
            values = column.to_numpy()
            kind, parts = values.dtype.name, [values.astype(values.dtype.newbyteorder("<"))]
            data = b"".join(part.tobytes() for part in parts)
        else:
            is_arrow = isinstance(column, pa.ChunkedArray)
            text = (
                column.cast(pa.large_string()) if is_arrow else pa.array(column, pa.large_string())
            )
            if isinstance(text, pa.ChunkedArray):  # as text is that came from several tables
                text = text.combine_chunks()
            whole = pa.ListArray.from_arrays([0, len(text)], text)
            joined = pc.binary_join(whole, pa.scalar("", pa.large_string()))[0]
            # Lengths beside the joined text: no separator that a name could hold.
            lengths = pc.binary_length(text).to_numpy().astype("<i8")
            kind, data = "text", lengths.tobytes() + joined.as_buffer().to_pybytes()
        digest.update(f"\n{name}\n{kind}\n{len(data)}\n".encode())
        digest.update(data)
    return digest.hexdigest()


def text_hash(value: Any, where: str) -> str:
    """Give the sha256 of what JSON can hold, by its one text; ``where`` names it in errors."""
    return hashlib.sha256(json_text(value, where).encode()).hexdigest()


def _is_numeric(column: "pd.Series[Any] | pa.ChunkedArray") -> bool:
    """Tell whether a column holds numbers."""
    if isinstance(column, pa.ChunkedArray):
        return bool(pa.types.is_floating(column.type) or pa.types.is_integer(column.type))
    return bool(pd.api.types.is_numeric_dtype(column.dtype))
