"""A re-encoded copy: the same samples, smaller, all through one encoder, and it says so."""

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.data.manifest import Manifest, read_manifest
from benchmark.data.reencoding import reencode
from benchmark.errors import BenchmarkError, ImageError
from tests.small_data import write_dataset


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return read_manifest(write_dataset(tmp_path / "data", count=2))


def test_a_copy_has_the_same_samples_as_small_jpegs(manifest: Manifest, tmp_path: Path) -> None:
    copy = read_manifest(reencode(manifest, tmp_path / "copy", side=16, quality=80))
    assert (tmp_path / "copy" / "one" / "real" / "test0.png.jpg").is_file()
    kept = ["label", "forgery", "family", "generator", "source", "split"]
    assert copy.samples[kept].equals(manifest.samples[kept])
    tables = set()
    for sample in copy.samples["sample_id"]:
        with Image.open(copy.root / sample) as image:
            assert (image.format, image.size) == ("JPEG", (16, 16))
            tables.add(str(image.quantization))  # type: ignore[attr-defined]
    assert len(tables) == 1
    assert set(copy.samples["width"]) == {"16"}


def test_no_image_is_enlarged(manifest: Manifest, tmp_path: Path) -> None:
    copy = read_manifest(reencode(manifest, tmp_path / "copy"))
    assert set(copy.samples["width"]) == {"24"}


def test_a_copy_says_what_was_done_and_is_left_alone(manifest: Manifest, tmp_path: Path) -> None:
    first = reencode(manifest, tmp_path / "copy", quality=80)
    told = json.loads((tmp_path / "copy" / "reencoded.json").read_text())
    assert {"side": 256, "quality": 80, "resampling": "lanczos"}.items() <= told.items()
    before = first.stat().st_mtime_ns
    assert reencode(manifest, tmp_path / "copy", quality=80) == first
    assert first.stat().st_mtime_ns == before
    with pytest.raises(BenchmarkError, match="holds a copy of quality 80, not 90"):
        reencode(manifest, tmp_path / "copy")
    with pytest.raises(BenchmarkError, match="holds something else"):
        reencode(manifest, manifest.root)


def test_an_image_that_cannot_be_read_leaves_no_copy(manifest: Manifest, tmp_path: Path) -> None:
    (manifest.root / "one" / "real" / "test0.png").write_bytes(b"broken")
    with pytest.raises(ImageError, match=r"test0\.png"):
        reencode(manifest, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    assert not list(tmp_path.glob(".copy-*"))


def test_the_commands_make_a_copy_and_a_fold_of_it(manifest: Manifest, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    made = CliRunner().invoke(app, ["data", "reencode", str(manifest.path), str(copy)])
    assert made.exit_code == 0, made.output
    arguments = ["data", "fold", str(copy / "manifest.csv"), "--fold", "1", "--folds", "3"]
    folded = CliRunner().invoke(app, [*arguments, "--out", str(copy / "fold-1.csv")])
    assert folded.exit_code == 0, folded.output
    assert "(train 8, val 8, test 8)" in folded.stdout
    refused = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "fold-1.csv")])
    assert refused.exit_code == 1
    assert "is a .csv file in its folder" in refused.stderr.replace("\n", " ")
