"""Files of scores that were made elsewhere, read as columns: no file of theirs is run.

CSV, Parquet, JSON lines and npz; the predictions of GenD's evaluation (a CSV file) and the two
pickles of DeepfakeBench's, of which nothing but arrays, lists and texts is read.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmark.data.arrays import MOST_BYTES, read_npz, read_pickle
from benchmark.data.separated import separated_rows
from benchmark.errors import BenchmarkError
from protocols.files import FileError, parse_json, read_text
from protocols.text import printable
from results.errors import ResultError
from results.files import file_hash
from results.parquet import MOST_COLUMNS, read_table

_SUFFIXES = (".csv", ".tsv", ".parquet", ".jsonl", ".npz", ".pickle")
# What DeepfakeBench's evaluation writes for each test set.
_METRICS, _FILES = "metric_dict_best.pickle", "data_dict_test.pickle"


class OutsideTable(NamedTuple):
    """A table of scores as it stands in a file.

    Attributes:
        columns: Text of each cell by column, "" where it is empty; all of one length.
        first_row: Number of the first row as the user counts.
        source: Whose evaluation wrote it, as far as the file says; "" if it is anybody's.
    """

    columns: dict[str, list[str]]
    first_row: int
    source: str = ""

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), []))


def read_outside(path: Path) -> OutsideTable:
    """Read a file of scores, or the folder of a test set that DeepfakeBench wrote.

    Raises:
        BenchmarkError: It is of no kind that is read, broken, or holds nothing.
    """
    if path.is_dir() or path.name in (_METRICS, _FILES):
        return _deepfakebench(path if path.is_dir() else path.parent)
    readers = {
        ".csv": _csv,
        ".tsv": _csv,
        ".parquet": _parquet,
        ".jsonl": _json_lines,
        ".npz": _npz,
    }
    if path.suffix.lower() not in readers:
        raise BenchmarkError(
            f"{path}: scores are read from {', '.join(_SUFFIXES[:-1])} files, and from the folder "
            f"of a test set with DeepfakeBench's {_METRICS} and {_FILES}; not from '{path.suffix}'"
        )
    try:
        found = readers[path.suffix.lower()](path)
    except (FileError, ResultError) as error:
        raise BenchmarkError(str(error)) from error
    if not len(found):
        raise BenchmarkError(f"{path}: holds no scores, only the names of columns")
    return found


def _csv(path: Path) -> OutsideTable:
    """Read CSV: separated by commas, semicolons or tabs, whichever its first line has most of."""
    (header, *lines), parted = separated_rows(read_text(path, MOST_BYTES), path)
    columns = [[value.strip() for value in column] for column in zip(*lines, strict=True)]
    names = [name.strip() for name in header]
    if parted == ";":  # where numbers are written with a comma
        columns = [[_point(value) for value in column] for column in columns]
    source = "GenD" if names[:3] == ["files", "labels", "prob_class_0"] else ""
    return OutsideTable(_named(path, names, columns or [[] for _ in names]), 2, source)


def _point(value: str) -> str:
    """Write a number of one comma and no point with a point."""
    whole, comma, rest = value.partition(",")
    return f"{whole}.{rest}" if comma and rest.isdigit() and whole.lstrip("+-").isdigit() else value


def _parquet(path: Path) -> OutsideTable:
    """Read Parquet."""
    table = read_table(path)
    columns = [[_text(value) for value in column.to_pylist()] for column in table.columns]
    return OutsideTable(_named(path, table.column_names, columns), 1)


def _json_lines(path: Path) -> OutsideTable:
    """Read an object a line; a key that a line lacks is an empty cell."""
    objects: list[dict[str, Any]] = []
    for number, line in enumerate(read_text(path, MOST_BYTES).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = parse_json(line)
        except (ValueError, RecursionError) as error:
            raise BenchmarkError(f"{path}, line {number}: not JSON ({error})") from error
        if not isinstance(value, dict):
            raise BenchmarkError(f"{path}, line {number}: an object is expected, as {{...}}")
        objects.append(value)
    names = list(dict.fromkeys(name for each in objects for name in each))
    if len(names) > MOST_COLUMNS:  # before each line has a cell for each
        raise BenchmarkError(f"{path}: {len(names)} keys; at most {MOST_COLUMNS} are read")
    columns = [[_text(each.get(name)) for each in objects] for name in names]
    return OutsideTable(_named(path, names, columns), 1)


def _npz(path: Path) -> OutsideTable:
    """Read arrays of one length; a two-dimensional one is a column each, NAME_0, NAME_1, ..."""
    columns: dict[str, list[str]] = {}
    for name, array in read_npz(path).items():
        if array.ndim == 2:
            columns |= {f"{name}_{at}": _texts(array[:, at]) for at in range(array.shape[1])}
        else:
            columns[name] = _texts(array)
    return OutsideTable(_named(path, list(columns), list(columns.values())), 1)


def _deepfakebench(folder: Path) -> OutsideTable:
    """Read P(fake) and the frames that it is of, which DeepfakeBench writes apart, in one order."""
    found, frames = (_plain(folder / name) for name in (_METRICS, _FILES))
    scores: Any = found.get("pred")
    names: Any = frames.get("image")
    numbers = (isinstance(scores, np.ndarray) and scores.ndim == 1) or _all(scores, (int, float))
    if not numbers or not _all(names, str) or len(scores) != len(names):
        raise BenchmarkError(
            f"{folder}: 'pred' of {_METRICS} and 'image' of {_FILES} must be there, numbers and "
            "texts, and of one length: both are of one evaluation"
        )
    columns = {"path": names, "prob_fake": _texts(scores)}
    return OutsideTable(columns, 1, "DeepfakeBench")


def _all(values: Any, kind: type | tuple[type, ...]) -> bool:
    """Tell whether something is a list of one kind."""
    return isinstance(values, list) and all(isinstance(each, kind) for each in values)


def _plain(path: Path) -> dict[str, Any]:
    """Read one of DeepfakeBench's pickles."""
    try:
        return read_pickle(path)
    except FileError as error:
        raise BenchmarkError(f"{error} (DeepfakeBench writes {_METRICS} and {_FILES})") from error


def _named(path: Path, names: Sequence[str], columns: Sequence[list[str]]) -> dict[str, list[str]]:
    """Put columns under their names, which differ, and which are of one length."""
    if len(names) > MOST_COLUMNS:
        raise BenchmarkError(f"{path}: {len(names)} columns; at most {MOST_COLUMNS} are read")
    twice = next((name for name, number in Counter(names).items() if number > 1), None)
    if twice is not None or "" in names:
        what = f"'{printable(twice)}' stands there twice" if twice else "one has no name"
        raise BenchmarkError(f"{path}: columns need names that differ: {what}")
    if len({len(column) for column in columns}) > 1:
        told = ", ".join(f"{n} {len(c)}" for n, c in zip(names, columns, strict=True))
        raise BenchmarkError(f"{path}: its columns are not of one length ({told})")
    return dict(zip(names, columns, strict=True))


def _texts(array: Any) -> list[str]:
    """Give the values of an array as text."""
    return [_text(value) for value in np.asarray(array).tolist()]


def _text(value: Any) -> str:
    """Write a value as it would stand in CSV; nothing is empty."""
    if value is None:
        return ""
    return repr(value) if isinstance(value, float) else str(value)


def written_hash(path: Path) -> str:
    """Give the sha256 of what ``read_outside`` reads: of a folder, of both of its files."""
    if not (path.is_dir() or path.name in (_METRICS, _FILES)):
        return file_hash(path)
    folder = path if path.is_dir() else path.parent
    both = "".join(file_hash(folder / name) for name in (_METRICS, _FILES))
    return hashlib.sha256(both.encode()).hexdigest()
