"""Folders and files of datasets that would harm or mislead: one line, nothing lost."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.data.extracting import extract
from benchmark.data.layouts.records import read_records
from benchmark.data.manifest import read_manifest
from benchmark.data.unpacking import unpack
from benchmark.errors import BenchmarkError, ImageError, ManifestError
from detectors import WeightsError
from detectors.parts.frozen import FrozenFeatures
from results.files import check_regular
from tests.small_data import write_dataset


def call(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(each) for each in arguments], env={"COLUMNS": "400"})
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, " ".join(done.output.split())


@pytest.fixture
def image(tmp_path: Path, make_image: Callable[..., Path]) -> bytes:
    return make_image(tmp_path / "other" / "x.png").read_bytes()


@pytest.mark.parametrize("shares", ["nan,0.5,0.5", "0.5,0.5,nan", "inf,-inf,1", "1e309,0,0"])
def test_shares_that_are_no_numbers_are_refused(shares: str, tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path / "data", count=2)
    out = tmp_path / "new.csv"
    for arguments in (
        ("split", manifest, "--out", out, "--shares", shares),
        ("index", manifest.parent, "--out", out, "--forgery", "EFS", "--splits", shares),
    ):
        code, said = call("data", *arguments)
        assert code == 1
        assert "the shares of train, val and test must sum to 1" in said
        assert not out.exists()


def test_an_audit_refuses_before_it_reads(tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path / "data", count=2)
    code, said = call("data", "audit", manifest, "--out", tmp_path / "a", "--seed", 2**32)
    assert code == 2
    assert "4294967295" in said
    (tmp_path / "site").mkdir()
    page = tmp_path / "site" / "index.html"
    page.write_text("mine")
    code, said = call("data", "audit", manifest, "--out", tmp_path / "site")
    assert (code, page.read_text()) == (1, "mine")
    assert "index.html: a page of something else; choose another folder" in said
    code, said = call("data", "audit", manifest, "--out", page)
    assert code == 1
    assert said == f"error: {page}: a file; name a folder"


@pytest.mark.parametrize("content", ["[]", "null", "5", '"x"'])
def test_a_passport_of_crops_that_is_none_is_refused(content: str, tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path / "data", count=2)
    (tmp_path / "crops").mkdir()
    (tmp_path / "crops" / "crop.json").write_text(content)
    code, said = call(
        "data", "crop", manifest, "--recipe", "deepfakebench", "--out", tmp_path / "crops"
    )
    assert code == 1
    assert "crop.json: states nothing of crops; choose another folder or remove it" in said


@pytest.mark.parametrize("value", ["5", "null", "[]", '"frames"', "true"])
@pytest.mark.parametrize("name", ["c23", "video"])
def test_a_video_that_is_no_object_is_named(
    name: str, value: str, tmp_path: Path, image: bytes
) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a.png").write_bytes(image)
    (tmp_path / "d" / "x.json").write_text(
        f'{{"D": {{"D_real": {{"train": {{"{name}": {value}}}}}}}}}'
    )
    code, said = call("data", "index", "deepfakebench", tmp_path / "d")
    assert code == 1
    assert f"x.json: video '{name}' has no list of frames" in said
    assert not (tmp_path / "d" / "manifest.csv").exists()


def test_a_column_that_stands_twice_is_never_the_last_of_both(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("path,label,label\na,real,fake\n")
    with pytest.raises(ManifestError, match=r"x\.csv: column 'label' stands there twice"):
        read_records(path)


def test_a_line_of_json_ends_at_its_line(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"a": "x\u2028y\x85z"}\r\n\n{"a": "b"}\n', encoding="utf-8")
    assert read_records(path) == [{"a": "x\u2028y\x85z"}, {"a": "b"}]


def frames_of(folder: Path) -> Path:
    """Give a manifest of two frames that are not there: nothing is decoded before the refusal."""
    folder.mkdir()
    path = folder / "manifest.csv"
    lines = [f"a.mp4#frame={at},real,real,real,camera,s,test" for at in (0, 1)]
    path.write_text("\n".join(["path,label,forgery,family,generator,source,split", *lines]))
    return path


def test_frames_of_others_never_pass_for_extracted_ones(tmp_path: Path, image: bytes) -> None:
    manifest = read_manifest(frames_of(tmp_path / "one"))
    out = tmp_path / "frames"
    (out / "a.mp4").mkdir(parents=True)
    for at in (0, 1):
        (out / "a.mp4" / f"{at:06d}.png").write_bytes(image)
    with pytest.raises(BenchmarkError, match="frames: holds something else; choose another folder"):
        extract(manifest, out, workers=0)
    other = read_manifest(frames_of(tmp_path / "two"))
    begun = tmp_path / "begun"
    with pytest.raises(ImageError, match="missing"):
        extract(manifest, begun, workers=0)
    with pytest.raises(BenchmarkError, match="holds something else"):  # begun of another dataset
        extract(other, begun, workers=0)
    with pytest.raises(ImageError, match="missing"):
        extract(manifest, begun, workers=0)


def parquet(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path, compression="zstd")
    return path


def test_an_unpacked_bomb_is_no_table(
    tmp_path: Path, image: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = pa.array([image + b"\0" * (1 << 20)])
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 3000, pa.int32()), large)
    path = parquet(tmp_path / "x.parquet", image=column)
    assert check_regular(path) < 20_000
    monkeypatch.setattr("results.parquet.HARMLESS_BYTES", 8 << 20)
    monkeypatch.setattr("benchmark.data.unpacking._MOST_READ", 4 << 20)
    with pytest.raises(BenchmarkError, match="which no honest table does: it is not read"):
        unpack(str(path), tmp_path / "out")
    assert not (tmp_path / "out" / "metadata.csv").exists()
    assert len(list((tmp_path / "out" / "images").rglob("*.png"))) < 30


def test_a_cell_that_no_reader_takes_is_dropped_and_told(tmp_path: Path, image: bytes) -> None:
    path = parquet(tmp_path / "x.parquet", image=[image], label=["x" * 200_000], is_fake=["a"])
    found = unpack(str(path), tmp_path / "out")
    assert found.dropped == ("label",)
    assert pd.read_csv(found.table).loc[0, "is_fake"] == "a"
    day = parquet(tmp_path / "y.parquet", image=[image], day=pa.array([2**30], pa.date32()))
    with pytest.raises(BenchmarkError, match=r"y\.parquet: cannot be read as Parquet: days="):
        unpack(str(day), tmp_path / "of-a-day")


def test_what_lies_in_the_folder_is_neither_followed_nor_taken(
    tmp_path: Path, image: bytes
) -> None:
    path = parquet(tmp_path / "x.parquet", image=[image])
    out = tmp_path / "out"
    (out / "images" / "0000").mkdir(parents=True)
    (out / "images" / "0000" / "00000000.png").write_bytes(b"x" * len(image))
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    (out / ".metadata.csv").symlink_to(mine)
    unpack(str(path), out)
    assert mine.read_text() == "mine"
    assert (out / "images" / "0000" / "00000000.png").read_bytes() == image
    os.mkfifo(tmp_path / "out" / ".metadata.csv")
    (out / "metadata.csv").unlink()
    unpack(str(path), out)  # a pipe would be waited for


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIEW features AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) "
        "SELECT x AS input, x AS sum, x AS row FROM n",
        "CREATE TABLE features (input, sum, row)",
        "CREATE TABLE other (x)",
    ],
)
def test_kept_features_of_strangers_run_no_statement_of_theirs(
    statement: str, tmp_path: Path
) -> None:
    network = torch.nn.Linear(3, 2)
    kept = FrozenFeatures(tmp_path)
    kept.rows(network, "k", torch.zeros(1, 3), network, width=2)
    (file,) = tmp_path.glob("*.sqlite")
    for each in tmp_path.iterdir():
        each.unlink()
    with sqlite3.connect(file) as connection:
        connection.execute(statement)
    connection.close()
    with pytest.raises(WeightsError, match="it holds something else than rows of features"):
        FrozenFeatures(tmp_path).rows(network, "k", torch.zeros(1, 3), network, width=2)


@pytest.mark.parametrize("row", ["text!!!!", None, 5, 1.5])
def test_a_kept_row_of_another_type_is_computed_again(row: object, tmp_path: Path) -> None:
    network = torch.nn.Linear(3, 2)
    inputs = torch.ones(1, 3)
    right = FrozenFeatures(tmp_path).rows(network, "k", inputs, network, width=2)
    (file,) = tmp_path.glob("*.sqlite")
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA ignore_check_constraints=ON")
        connection.execute("UPDATE features SET row = ?", ("" if row is None else row,))
    connection.close()
    again = FrozenFeatures(tmp_path).rows(network, "k", inputs, network, width=2)
    assert torch.equal(again, right)


@pytest.mark.parametrize("command", ["check", "add"])
def test_verdicts_never_replace_a_file(command: str, tmp_path: Path) -> None:
    mine = tmp_path / "mine.json"
    mine.write_text("mine")
    entries = ["--entries", tmp_path / "e"] if command == "add" else []
    code, said = call(
        "board", command, tmp_path / "x.zip", "--keeper", tmp_path, "--json", mine, *entries
    )
    assert (code, mine.read_text()) == (1, "mine")
    assert "mine.json exists already: choose another file for --json" in said
    assert not (tmp_path / "e").exists()


@pytest.mark.parametrize("name", ["hub:", "hub: "])
def test_a_dataset_of_the_hub_needs_a_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="names no dataset: write hub:OWNER/NAME"):
        unpack(name, tmp_path / "out")
