"""Manifests: the table of a dataset's samples, as a CSV or Parquet file beside the images."""

import csv
import io
import re
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmark.data.facts import NOTHING_STATED, DatasetFacts, read_dataset_facts
from benchmark.data.roots import root_of
from benchmark.data.separated import separator
from benchmark.errors import ManifestError
from protocols import SamplesError, validate
from protocols.files import FileError, read_text
from protocols.samples import COLUMNS, REQUIRED
from protocols.text import printable
from results.errors import ResultError
from results.files import atomic_write
from results.parquet import MOST_COLUMNS, read_table

SUFFIXES = (".csv", ".parquet")
# Fingerprints join values with control characters, so no value may hold one.
_MOST_BYTES = 1 << 30  # of CSV: what is larger is written as Parquet
CONTROL = r"[\x00-\x1f\x7f]"
# Where a path would read otherwise once it is taken apart and put together again.
_NOT_PLAIN = r"^\./|/\.(?:/|$)|.//|./$|^///"
_BOX = "[0-9]{1,5} [0-9]{1,5} [1-9][0-9]{0,4} [1-9][0-9]{0,4}"

Columns = dict[str, list[str]]


@dataclass(frozen=True)
class Manifest:
    """A dataset's samples and where their images lie.

    Attributes:
        path: The file it was read from.
        root: The folder that sample ids are relative to: the file's own, or as its facts state.
        name: The root's name, for tables.
        samples: What ``protocols.validate`` returns: its columns, then the user's own as text.
        facts: What the dataset states of itself, in the .json file of the manifest's name.
    """

    path: Path
    root: Path
    name: str
    samples: pd.DataFrame
    facts: DatasetFacts = NOTHING_STATED


def read_manifest(path: Path) -> Manifest:
    """Read and validate a manifest.

    The column ``path`` (with ``frame``, for frames of videos, and ``box``, for faces in larger
    pictures) becomes ``sample_id``. Every value
    is text, exactly as it stands there: ``NA`` and ``null`` are names like any other, only the
    empty value is no value. A frame without a ``group`` gets its video's path as one.

    Args:
        path: A .csv (UTF-8, one header line; commas, semicolons or tabs) or .parquet file.

    Raises:
        ManifestError: The file cannot be read, or a column, row or value is wrong; the file, the
            row (a CSV file's header is row 1, a Parquet file's first sample is row 1), the column
            and the choices are named. Or the facts beside it are wrong, see ``facts.read_facts``.
    """
    path = Path(path)
    check_path(path)
    if path.suffix.lower() == ".csv":
        columns, first_row = _read_csv(path), 2
    else:
        columns, first_row = _read_parquet(path), 1
    _refuse_foreign(columns, path, first_row)
    return from_columns(columns, path, first_row, read_dataset_facts(path))


def from_columns(
    columns: Columns, path: Path, first_row: int = 2, facts: DatasetFacts = NOTHING_STATED
) -> Manifest:
    """Validate what a manifest holds, or is about to hold.

    Args:
        columns: The manifest's columns, all of text and of one length.
        path: Its file; it is not read.
        first_row: Number of the first sample's row as the user counts.
        facts: What the dataset states of itself.

    Raises:
        ManifestError: As ``read_manifest``.
    """
    _check_header(list(columns), path)
    table = _with_ids(pd.DataFrame(columns, dtype=str), path, first_row)
    try:
        samples = validate(table, str(path), first_row)
    except SamplesError as error:
        raise ManifestError(str(error)) from error
    root = root_of(path, facts.root, links=facts.links)
    name = printable(root.resolve().name)
    return Manifest(path=path, root=root, name=name, samples=samples, facts=facts)


def check_path(path: Path) -> None:
    """Raise ManifestError unless ``path`` is a file with a known suffix."""
    if path.is_dir():
        raise ManifestError(
            f"{path}: is a folder; give the manifest file in it, or make one with "
            f"'forgerybench data index {path}'"
        )
    if not path.exists():
        raise ManifestError(f"{path}: there is no such manifest")
    if not path.is_file():  # a pipe would be waited for without end
        raise ManifestError(f"{path}: is not a file")
    if path.suffix.lower() not in SUFFIXES:
        raise ManifestError(
            f"{path}: a manifest is a {' or '.join(SUFFIXES)} file, not '{path.suffix}'"
        )


def _read_csv(path: Path) -> Columns:
    """Read a CSV file as columns of text."""
    header, *rows = _csv_rows(path)
    _check_header(header, path)
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise ManifestError(
                f"{path}, row {number}: {len(row)} values for the {len(header)} columns of row 1"
            )
    if not rows:
        return {name: [] for name in header}
    return dict(zip(header, map(list, zip(*rows, strict=True)), strict=True))


def _csv_rows(path: Path) -> list[list[str]]:
    """Split a CSV file into rows; empty lines at its end are dropped."""
    try:
        text = read_text(path, _MOST_BYTES)
    except FileError as error:
        raise ManifestError(f"{path}: {error.reason}") from error
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator(text), strict=True)
    try:
        rows = list(reader)
    except csv.Error as error:
        raise ManifestError(f"{path}, line {reader.line_num}: not CSV: {error}") from error
    while rows and not rows[-1]:
        rows.pop()
    if not rows:
        raise ManifestError(f"{path}: the file is empty; its first row must name the columns")
    return rows


def _read_parquet(path: Path) -> Columns:
    """Read a Parquet file as columns of text; a missing value becomes an empty one."""
    try:
        table = read_table(path)
    except ResultError as error:
        reason = str(error).removeprefix(f"{path}: ")
        reason = re.sub(r"^not Parquet \((.*)\)$", r"cannot be read as Parquet: \1", reason)
        raise ManifestError(f"{path}: {reason}") from error
    _check_header(table.column_names, path)
    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            raise ManifestError(
                f"{path}: column '{name}' holds {kind}; text and numbers can be read"
            )
        values = column.to_pylist()
        columns[name] = ["" if value is None else str(value) for value in values]
    return columns


def _check_header(header: list[str], path: Path) -> None:
    """Refuse a header without ``path``, or with a name that is empty, double, hidden or taken."""
    if len(header) > MOST_COLUMNS:
        raise ManifestError(f"{path}: {len(header)} columns; at most {MOST_COLUMNS} are read")
    for name, count in Counter(header).items():
        if not name.strip():
            raise ManifestError(f"{path}: column {header.index(name) + 1} has no name")
        if printable(name) != name:
            raise ManifestError(f"{path}: column '{printable(name)}' has a sign that is not seen")
        if count > 1:
            raise ManifestError(f"{path}: column '{name}' stands there {count} times")
    if "path" not in header:
        found = ", ".join(header)
        raise ManifestError(
            f"{path}: column 'path' is missing; there are {found}; a table of other columns is "
            f"read by 'forgerybench data index table FOLDER --table {path.name} --column path=NAME'"
        )
    if "sample_id" in header:
        raise ManifestError(
            f"{path}: 'sample_id' is made from 'path'; give that column another name"
        )
    missing = [name for name in REQUIRED if name not in ("sample_id", *header)]
    if missing:
        raise ManifestError(
            f"{path}: column '{missing[0]}' is missing; there are {', '.join(header)}"
        )


def _with_ids(table: pd.DataFrame, path: Path, first_row: int) -> pd.DataFrame:
    """Check the values' text, and turn ``path``, ``frame`` and ``box`` into ``sample_id``."""
    if table.empty:
        raise ManifestError(f"{path}: the table has no rows, only the header")
    for name in table.columns:
        control = table[name].str.contains(CONTROL, regex=True)
        _refuse(control, path, first_row, f"'{name}' holds a line break or control character")
        if name in COLUMNS or name == "path":
            padded = table[name] != table[name].str.strip()
            _refuse(padded, path, first_row, f"'{name}' begins or ends with a space")
    _refuse(table["path"] == "", path, first_row, "'path' is empty")
    odd = table["path"].str.contains(_NOT_PLAIN, regex=True)
    _refuse(odd, path, first_row, "write 'path' plainly: no './', '//' or '/' at the end")
    if "sha256" in table:
        odd = (table["sha256"] != "") & ~table["sha256"].str.fullmatch("[0-9a-f]{64}")
        _refuse(odd, path, first_row, "'sha256' is not 64 lower-case hexadecimal digits")
    table = table.rename(columns={"path": "sample_id"})
    return _with_parts(table, path, first_row) if {"frame", "box"} & set(table) else table


def _refuse_foreign(columns: Columns, path: Path, first_row: int) -> None:
    """Refuse what other programs write, with the command that reads it."""
    command = f"forgerybench data index table FOLDER --table {path.name} -o NEW.csv"
    label, paths = (pd.Series(columns[name], dtype=str) for name in ("label", "path"))
    _refuse(
        label.isin(["0", "1"]),
        path,
        first_row,
        f"which of the labels 0 and 1 is forged is not guessed: '{command} --label 1=fake "
        "--label 0=real' writes a manifest",
    )
    # To Linux a backslash is a sign like any other.
    foreign = paths.str.contains(r"\\|^[A-Za-z]:/", regex=True)
    _refuse(
        foreign, path, first_row, f"paths are relative, with /; '{command}' reads those of Windows"
    )


def _with_parts(table: pd.DataFrame, path: Path, first_row: int) -> pd.DataFrame:
    """Put the columns ``frame`` and ``box`` into the ids that they are parts of."""
    none = pd.Series("", index=table.index)
    frame, box = (table.pop(name) if name in table else none for name in ("frame", "box"))
    for name, values, pattern, meant in (
        ("frame", frame, "[0-9]{1,9}", "a whole number from 0"),
        ("box", box, _BOX, "left, top, width and height in pixels, such as 10 20 224 224"),
    ):
        wrong = (values != "") & ~values.str.fullmatch(pattern)
        _refuse(wrong, path, first_row, f"'{name}' is not {meant}")
        twice = (values != "") & table["sample_id"].str.contains("#(?:frame|xywh)=", regex=True)
        _refuse(twice, path, first_row, f"the frame or box stands in 'path' and in '{name}'")
    own = (frame != "") | (box != "")
    group = table.get("group", none)
    table["group"] = group.where((group != "") | ~own, table["sample_id"])
    frames = frame.map(lambda text: f"frame={int(text)}" if text else "")
    boxes = box.map(lambda text: f"xywh={','.join(text.split())}" if text else "")
    both = frames + np.where((frame != "") & (box != ""), "&", "") + boxes
    table["sample_id"] += np.where(own, "#", "") + both
    return table


def _refuse(wrong: "pd.Series[bool]", path: Path, first_row: int, message: str) -> None:
    """Raise ManifestError naming the first wrong row and how many more there are."""
    if not wrong.any():
        return
    row = int(wrong.to_numpy().argmax()) + first_row
    more = f" ({int(wrong.sum()) - 1} more such rows)" if wrong.sum() > 1 else ""
    raise ManifestError(f"{path}, row {row}: {message}{more}")


def check_target(target: Path) -> None:
    """Raise ManifestError unless a manifest can be written to a file that is not there yet."""
    if target.suffix.lower() not in SUFFIXES:
        raise ManifestError(f"{target}: a manifest is a {' or '.join(SUFFIXES)} file")
    if not target.parent.is_dir():
        raise ManifestError(f"{target.parent}: there is no such folder; make it first")
    if target.exists():
        raise ManifestError(f"{target}: there is a manifest already; move it away first")
    try:
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise ManifestError(
            f"{target}: cannot be written ({error.strerror}); write it elsewhere with -o"
        ) from error


def write_manifest(columns: Mapping[str, list[str]], target: Path) -> None:
    """Write columns of text as a CSV or Parquet file, whole or not at all.

    Raises:
        ManifestError: It cannot be written.
    """
    data: bytes | str
    if target.suffix.lower() == ".csv":
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
        data = text.getvalue()
    else:
        data = _parquet(columns)
    try:
        atomic_write(target, data)
    except OSError as error:
        raise ManifestError(f"{target}: cannot be written: {error.strerror}") from error


def _parquet(columns: Mapping[str, list[str]]) -> bytes:
    """Write columns of text as a Parquet file."""
    schema = pa.schema([(name, pa.string()) for name in columns])
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(dict(columns), schema=schema), sink, compression="zstd")
    found: bytes = sink.getvalue().to_pybytes()
    return found
