"""Names of contents, whatever file they came from."""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from results.files import json_text

_AT_ONCE = 1 << 18  # rows of text


def content_hash(table: pd.DataFrame | pa.Table) -> str:
    """Name a table by its columns and rows in order, whatever file it came from.

    Args:
        table: Columns of text or numbers without missing values; the index does not count. Text may
            be coded, as categories or dictionaries: it counts as what it stands for.

    Returns:
        sha256 in hexadecimal.
    """
    digest = hashlib.sha256(f"{len(table)}".encode())
    names = table.column_names if isinstance(table, pa.Table) else table.columns
    for name in names:
        column = table[name]
        if _is_numeric(column):
            values = column.to_numpy()
            kind, data = (
                values.dtype.name,
                values.astype(values.dtype.newbyteorder("<"), copy=False),
            )
            digest.update(f"\n{name}\n{kind}\n{data.nbytes}\n".encode())
            digest.update(np.ascontiguousarray(data).data)
            continue
        # Lengths beside the joined text: no separator that a name could hold.
        lengths = [pc.binary_length(text).to_numpy().astype("<i8") for text in _texts(column)]
        size = sum(each.nbytes + int(each.sum()) for each in lengths)
        digest.update(f"\n{name}\ntext\n{size}\n".encode())
        for each in lengths:
            digest.update(each)
        for text in _texts(column):
            digest.update(_joined(text))
    return digest.hexdigest()


def _texts(column: "pd.Series[Any] | pa.ChunkedArray") -> Iterator[pa.LargeStringArray]:
    """Give a column of text in parts, so that it is never whole in memory beside the table."""
    for at in range(0, len(column), _AT_ONCE):
        if isinstance(column, pa.ChunkedArray):
            part = column.slice(at, _AT_ONCE)
        else:  # one array, or several where it came from several tables
            part = pa.array(column.iloc[at : at + _AT_ONCE])
        for chunk in part.chunks if isinstance(part, pa.ChunkedArray) else [part]:
            yield chunk.cast(pa.large_string())


def _joined(text: pa.LargeStringArray) -> memoryview:
    """Give the bytes of all texts, one behind the other, where they stand in memory."""
    _, offsets, data = text.buffers()
    if data is None:
        return memoryview(b"")
    ends = np.frombuffer(offsets, np.int64)
    return memoryview(data)[ends[text.offset] : ends[text.offset + len(text)]]


def text_hash(value: Any, where: str) -> str:
    """Give the sha256 of what JSON can hold, by its one text; ``where`` names it in errors."""
    return hashlib.sha256(json_text(value, where).encode()).hexdigest()


def _is_numeric(column: "pd.Series[Any] | pa.ChunkedArray") -> bool:
    """Tell whether a column holds numbers."""
    if isinstance(column, pa.ChunkedArray):
        return bool(pa.types.is_floating(column.type) or pa.types.is_integer(column.type))
    return bool(pd.api.types.is_numeric_dtype(column.dtype))
