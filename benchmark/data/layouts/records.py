"""Tables that datasets bring along, read as text whatever program wrote them."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmark.data.separated import separated_rows
from benchmark.errors import ManifestError
from protocols.files import FileError, parse_json, read_json, read_text
from protocols.text import printable
from results.errors import ResultError
from results.parquet import read_table

# Of a dataset's list: AV-Deepfake1M's has about 500 MB.
_MOST_BYTES = 1 << 30
Record = dict[str, str]


def read_records(path: Path) -> list[Record]:
    """Read a table as one mapping of text a row.

    Args:
        path: .csv or .tsv (comma, semicolon or tab; with or without a mark of byte order; any line
            ends), .jsonl, .json (a list of objects, or an object of objects, whose keys become the
            column ``""``), or .parquet.

    Raises:
        ManifestError: It cannot be read; the file and what is wrong are named.
    """
    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            return _of_parquet(path)
        if suffix == ".json":
            return list(_of_json(read_json(path, _MOST_BYTES), path))
        text = read_text(path, _MOST_BYTES)
        split = separated_rows(text, path).rows if suffix in (".csv", ".tsv") else None
    except FileError as error:
        raise ManifestError(f"{path}: {error.reason}") from error
    if suffix == ".jsonl":
        return [_of_line(line, number, path) for number, line in _lines(text)]
    if split is not None:
        header, *rows = split
        twice = [name for name, number in Counter(header).items() if number > 1 and name]
        if twice:
            raise ManifestError(f"{path}: column '{printable(twice[0])}' stands there twice")
        return [dict(zip(header, row, strict=True)) for row in rows]
    raise ManifestError(f"{path}: tables are .csv, .tsv, .jsonl, .json or .parquet files")


def read_rows(path: Path, columns: int) -> list[list[str]]:
    """Read a CSV file without a header.

    Args:
        path: The file.
        columns: How many columns a row has at least.

    Raises:
        ManifestError: It cannot be read, or a row has fewer.
    """
    try:
        rows = separated_rows(read_text(path, _MOST_BYTES), path).rows
    except FileError as error:
        raise ManifestError(f"{path}: {error.reason}") from error
    short = next((number for number, row in enumerate(rows, 1) if len(row) < columns), None)
    if short is not None:
        raise ManifestError(f"{path}, row {short}: {len(rows[short - 1])} values, not {columns}")
    return rows


def read_lines(path: Path) -> list[str]:
    """Read the lines of a list; empty ones are dropped.

    Raises:
        ManifestError: It cannot be read.
    """
    try:
        return [line.strip() for _, line in _lines(read_text(path, _MOST_BYTES))]
    except FileError as error:
        raise ManifestError(f"{path}: {error.reason}") from error


def column_of(records: list[Record], names: tuple[str, ...], path: Path) -> str:
    """Find a column by any of its names, whatever their case.

    Raises:
        ManifestError: There is none.
    """
    there = list(records[0]) if records else []
    for name in names:
        for column in there:
            if column.strip().lower() == name.lower():
                return column
    raise ManifestError(
        f"{path}: column '{names[0]}' is missing; there are {', '.join(there) or 'no rows'}"
    )


def plain_path(text: str) -> str:
    """Write a path of a table as ours are: ``/``, no drive letter, no ``./`` before it."""
    path = text.strip().replace("\\", "/")
    path = re.sub(r"^[A-Za-z]:/", "", path)
    return re.sub(r"^(?:\./)+|^/+", "", re.sub(r"/{2,}|/\./", "/", path))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Give the lines that are not empty, with their numbers."""
    # Not splitlines: a line of JSON may hold other signs that part lines, as U+2028.
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), 1):
        if line.strip():
            yield number, line


def _of_line(line: str, number: int, path: Path) -> Record:
    """Read a line of JSON Lines."""
    try:
        value = parse_json(line)
    except ValueError as error:
        raise ManifestError(f"{path}, line {number}: not JSON ({error})") from error
    return _flat(value, path)


def _of_json(value: Any, path: Path) -> Iterator[Record]:
    """Read a list of objects, or an object of objects."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield {"": key, **_flat(each, path)}
    elif isinstance(value, list):
        for each in value:
            yield _flat(each, path)
    else:
        raise ManifestError(f"{path}: must be a list of objects or an object of objects")


def _flat(value: Any, path: Path) -> Record:
    """Write an object's values as text: true and false, lists as JSON, null as nothing."""
    if not isinstance(value, Mapping):
        raise ManifestError(f"{path}: a row must be an object, not {str(value)[:40]!r}")
    return {str(key): as_text(each) for key, each in value.items()}


def as_text(value: Any) -> str:
    """Write a value of a table as text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _of_parquet(path: Path) -> list[Record]:
    """Read a Parquet file's columns of text and numbers."""
    try:
        table = read_table(path)
    except ResultError as error:
        raise ManifestError(str(error)) from error
    return [{name: as_text(v) for name, v in row.items()} for row in table.to_pylist()]
