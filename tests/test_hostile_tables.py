"""Hostile Parquet and CSV: told in one line before it fills the memory."""

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmark.data.manifest import read_manifest
from benchmark.errors import ManifestError
from results.errors import ResultError
from results.files import file_hash
from results.parquet import read_table
from results.store import SCORE_SCHEMA, read_scores

LONG = "x" * (1 << 20)


def bomb_of_rows(path: Path) -> None:
    """10^9 values of one number, in groups that compress to nothing."""
    zeros = pa.table({"path": pa.array(np.zeros(10_000_000, np.int64))})
    with pq.ParquetWriter(path, zeros.schema, compression="zstd") as writer:
        for _ in range(30):
            writer.write_table(zeros, row_group_size=10_000_000)


def bomb_of_texts(path: Path) -> None:
    """A dictionary of one long text, which 10^5 rows stand for."""
    texts = pa.DictionaryArray.from_arrays(pa.array(np.zeros(100_000, np.int32)), [LONG])
    pq.write_table(pa.table({"path": texts}), path, store_schema=False)


def kibibytes_at_most() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.parametrize("make", [bomb_of_rows, bomb_of_texts])
def test_a_small_file_that_bursts_is_not_read(make: object, tmp_path: Path) -> None:
    path = tmp_path / "bomb.parquet"
    make(path)  # type: ignore[operator]
    assert path.stat().st_size < 3_000_000
    before = kibibytes_at_most()
    with pytest.raises(ResultError, match=r"bomb\.parquet: its .* bytes would take .* MiB"):
        read_table(path)
    with pytest.raises(ManifestError, match=r"bomb\.parquet: its .* bytes would take .* MiB"):
        read_manifest(path)
    assert kibibytes_at_most() - before < 500_000


def test_a_file_of_nothing_but_scores_is_read_as_it_is(tmp_path: Path) -> None:
    n = 50_000
    table = pa.table(
        {
            "dataset": ["data"] * n,
            "sample_id": [f"{i:08d}.png" for i in range(n)],
            "condition": ["clean"] * n,
            "logit": pa.array(np.random.default_rng(0).normal(size=n), pa.float32()),
        },
        schema=SCORE_SCHEMA,
    )
    pq.write_table(table, tmp_path / "s.parquet", compression="zstd", store_schema=False)
    assert read_table(tmp_path / "s.parquet").equals(table)
    (tmp_path / "scores").mkdir()
    (tmp_path / "s.parquet").rename(tmp_path / "scores" / "m.parquet")
    assert len(read_scores(tmp_path, "m")) == n


ODD = {
    "nested": pa.array([[{"a": 1}]]),
    "struct": pa.array([{"a": 1}]),
    "map": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
    "list of lists": pa.array([[[1]]]),
}


@pytest.mark.parametrize("kind", ODD)
def test_a_column_of_an_odd_type_is_named(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.parquet"
    pq.write_table(pa.table({"path": ODD[kind]}), path)
    with pytest.raises(ResultError, match=r"odd\.parquet: column 'path' holds"):
        read_table(path)
    with pytest.raises(ManifestError, match=r"odd\.parquet: column 'path' holds"):
        read_manifest(path)


def test_a_type_of_somebody_elses_is_no_traceback(tmp_path: Path) -> None:
    path = tmp_path / "odd.parquet"
    ids = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"0" * 16], pa.binary(16)))
    pq.write_table(pa.table({"path": ids, "n": pa.nulls(1)}), path)
    with pytest.raises(ManifestError, match=r"odd\.parquet"):
        read_manifest(path)


def test_a_hundred_thousand_columns_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "wide.parquet"
    pq.write_table(pa.table({f"c{n}": [1] for n in range(2000)}), path)
    with pytest.raises(ResultError, match=r"wide\.parquet: 2000 columns; at most 1000"):
        read_table(path)
    (tmp_path / "wide.csv").write_text("path" + ",c" * 1_000_000 + "\n")
    with pytest.raises(ManifestError, match=r"wide\.csv: 1000001 columns; at most 1000"):
        read_manifest(tmp_path / "wide.csv")


def test_a_parquet_file_that_is_damaged_anywhere_is_one_line(tmp_path: Path) -> None:
    whole = tmp_path / "whole.parquet"
    pq.write_table(pa.table({"path": ["a.png", "b.png"], "label": ["real", "fake"]}), whole)
    data = whole.read_bytes()
    for at in range(0, len(data), 5):
        path = tmp_path / "m.parquet"
        path.write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        with pytest.raises(ManifestError) as told:
            read_manifest(path)
        assert "\n" not in str(told.value)
    assert file_hash(whole)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"path,label\n" + b"x" * 200_000 + b",real\n", "field larger than field limit"),
        (b"path,la\0bel\na,real\n", r"column 'la\\x00bel' has a sign that is not seen"),
        (b"path,\xe2\x80\xaelabel\na,real\n", r"column '\\u202elabel' has a sign"),
        (b'path,"label\n', "not CSV"),
        (b"\xff", "not UTF-8 text"),
    ],
)
def test_hostile_csv_is_one_line(data: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes(data)
    with pytest.raises(ManifestError, match=said) as told:
        read_manifest(tmp_path / "m.csv")
    assert "\n" not in str(told.value)
    assert "m.csv" in str(told.value)


def test_a_csv_file_without_end_is_not_read_whole(tmp_path: Path) -> None:
    with (tmp_path / "m.csv").open("wb") as file:
        file.truncate((1 << 30) + 1)
    with pytest.raises(ManifestError, match=r"m\.csv: .*(larger than|field larger|not CSV)"):
        read_manifest(tmp_path / "m.csv")


@pytest.mark.parametrize("name", ["m.csv", "m.parquet"])
def test_a_pipe_as_a_table_is_not_waited_for(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(ManifestError, match="is not a file"):
        read_manifest(tmp_path / name)
    with pytest.raises(ResultError, match="a named pipe; name a file"):
        read_table(tmp_path / name)
