"""A hostile file is told alike by what trains, crops, packs, extracts and scores as by a check."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.data.checking import check
from benchmark.data.cropping import crop
from benchmark.data.crops import CropSettings
from benchmark.data.extracting import extract
from benchmark.data.images import read
from benchmark.data.indexing import index_folder
from benchmark.data.manifest import Manifest, read_manifest
from benchmark.data.packing import pack
from benchmark.errors import BenchmarkError, ImageError
from benchmark.progress import Progress
from benchmark.scoring.files import score_paths
from benchmark.study.samples import verified_samples
from detectors import create_detector
from tests.conftest import draw
from tests.red_faces import HEADER, picture, register, unregister
from tests.test_data_hostile import HOSTILE
from tests.test_stages import write_video

ROWS = ["good.png,real,real,real,camera,one,test", "bad.png,fake,FS,GAN,G,one,test"]


def spoilt(folder: Path, name: str) -> tuple[Manifest, str]:
    """Give a manifest of a good and a hostile file, and what a check says of that."""
    folder.mkdir()
    Image.fromarray(picture((20, 20, 40, 40))).save(folder / "good.png")
    try:
        HOSTILE[name][0](folder / "bad.png")
    except (KeyError, OSError) as error:
        pytest.skip(f"cannot be made here: {error}")
    (folder / "manifest.csv").write_text("\n".join([HEADER, *ROWS]))
    manifest = read_manifest(folder / "manifest.csv")
    return manifest, check(manifest)["problem"]["bad.png"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "xception"
    detector = create_detector("xception", size="tiny")
    detector.mark_trained()  # its scores play no part
    detector.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("name", HOSTILE)
def test_runs_crops_and_scores_say_what_a_check_says(
    name: str, model: Path, tmp_path: Path
) -> None:
    manifest, problem = spoilt(tmp_path / "in", name)
    assert problem
    with pytest.raises(BenchmarkError) as refused:
        verified_samples({"data": manifest}, allow_missing=False, progress=Progress())
    assert f"1 of 2 images cannot be used: bad.png ({problem})" in str(refused.value)
    samples = verified_samples({"data": manifest}, allow_missing=True, progress=Progress())
    assert samples.set_index("sample_id")["problem"].to_dict() == {
        "bad.png": problem,
        "good.png": "",
    }
    register()
    try:
        settings = {"recipe": "faceforensics", "detector": "red"}
        with pytest.raises(ImageError) as stopped:
            crop(manifest, tmp_path / "stopped", CropSettings(**settings))  # type: ignore[arg-type]
        assert stopped.value.reason == problem
        done = crop(
            manifest,
            tmp_path / "crops",
            CropSettings(allow_missing=True, **settings),  # type: ignore[arg-type]
        )
    finally:
        unregister()
    assert read_manifest(done.manifest).samples["sample_id"].tolist() == ["good.png.png"]
    assert problem.split(",")[0] in (tmp_path / "crops" / "left-out.csv").read_text()
    scored = score_paths([tmp_path / "in" / f"{n}.png" for n in ("good", "bad")], model=str(model))
    assert [Path(score.path).name for score in scored.scores] == ["good.png"]
    (sentence,) = scored.problems
    assert sentence.endswith(problem)
    assert "bad.png" in sentence


@pytest.mark.parametrize("name", HOSTILE)
def test_a_pack_refuses_what_is_no_file_and_a_check_of_it_tells_the_rest(
    name: str, tmp_path: Path
) -> None:
    manifest, problem = spoilt(tmp_path / "in", name)
    if problem in ("missing", "not a file", "the file is empty"):
        with pytest.raises(BenchmarkError, match=f"bad.png: {problem}"):
            pack(manifest, tmp_path / "pack")
        return
    packed = read_manifest(pack(manifest, tmp_path / "pack").manifest)
    assert check(packed)["problem"].to_dict() == {"bad.png": problem, "good.png": ""}


@pytest.mark.parametrize("kind", ["cut", "text", "empty", "pipe", "gone"])
def test_a_hostile_video_is_named_by_extract_as_by_a_check(kind: str, tmp_path: Path) -> None:
    frames = [draw(32, 48, seed) for seed in range(6)]
    write_video(tmp_path / "in" / "good.mp4", frames)
    bad = tmp_path / "in" / "bad.mp4"
    data = (tmp_path / "in" / "good.mp4").read_bytes()
    if kind == "pipe":
        os.mkfifo(bad)
    elif kind != "gone":
        bad.write_bytes({"cut": data[: len(data) // 2], "text": b"no video", "empty": b""}[kind])
    rows = ["good.mp4,real,real,real,camera,one,test,1", "bad.mp4,fake,FS,GAN,G,one,test,1"]
    (tmp_path / "in" / "manifest.csv").write_text("\n".join([f"{HEADER},frame", *rows]))
    manifest = read_manifest(tmp_path / "in" / "manifest.csv")
    problem = check(manifest)["problem"]["bad.mp4#frame=1"]
    assert problem
    with pytest.raises(ImageError) as stopped:
        extract(manifest, tmp_path / "out")
    assert stopped.value.reason == problem
    assert not (tmp_path / "out" / "manifest.csv").exists()


def test_a_turned_photograph_is_upright_on_every_way(tmp_path: Path) -> None:
    for label in ("real", "fake"):
        (tmp_path / "in" / label).mkdir(parents=True)
    pixels = picture((10, 60, 30, 40), size=(120, 60))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn right by 90 degrees to see it
    turned = Image.fromarray(np.ascontiguousarray(np.rot90(pixels)))
    turned.save(tmp_path / "in" / "real" / "a.png", exif=exif)
    Image.fromarray(draw(seed=3)).save(tmp_path / "in" / "fake" / "b.png")
    manifest = index_folder(tmp_path / "in").manifest
    rows = manifest.samples.set_index("sample_id").to_dict("index")
    assert (rows["real/a.png"]["width"], rows["real/a.png"]["height"]) == ("60", "120")
    packed = read_manifest(pack(manifest, tmp_path / "pack").manifest)
    for each in (manifest, packed):
        np.testing.assert_array_equal(read(each.root, "real/a.png"), pixels)
    register()
    try:
        settings = CropSettings(recipe="faceforensics", detector="red")
        done = crop(packed, tmp_path / "crops", settings)
    finally:
        unregister()
    crops = read_manifest(done.manifest).samples
    assert crops.loc[crops["crop_of"] == "real/a.png", "face_box"].tolist() == [
        "10.00 60.00 30.00 40.00"
    ]


def test_a_name_that_is_too_long_for_the_disk_is_told(tmp_path: Path) -> None:
    long = "x" * 300 + ".png"
    Image.fromarray(draw()).save(tmp_path / "good.png")
    rows = [ROWS[0], ROWS[1].replace("bad.png", long)]
    (tmp_path / "manifest.csv").write_text("\n".join([HEADER, *rows]))
    manifest = read_manifest(tmp_path / "manifest.csv")
    problem = check(manifest)["problem"][long]
    assert problem == "unreadable: File name too long"
    with pytest.raises(BenchmarkError, match="File name too long"):
        pack(manifest, tmp_path / "pack")
    register()
    try:
        settings = CropSettings(recipe="faceforensics", detector="red")
        with pytest.raises(ImageError) as stopped:
            crop(manifest, tmp_path / "crops", settings)
    finally:
        unregister()
    assert stopped.value.reason == problem


def test_a_jpeg_whose_header_lies_about_its_size_is_refused_before_it_is_decoded(
    tmp_path: Path,
) -> None:
    Image.fromarray(draw()).save(tmp_path / "a.jpg")
    data = bytearray((tmp_path / "a.jpg").read_bytes())
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", 65_000, 65_000)
    (tmp_path / "a.jpg").write_bytes(bytes(data))
    with pytest.raises(ImageError, match=r"65000 x 65000 pixels, more than|decompression bomb"):
        read(tmp_path, "a.jpg")
