"""Parquet files from anywhere: looked at before they are read, and not read where they burst."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from results.errors import ResultError
from results.files import check_regular

MOST_COLUMNS = 1000
# A table of this many bytes is read whatever its file has; above it, a file that decodes to so many
# times its size is a bomb: scores take at most 60 times theirs, since logits do not compress.
HARMLESS_BYTES, _MOST_TIMES = 1 << 30, 500
_TEXTS = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_binary,
    pa.types.is_large_binary,
)


def read_table(path: str | Path, *, coded: bool = False) -> pa.Table:
    """Read a Parquet file whole, without metadata of its writer.

    Args:
        path: The file.
        coded: Leave text as numbers of a dictionary: 4 bytes a row where names repeat.

    Raises:
        ResultError: It is no file or not Parquet, has too many columns or one of a type that no
            table of ours has, or would take a multiple of its size that no honest table takes.
    """
    size = check_regular(path)
    try:
        with Path(path).open("rb") as handle:
            file = pq.ParquetFile(handle)
            schema = file.schema_arrow
            _check_columns(path, schema, file.metadata.num_columns)
            refuse_bomb(path, size, _at_least(file.metadata))
            texts = [f.name for f in schema if any(is_text(f.type) for is_text in _TEXTS)]
            # Texts stay with their dictionary, which may stand for more, until it is counted.
            kept = pq.ParquetFile(handle, read_dictionary=texts).read(use_threads=True)
            refuse_bomb(path, size, sum(_decoded(column) for column in kept.columns))
            kept.validate(full=True)  # text that is no UTF-8, say, which would be found much later
            plain = kept.unify_dictionaries() if coded else kept.cast(schema.remove_metadata())
            return plain.replace_schema_metadata(None)
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())
        raise ResultError(f"{path}: not Parquet ({reason})") from error


def uncoded(schema: pa.Schema) -> pa.Schema:
    """Give the schema of a table that was read ``coded`` as it is when it is not."""
    return pa.schema(
        [
            (
                field.name,
                field.type.value_type if pa.types.is_dictionary(field.type) else field.type,
            )
            for field in schema
        ]
    )


def read_columns(path: str | Path, schema: pa.Schema) -> pd.DataFrame:
    """Read a Parquet file that must have one schema.

    Raises:
        ResultError: As ``read_table``, or it has another schema.
    """
    table = read_table(path)
    check_schema(path, table.schema, schema)
    frame: pd.DataFrame = table.to_pandas()
    return frame


def check_schema(path: str | Path, found: pa.Schema, wanted: pa.Schema) -> None:
    """Raise ResultError where a table has other columns than it must, or of other types."""
    if not found.equals(wanted):
        must, there = (
            ", ".join(f"{field.name} {field.type}" for field in each) for each in (wanted, found)
        )
        raise ResultError(f"{path}: the columns must be {must}; there are {there}")


def _check_columns(path: str | Path, schema: pa.Schema, leaves: int) -> None:
    """Refuse a schema that no table of ours has."""
    if max(leaves, len(schema)) > MOST_COLUMNS:
        raise ResultError(f"{path}: {leaves} columns; at most {MOST_COLUMNS} are read")
    for name in schema.names:
        if schema.names.count(name) > 1:
            raise ResultError(
                f"{path}: column '{name}' stands there {schema.names.count(name)} times"
            )
    for field in schema:
        kind = field.type.value_type if pa.types.is_list(field.type) else field.type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        if pa.types.is_nested(kind) or isinstance(kind, pa.BaseExtensionType):
            raise ResultError(
                f"{path}: column '{field.name}' holds {kind}; text and numbers can be read"
            )


def _at_least(metadata: pq.FileMetaData) -> int:
    """Give the bytes that a file says it takes when it is read."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    stated = sum(group.total_byte_size for group in groups)
    rows = max(metadata.num_rows, sum(group.num_rows for group in groups))
    return int(max(stated, 4 * rows * metadata.num_columns))


def _decoded(column: pa.ChunkedArray) -> int:
    """Give the bytes that a column takes once each row has its own value."""
    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    total = 0
    for chunk in column.chunks:
        lengths = pc.binary_length(chunk.dictionary).cast(pa.int64()).fill_null(0)
        total += (pc.sum(lengths.take(chunk.indices)).as_py() or 0) + 8 * len(chunk)
    return total


def refuse_bomb(path: str | Path, size: int, decoded: int) -> None:
    """Raise ResultError for a file that takes far more memory than disk.

    Args:
        path: What the error names.
        size: Its bytes.
        decoded: Bytes that it takes, or has taken so far, once it is read.
    """
    if decoded > max(HARMLESS_BYTES, _MOST_TIMES * size):
        raise ResultError(
            f"{path}: its {size} bytes would take {decoded >> 20} MiB in memory, which no honest "
            "table does: it is not read"
        )
