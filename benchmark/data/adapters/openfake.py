"""OpenFake, by the authors' table of one of its splits; its Parquet files are unpacked before."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from benchmark.data.adapters import Adapter, Described, Options, Row
from benchmark.data.adapters.table import read_listed
from benchmark.data.layouts.records import read_records
from benchmark.data.rows import Rows
from benchmark.errors import ManifestError

_COLUMNS = {"path": "file_name", "generator": "model", "type": "type", "released": "release_date"}


def _read(folder: Path, options: Options) -> Described:
    """Read file_name, label, model, type and release_date of the table.

    Raises:
        ManifestError: As ``table`` does.
    """
    table = options.table or next(
        (folder / name for name in ("metadata.csv", "test.csv") if (folder / name).is_file()), None
    )
    if table is None:
        raise ManifestError(
            f"{folder}: no metadata.csv in it; unpack the Parquet files with 'forgerybench data "
            "unpack', or name a table with --table"
        )
    there = (read_records(table) or [{}])[0]
    columns = {name: column for name, column in _COLUMNS.items() if column in there}
    described = read_listed(folder, replace(options, table=table, columns=columns))
    rows = described.rows
    assert isinstance(rows, Rows)
    rows.change(_of_model)
    return described


def _of_model(row: Row) -> Mapping[str, str]:
    """Give real images the camera; the model of a real row names its set."""
    if row["label"] == "real":
        return row | {"source": row["source"] or row["generator"], "generator": "camera"}
    return row | {"source": row["source"] or "OpenFake", "forgery": "EFS"}


ADAPTER = Adapter(
    name="openfake",
    title="OpenFake",
    layout="images and metadata.csv with file_name, label, model, type, release_date",
    options=frozenset({"table", "labels", "splits", "source", "family"}),
    read=_read,
    source="OpenFake",
    forged="label fake",
    licence="CC BY-NC 4.0",
    obtain="from the Hub; unpack its Parquet files with data unpack",
)
