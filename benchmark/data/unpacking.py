"""Datasets whose images lie in tables, in Parquet files or on the Hub, written out as files."""

import csv
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmark.data.images import MAX_BYTES
from benchmark.data.layouts.records import as_text
from benchmark.errors import BenchmarkError
from results.errors import ResultError
from results.files import atomic_write, check_regular, csv_text
from results.parquet import refuse_bomb

TABLE = "metadata.csv"
HUB = "hub:"
_ROWS = 64  # that are read at once
_MOST_READ = 1 << 30  # bytes of these
_LONGEST = 100_000  # signs of a cell: readers of CSV take 131,072 bytes
_MOST_GROUP_BYTES = 4 << 30  # of a row group: the Hub's have a few hundred MB
_A_FOLDER = 10_000
_MOST_SEARCHED = 200_000  # files and folders below one that is named like a dataset of the Hub
_BEGINNINGS = {
    b"\xff\xd8\xff": ".jpg",
    b"\x89PNG": ".png",
    b"RIFF": ".webp",
    b"BM": ".bmp",
    b"II*\x00": ".tif",
    b"MM\x00*": ".tif",
}
_Row = Mapping[str, Any]


@dataclass(frozen=True)
class Unpacked:
    """What was written.

    Attributes:
        table: The table of the images, ``metadata.csv``.
        images: How many.
        problems: Rows without an image that can be read: where -> why.
        dropped: Columns of a kind that no table has.
    """

    table: Path
    images: int
    problems: Mapping[str, str]
    dropped: tuple[str, ...]


def unpack(
    source: str,
    out: Path,
    *,
    image: str = "image",
    split: str = "train",
    on_progress: Callable[[], None] = lambda: None,
) -> Unpacked:
    """Write the images of Parquet files, or of a dataset of the Hub, as files with a table.

    The encoded bytes stay as they are, and a name that a table gives them is never used: files are
    numbered. What is there from an earlier attempt is not written again. Rows are read a few at a
    time.

    Args:
        source: A Parquet file, a folder of them, or ``hub:OWNER/NAME[@REVISION]``, streamed.
        out: The folder: ``images/`` and ``metadata.csv``, whose column ``file_name`` names each.
        image: The column of the images.
        split: Of a dataset of the Hub.
        on_progress: Called after each row.

    Raises:
        BenchmarkError: There is a table already, no Parquet file, or no such column.
    """
    if (out / TABLE).exists():
        raise BenchmarkError(f"{out / TABLE}: there is a table already; choose another folder")
    rows = (
        _of_hub(source.removeprefix(HUB), split, image)
        if source.startswith(HUB)
        else (_of_parquet(Path(source), image))
    )
    draft = out / f".{TABLE}"
    problems, count, names = dict[str, str](), 0, list[str]()
    dropped: dict[str, None] = {}
    out.mkdir(parents=True, exist_ok=True)
    draft.unlink(missing_ok=True)  # of a stopped attempt, or a link to a file of somebody's
    try:
        with draft.open("x", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            for number, (where, row) in enumerate(rows):
                if not names:
                    names = [name for name in row if name != image]
                    writer.writerow(["file_name", *map(csv_text, names)])
                try:
                    name = _write(out, number, row[image])
                except BenchmarkError as error:
                    problems[where] = str(error)
                else:
                    writer.writerow(
                        [name, *(_cell(row.get(each), each, dropped) for each in names)]
                    )
                    count += 1
                on_progress()
        if not count:
            first = next(iter(problems.items()), ("", "it has no rows"))
            raise BenchmarkError(f"{source}: no image in column '{image}'; {' '.join(first)}")
        draft.replace(out / TABLE)
    finally:
        draft.unlink(missing_ok=True)
    return Unpacked(out / TABLE, count, problems, tuple(dropped))


def _cell(value: Any, name: str, dropped: dict[str, None]) -> str:
    """Write a value for the table; what is no text or number, or endless, is dropped and told."""
    text = "" if isinstance(value, list | dict | bytes) else csv_text(as_text(value))
    if isinstance(value, list | dict | bytes) or len(text) > _LONGEST:
        dropped[name] = None
        return ""
    return text


def _write(out: Path, number: int, value: Any) -> str:
    """Write an image's bytes; give the name of its file."""
    data = value.get("bytes") if isinstance(value, Mapping) else value
    if not isinstance(data, bytes) or not data:
        raise BenchmarkError("no bytes of an image")
    if len(data) > MAX_BYTES:
        raise BenchmarkError(f"{len(data)} bytes, more than the {MAX_BYTES} an image may have")
    suffix = next((end for start, end in _BEGINNINGS.items() if data.startswith(start)), "")
    if not suffix:
        raise BenchmarkError("not a JPEG, PNG, WEBP, BMP or TIFF image")
    name = f"images/{number // _A_FOLDER:04d}/{number:08d}{suffix}"
    path = out / name
    if not (path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data):
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, data)
    return name


def _of_parquet(source: Path, image: str) -> Iterator[tuple[str, _Row]]:
    """Give the rows of Parquet files, each with where it stands."""
    files = sorted(source.rglob("*.parquet")) if source.is_dir() else [source]
    if not files:
        raise BenchmarkError(f"{source}: no Parquet file in it")
    for path in files:
        try:
            size = check_regular(path)
            with path.open("rb") as handle:
                file = pq.ParquetFile(handle)
                _check(path, file, image)
                number, decoded = 0, 0
                for batch in file.iter_batches(batch_size=_rows_at_once(file)):
                    decoded += batch.nbytes
                    refuse_bomb(path, size, decoded)
                    for row in batch.to_pylist():
                        yield f"{path.name}, row {number + 1}", row
                        number += 1
        except (pa.ArrowException, OSError, ValueError, OverflowError, ResultError) as error:
            reason = " ".join(str(error).split())
            raise BenchmarkError(f"{path}: cannot be read as Parquet: {reason}") from error


def _rows_at_once(file: pq.ParquetFile) -> int:
    """Give how many rows are read at once: each may be as large as its row group, stored once."""
    rows: int = _MOST_READ // max(_group_bytes(file), 1)
    return min(max(rows, 1), _ROWS)


def _group_bytes(file: pq.ParquetFile) -> int:
    """Give the bytes of the largest row group, as it says."""
    groups = (file.metadata.row_group(i).total_byte_size for i in range(file.num_row_groups))
    return int(max(groups, default=0))


def _check(path: Path, file: pq.ParquetFile, image: str) -> None:
    """Refuse a file without the column, or one that would burst."""
    names = file.schema_arrow.names
    if image not in names:
        raise BenchmarkError(
            f"{path}: column '{image}' is missing; there are {', '.join(names[:20])}; name the "
            "images' with --image"
        )
    if _group_bytes(file) > _MOST_GROUP_BYTES:
        raise BenchmarkError(f"{path}: a row group of {_group_bytes(file)} bytes is not read")


def _of_hub(name: str, split: str, image: str) -> Iterator[tuple[str, _Row]]:
    """Stream a dataset of the Hub, or a folder that ``datasets`` reads; nothing of it is run."""
    is_folder = Path(name).is_dir()
    place, at, revision = (name, "", "") if is_folder else name.partition("@")
    if not place.strip() or bool(at) != bool(revision.strip()):
        raise BenchmarkError(f"'{HUB}{name}' names no dataset: write {HUB}OWNER/NAME[@REVISION]")
    _refuse_large(Path(place))
    import datasets

    stated = {"revision": revision} if revision else {}
    try:
        stream = datasets.load_dataset(place, split=split, streaming=True, **stated)
        features = stream.features or {}
        if image not in features:
            raise BenchmarkError(
                f"{name}: column '{image}' is missing; there are {', '.join(features)}"
            )
        for column, feature in features.items():
            if isinstance(feature, datasets.Image):
                stream = stream.cast_column(column, datasets.Image(decode=False))
        classes = {
            column: feature
            for column, feature in features.items()
            if isinstance(feature, datasets.ClassLabel)
        }
        for number, row in enumerate(stream):
            for column, feature in classes.items():
                if row[column] is not None and row[column] >= 0:
                    row[column] = feature.int2str(row[column])
            row[image] = _bytes(row[image])
            yield f"{name}, row {number + 1}", row
    except (datasets.exceptions.DatasetsError, OSError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise BenchmarkError(f"{name}: cannot be streamed: {reason}") from error


def _refuse_large(folder: Path) -> None:
    """Refuse a folder that ``datasets`` would search for very long; a name of the Hub is none."""
    there = 0
    for _, folders, files in os.walk(folder):
        there += len(folders) + len(files)
        if there > _MOST_SEARCHED:
            raise BenchmarkError(
                f"{HUB}{folder}: is a folder with more than {_MOST_SEARCHED} files, which would be "
                "searched for long: name a smaller one, or leave it as it lies (data index)"
            )


def _bytes(value: Any) -> Any:
    """Read the file that an image of a stream stands for, where its bytes are not in the row."""
    if not (isinstance(value, Mapping) and value.get("bytes") is None and value.get("path")):
        return value
    import fsspec

    with fsspec.open(value["path"], "rb") as file:
        return file.read(MAX_BYTES + 1)
