"""Packs: the same bytes in Parquet shards, which every command takes for the folder of images."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.data import packing
from benchmark.data.audit.measuring import measure
from benchmark.data.checking import check
from benchmark.data.cropping import crop
from benchmark.data.crops import CropSettings
from benchmark.data.images import read
from benchmark.data.manifest import Manifest, read_manifest
from benchmark.data.originals import picture_roots
from benchmark.data.packing import Packed, pack
from benchmark.data.packs import INDEX, INDEX_SCHEMA, SEAL
from benchmark.data.source import ImageSource
from benchmark.data.splitting import split_manifest
from benchmark.data.verifying import verify_pack
from benchmark.errors import BenchmarkError, ImageError, ManifestError
from benchmark.study.folds import Fold, fold_manifest
from benchmark.study.samples import stated_samples
from protocols.samples import fingerprint
from results.files import file_hash
from results.store import load_scores
from tests.red_faces import FAKE, HEADER, REAL, picture, register, save, unregister
from tests.small_data import write_dataset, write_recipe
from tests.small_study import Counting, run, study
from tests.test_hostile_tables import LONG, bomb_of_rows


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return read_manifest(write_dataset(tmp_path_factory.mktemp("data"), count=4))


@pytest.fixture(scope="module")
def packed(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Packed:
    """48 images in shards of about six."""
    return pack(manifest, tmp_path_factory.mktemp("packs") / "pack", shard_bytes=10_000)


@pytest.fixture
def own(manifest: Manifest, tmp_path: Path) -> Path:
    """A pack to spoil."""
    return pack(manifest, tmp_path / "pack", shard_bytes=10_000).manifest.parent


def said(command: str) -> str:
    """Run a command that must fail; what it says."""
    done = CliRunner().invoke(app, command.split())
    assert done.exit_code == 1, done.output
    return " ".join(done.stderr.split())


def test_a_pack_is_the_dataset_to_the_bit(manifest: Manifest, packed: Packed) -> None:
    again = read_manifest(packed.manifest)
    assert packed.shards > 3
    assert fingerprint(again.samples) == fingerprint(manifest.samples)
    pd.testing.assert_frame_equal(again.samples, manifest.samples, check_dtype=False)
    pd.testing.assert_frame_equal(check(again), check(manifest))
    for sample_id in manifest.samples["sample_id"]:
        np.testing.assert_array_equal(
            read(again.root, sample_id), read(manifest.root, sample_id), strict=True
        )
    np.testing.assert_array_equal(measure(again).facts, measure(manifest).facts)


def test_datasets_open_a_pack_as_images_with_their_splits(
    manifest: Manifest, packed: Packed, tmp_path: Path
) -> None:
    folder = packed.manifest.parent
    found = datasets.load_dataset(str(folder), cache_dir=str(tmp_path))
    assert {name: len(rows) for name, rows in found.items()} == {
        "train": 16,
        "val": 16,
        "test": 16,
    }
    shards = {"x": str(folder / "data" / "test-*.parquet")}
    rows = datasets.load_dataset("parquet", data_files=shards, cache_dir=str(tmp_path))["x"]
    assert isinstance(rows.features["image"], datasets.Image)
    stated = manifest.samples.set_index("sample_id")
    for row in rows:
        np.testing.assert_array_equal(np.array(row["image"]), read(manifest.root, row["path"]))
        assert row["generator"] == stated.loc[row["path"], "generator"]
    plain = rows.cast_column("image", datasets.Image(decode=False))
    for row in plain:
        assert row["image"]["bytes"] == (manifest.root / row["path"]).read_bytes()


def test_a_run_on_a_pack_is_the_run_on_the_folder(
    manifest: Manifest, packed: Packed, tmp_path: Path
) -> None:
    wanted = study(write_recipe(tmp_path), protocol="robustness-basic")
    for name, data in (("folder", manifest.path), ("pack", packed.manifest)):
        run(data, "", tmp_path / name, study=wanted, store=tmp_path / f"store-{name}")
    one, other = (load_scores(tmp_path / name) for name in ("folder", "pack"))
    assert len(one) > 200
    pd.testing.assert_frame_equal(one, other, check_exact=True)
    progress = Counting()
    run(packed.manifest, "", tmp_path / "folder", progress, study=wanted, store=tmp_path / "store")
    assert progress.jobs["score"] == 0


def test_boxes_of_one_picture_and_crops_of_pictures_stay_what_they_are(tmp_path: Path) -> None:
    register()
    try:
        save(tmp_path / "in" / "a.png", picture((20, 20, 40, 40), size=(200, 300)))
        save(tmp_path / "in" / "b.png", picture((30, 30, 40, 40), size=(200, 300), seed=2))
        rows = [f"{HEADER},mask", f"a.png,{REAL},b.png", f"b.png,{FAKE},"]
        (tmp_path / "in" / "manifest.csv").write_text("\n".join(rows))
        pictures = pack(read_manifest(tmp_path / "in" / "manifest.csv"), tmp_path / "pictures")
        assert pictures.left_out == ("mask",)
        settings = CropSettings(recipe="deepfakebench", detector="red")
        crops = [
            read_manifest(crop(read_manifest(path), tmp_path / name, settings).manifest)
            for name, path in (
                ("crops", tmp_path / "in" / "manifest.csv"),
                ("packed", pictures.manifest),
            )
        ]
    finally:
        unregister()
    deep = read_manifest(pack(crops[1], tmp_path / "deep" / "pack").manifest)
    assert deep.facts.pictures == "../../pictures"
    shown = []
    for each in (*crops, deep):
        roots = picture_roots({"data": each})
        samples = stated_samples({"data": each}).assign(problem="")
        source = ImageSource(samples, {"data": each.root}, pictures=roots)
        original = source._originals.of(0)
        assert original is not None
        shown += [source.array(0), read(roots["data"], original.sample_id)]
    for again in (shown[2:4], shown[4:]):
        np.testing.assert_array_equal(again[0], shown[0])
        np.testing.assert_array_equal(again[1], shown[1])
    rows = [f"{HEADER},box", f"a.png,{REAL},0 0 64 64", f"a.png,{FAKE},20 10 30 40"]
    (tmp_path / "in" / "boxes.csv").write_text("\n".join(rows))
    boxes = read_manifest(tmp_path / "in" / "boxes.csv")
    packed = read_manifest(pack(boxes, tmp_path / "boxes").manifest)
    pd.testing.assert_frame_equal(
        check(packed).drop(columns="sha256"), check(boxes).drop(columns="sha256")
    )


def test_folds_and_splits_of_a_pack_find_its_images(own: Path, tmp_path: Path) -> None:
    found = read_manifest(own / "manifest.parquet")
    fold = fold_manifest(found, Fold(number=0, of=3), own / "fold.csv")
    split = split_manifest(found, tmp_path / "split.csv", (0.5, 0.0, 0.5))
    for each in (fold, split):
        assert not check(read_manifest(each.path))["problem"].any()


def test_a_stopped_pack_goes_on_and_is_the_same(
    manifest: Manifest, packed: Packed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = packing.file_hash  # type: ignore[attr-defined]
    finished = 0

    def stops(path: Path) -> str:
        nonlocal finished
        finished += 1
        if finished == 4:
            raise KeyboardInterrupt
        return hashed(path)

    out = tmp_path / "pack"
    monkeypatch.setattr(packing, "file_hash", stops)
    with pytest.raises(KeyboardInterrupt):
        pack(manifest, out, shard_bytes=10_000)
    monkeypatch.undo()
    assert not list(out.rglob("*manifest*"))
    shards = {path: path.stat().st_mtime_ns for path in (out / "data").iterdir()}
    assert len(shards) == 3
    first = min(shards)
    first.write_bytes(first.read_bytes()[:-1])  # damaged meanwhile: written again
    again = pack(manifest, out, shard_bytes=10_000)
    kept = {path for path, time in shards.items() if path.stat().st_mtime_ns == time}
    assert kept == set(shards) - {first}
    assert {p.name for p in out.iterdir()} == {"data", SEAL, INDEX, "manifest.parquet"}
    theirs = packed.manifest.parent
    for path in (path for path in theirs.rglob("*") if path.is_file()):
        assert file_hash(out / path.relative_to(theirs)) == file_hash(path), path
    with pytest.raises(BenchmarkError, match="there is a pack already; choose another folder"):
        pack(manifest, again.manifest.parent)


def test_a_folder_of_something_else_is_not_continued(manifest: Manifest, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(BenchmarkError, match="holds something else; choose another folder"):
        pack(manifest, tmp_path)


def test_what_cannot_be_packed_is_told_before_anything_is_written(
    make_manifest: Callable[..., Path], tmp_path: Path
) -> None:
    rows = [{"path": f"{n}.png", "label": "real"} for n in "ab"]
    data = make_manifest(rows)
    out = tmp_path / "pack"
    told = said(f"data pack {data} {out}")
    assert "a.png: missing (1 more such files): a pack is whole; 'forgerybench data check'" in told
    assert not list(out.iterdir())
    make_manifest([{"path": "v.mp4", "frame": "3"}])
    assert "'v.mp4#frame=3' is a frame of a video, and images are packed" in said(
        f"data pack {data} {out}"
    )
    make_manifest([{"path": "c.png", "sha256": "0" * 64}], images=True)
    assert "c.png: has changed since it was checked" in said(f"data pack {data} {out}")
    assert not list(out.rglob("*.parquet"))


def test_verify_names_what_is_damaged_missing_and_extra(own: Path) -> None:
    done = CliRunner().invoke(app, ["data", "verify", str(own)])
    assert (done.exit_code, done.stdout) == (0, "The pack is what was sealed: 48 images\n")
    index = pd.read_parquet(own / INDEX).set_index("path")
    bad = "one/real/test2.png"
    shard = own / str(index.loc[bad, "shard"])
    with shard.open("r+b") as file:
        file.seek(int(str(index.loc[bad, "offset"])) + 20)
        file.write(b"damage")
    gone = sorted(set(index["shard"]) - {index.loc[bad, "shard"]})[0]
    (own / gone).unlink()
    (own / "data" / "test-00009-of-00009.parquet").write_bytes(b"x")
    images = int((index["shard"] == gone).sum())
    here = int((index["shard"] == index.loc[bad, "shard"]).sum())
    told = said(f"data verify {own}")
    assert f"damaged: data/{shard.name}: 1 of its {here} images: {bad}" in told
    assert f"missing: {gone}, with {images} images" in told
    assert "extra: data/test-00009-of-00009.parquet: nothing names it" in told
    problems = check(read_manifest(own / "manifest.parquet"))["problem"]
    assert problems[bad].startswith("content differs from the manifest's sha256")
    assert (problems == "missing").sum() == images
    assert (problems == "").sum() == 48 - images - 1


def test_verify_names_tables_that_are_not_what_was_sealed(own: Path) -> None:
    table = pd.read_parquet(own / "manifest.parquet")
    table.loc[0, "generator"] = "other"
    table.to_parquet(own / "manifest.parquet")
    shard = own / sorted(json.loads((own / SEAL).read_text())["shards"])[0]
    shard.write_bytes(shard.read_bytes() + b"x")
    assert verify_pack(own).damaged == {
        "manifest.parquet": "is not what was sealed",
        f"data/{shard.name}": "is not what was sealed",
    }
    (own / INDEX).unlink()
    assert verify_pack(own).missing == {INDEX: 0}


def test_verify_of_a_folder_that_is_no_pack_says_what_to_do(tmp_path: Path) -> None:
    assert "of a dataset say which it is: data verify NAME FOLDER" in said(
        f"data verify {tmp_path}"
    )


def rewritten(own: Path, **columns: Any) -> None:
    table = pd.read_parquet(own / INDEX).assign(**columns)
    pq.write_table(pa.Table.from_pandas(table, INDEX_SCHEMA, preserve_index=False), own / INDEX)


def bad_seal(own: Path, change: Callable[[dict[str, Any]], object]) -> None:
    seal = json.loads((own / SEAL).read_text())
    change(seal)
    (own / SEAL).write_text(json.dumps(seal))


def piped(own: Path) -> None:
    (own / INDEX).unlink()
    os.mkfifo(own / INDEX)


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "bomb": (lambda own: bomb_of_rows(own / INDEX), "would take .* MiB in memory"),
    "no Parquet": (lambda own: (own / INDEX).write_text("x"), "not Parquet"),
    "pipe": (piped, "a named pipe"),
    "wrong types": (
        lambda own: pq.write_table(
            pa.table({"path": [1], "shard": [LONG], "offset": ["0"], "bytes": [1.5]}), own / INDEX
        ),
        r"its columns are not path \(string\), shard \(string\), offset \(int64\)",
    ),
    "no value": (lambda own: rewritten(own, path=None), "a value is missing"),
    "twice": (lambda own: rewritten(own, path="a.png"), "47 paths stand there twice"),
    "below": (lambda own: rewritten(own, offset=-5), "begins before its shard does"),
    "empty": (lambda own: rewritten(own, bytes=0), "or has no bytes"),
    "leaves": (lambda own: rewritten(own, shard="../../x.parquet"), "is no shard that"),
    "seal leaves": (
        lambda own: bad_seal(
            own, lambda s: s["shards"].update({"../x": next(iter(s["shards"].values()))})
        ),
        r"'\.\./x' is no shard's name, such as data/test-00000",
    ),
    "seal of others": (lambda own: (own / SEAL).write_text('{"a": 1}'), "rename it if it is not"),
    "seal cut": (lambda own: (own / SEAL).write_text('{"format"'), "rename it if it is not"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_pack_is_refused_by_name(name: str, own: Path) -> None:
    spoil, reason = HOSTILE[name]
    spoil(own)
    with pytest.raises(ManifestError, match=reason) as caught:
        read_manifest(own / "manifest.parquet")
    assert str(own) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_places_that_a_shard_does_not_have_are_told_image_by_image(own: Path) -> None:
    first = pd.read_parquet(own / INDEX)["path"][0]
    for columns, reason in (
        ({"offset": 2**62}, "its shard is cut short"),
        ({"bytes": 2**40}, "more than the 268435456 an image may have"),
    ):
        rewritten(own, **columns)
        manifest = read_manifest(own / "manifest.parquet")
        with pytest.raises(ImageError, match=reason) as caught:
            read(manifest.root, first)
        assert first in str(caught.value)
        assert check(manifest)["problem"].str.len().min() > 5


def test_a_shard_that_is_a_link_out_or_a_pipe_is_refused(own: Path, tmp_path: Path) -> None:
    index = pd.read_parquet(own / INDEX)
    path, shard = index["path"][0], own / index["shard"][0]
    shard.replace(tmp_path / "elsewhere.parquet")
    shard.symlink_to(tmp_path / "elsewhere.parquet")
    with pytest.raises(ImageError, match="leads out of the manifest's folder"):
        read(read_manifest(own / "manifest.parquet").root, path)
    (own / "manifest.json").write_text('{"format": 1, "links": true}')  # as the Hub's cache has it
    assert len(read(read_manifest(own / "manifest.parquet").root, path))
    shard.unlink()
    os.mkfifo(shard)
    with pytest.raises(ImageError, match="not a file"):
        read(read_manifest(own / "manifest.parquet").root, path)
