"""Text in columns, whatever sign parts them: CSV as the programs of this world write it."""

import csv
import io
import re
from pathlib import Path
from typing import NamedTuple

from protocols.files import FileError


class SeparatedRows(NamedTuple):
    """The rows of a text, empty ones left out, and the sign between their values."""

    rows: list[list[str]]
    separator: str


def separator(text: str) -> str:
    """Tell what parts the values of CSV text: comma, semicolon or tab, as its first line does."""
    return max(",;\t", key=re.split("[\r\n]", text, maxsplit=1)[0].count)


def separated_rows(text: str, path: Path) -> SeparatedRows:
    """Split a text at commas, semicolons or tabs: whichever its first line has most of.

    Args:
        text: All of the file.
        path: What an error names.

    Raises:
        FileError: A quote is not closed, it is empty, or a row has more or fewer values than the
            first.
    """
    parted = separator(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=parted, strict=True)
    try:
        rows = [row for row in reader if row]
    except csv.Error as error:
        raise FileError(path, f"line {reader.line_num} is not CSV: {error}") from error
    if not rows:
        raise FileError(path, "the file is empty")
    for number, row in enumerate(rows, 1):
        if len(row) != len(rows[0]):
            raise FileError(
                path, f"row {number}: {len(row)} values for the {len(rows[0])} columns of row 1"
            )
    return SeparatedRows(rows, parted)
