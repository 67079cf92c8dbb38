"""A folder of face crops: who is taken, what is left out, the same bytes however it is made."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.data import cropping
from benchmark.data.cropping import Cropped, crop
from benchmark.data.crops import CropSettings
from benchmark.data.manifest import Manifest, read_manifest
from benchmark.errors import BenchmarkError, ImageError
from protocols.errors import UnknownNameError
from tests.red_faces import (
    FAKE,
    HEADER,
    REAL,
    Pixels,
    RedFaces,
    picture,
    register,
    save,
    unregister,
)
from tests.test_stages import write_video


@pytest.fixture(autouse=True)
def _red() -> Iterator[None]:
    register()
    yield
    unregister()


def manifest_of(folder: Path, columns: str, *rows: str) -> Manifest:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.csv").write_text("\n".join([HEADER + columns, *rows]))
    return read_manifest(folder / "manifest.csv")


def crops_of(manifest: Manifest, out: Path, **options: object) -> pd.DataFrame:
    settings = {"recipe": "faceforensics", "detector": "red"} | options
    return read_manifest(crop(manifest, out, CropSettings(**settings)).manifest).samples  # type: ignore[arg-type]


def left_out(out: Path) -> dict[str, str]:
    table = pd.read_csv(out / "left-out.csv", dtype=str)
    return dict(zip(table["sample_id"], table["reason"], strict=True))


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_a_manifest_of_crops_keeps_samples_and_says_where_each_face_is(tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.png", picture((30, 20, 20, 30)))
    row = f"a.png,{FAKE},g1,anna,old"
    manifest = manifest_of(tmp_path / "in", ",group,identity,age", row)
    (crop_row,) = crops_of(manifest, tmp_path / "out").to_dict("records")
    kept = [
        "label",
        "forgery",
        "family",
        "generator",
        "source",
        "split",
        "group",
        "identity",
        "age",
    ]
    assert [crop_row[name] for name in kept] == [*FAKE.split(","), "g1", "anna", "old"]
    assert crop_row["sample_id"] == "a.png.png"
    assert (crop_row["crop_of"], crop_row["face_box"]) == ("a.png", "30.00 20.00 20.00 30.00")
    # 1.3 x 30 in whole pixels, around the middle of the box.
    assert crop_row["crop_place"] == "1.0 0.0 -21.0 0.0 1.0 -16.0 39x39"
    assert (crop_row["width"], crop_row["height"]) == ("39", "39")
    assert crop_row["face_points"].split()[:2] == ["36.00", "32.00"]
    assert [crop_row[n] for n in ("face_confidence", "faces_found")] == ["0.9500", "1"]
    assert (crop_row["crop_recipe"], crop_row["face_detector"]) == ("faceforensics.v1", "red")
    with Image.open(tmp_path / "out" / "a.png.png") as image:
        np.testing.assert_array_equal(image, picture((30, 20, 20, 30))[16:55, 21:60])


def test_faces_are_looked_for_at_a_bounded_side_and_cut_from_the_picture(tmp_path: Path) -> None:
    seen: list[tuple[int, ...]] = []
    find = RedFaces.find

    def watched(self: RedFaces, pixels: Pixels, confidence: float) -> list[object]:
        seen.append(pixels.shape)
        return list(find(self, pixels, confidence))

    large = picture((400, 200, 100, 120), size=(600, 1200))
    save(tmp_path / "in" / "a.png", large)
    manifest = manifest_of(tmp_path / "in", "", f"a.png,{REAL}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RedFaces, "find", watched)
        (row,) = crops_of(manifest, tmp_path / "out", side=300).to_dict("records")
    assert seen == [(150, 300, 3)]
    box = [float(value) for value in row["face_box"].split()]
    np.testing.assert_allclose(box, [400, 200, 100, 120], atol=4)
    left, top = (round(-float(row["crop_place"].split()[n])) for n in (2, 5))
    side = int(row["width"])
    with Image.open(tmp_path / "out" / "a.png.png") as image:
        np.testing.assert_array_equal(image, large[top : top + side, left : left + side])


def test_threads_and_stops_move_no_byte(tmp_path: Path) -> None:
    rows = []
    for number in range(80):
        path, faces = f"v{number % 3}/{number}.png", [(number % 40 + 5, 20, 24, 24)]
        save(tmp_path / "in" / path, picture(*faces[: number % 7], seed=number))
        rows.append(f"{path},{FAKE},group{number % 3}")
    manifest = manifest_of(tmp_path / "in", ",group", *rows)
    settings = CropSettings(recipe="deepfakebench", detector="red", several="tracked")
    crop(manifest, tmp_path / "one", settings, workers=1)
    whole = RedFaces.calls
    crop(manifest, tmp_path / "four", settings, workers=4)
    RedFaces.calls, RedFaces.stop_at = 0, 60
    with pytest.raises(BenchmarkError, match="stopped"):
        crop(manifest, tmp_path / "stopped", settings, workers=1)
    assert not (tmp_path / "stopped" / "manifest.csv").exists()
    RedFaces.calls, RedFaces.stop_at = 0, None
    crop(manifest, tmp_path / "stopped", settings, workers=2)
    assert 0 < RedFaces.calls < whole
    assert contents(tmp_path / "one") == contents(tmp_path / "four")
    assert contents(tmp_path / "one") == contents(tmp_path / "stopped")


def test_many_crops_are_a_parquet_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = policies(tmp_path / "in")
    few = crops_of(manifest, tmp_path / "few")
    monkeypatch.setattr(cropping, "MOST_CSV_ROWS", 2)
    many = crops_of(manifest, tmp_path / "many")
    assert (tmp_path / "many" / "manifest.parquet").is_file()
    pd.testing.assert_frame_equal(many, few)
    RedFaces.calls = 0
    crops_of(manifest, tmp_path / "many")
    assert RedFaces.calls == 0


def test_a_folder_is_left_alone_or_refused(tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.png", picture((30, 20, 20, 30)))
    manifest = manifest_of(tmp_path / "in", "", f"a.png,{REAL}")
    crops_of(manifest, tmp_path / "out")
    before, RedFaces.calls = contents(tmp_path / "out"), 0
    crops_of(manifest, tmp_path / "out")
    assert (contents(tmp_path / "out"), RedFaces.calls) == (before, 0)
    with pytest.raises(BenchmarkError, match=r"recipe faceforensics\.v1, not genface\.v1"):
        crops_of(manifest, tmp_path / "out", recipe="genface")
    other = manifest_of(tmp_path / "in", "", f"a.png,{FAKE}")
    with pytest.raises(BenchmarkError, match="holds crops of pictures"):
        crops_of(other, tmp_path / "out")
    with pytest.raises(BenchmarkError, match="holds something else"):
        crops_of(manifest, tmp_path / "in")
    with pytest.raises(BenchmarkError, match="holds crops already"):
        crops_of(read_manifest(tmp_path / "out" / "manifest.csv"), tmp_path / "again")


def policies(folder: Path) -> Manifest:
    """One face; none; two, of which the second is the larger; one that leaves the picture."""
    save(folder / "one.png", picture((50, 30, 30, 30)))
    save(folder / "none.png", picture())
    save(folder / "two.png", picture((10, 10, 20, 20), (60, 30, 30, 40)))
    save(folder / "edge.png", picture((0, 20, 30, 30)))
    names = ("one", "none", "two", "edge")
    return manifest_of(folder, "", *(f"{name}.png,{REAL}" for name in names))


def test_what_has_no_face_is_left_out_counted_and_listed(tmp_path: Path) -> None:
    manifest = policies(tmp_path / "in")
    done: Cropped = crop(
        manifest, tmp_path / "out", CropSettings(recipe="deepfakebench", detector="red")
    )
    assert left_out(tmp_path / "out") == {"none.png": "no face"}
    (counts,) = done.counts.to_dict("records")
    numbers = {"pictures": 4, "no face": 1, "several": 1, "left out": 1, "crops": 3, "outside": 1}
    assert counts == {
        "split": "test", "label": "real", "generator": "camera", "source": "one", **numbers,
    }  # fmt: skip
    table = read_manifest(done.manifest).samples.set_index("crop_of")
    assert table.loc["two.png", "face_box"] == "60.00 30.00 30.00 40.00"
    outside = table["crop_outside"].astype(float).to_dict()
    assert outside["edge.png"] > 0.1
    assert outside["one.png"] == outside["two.png"] == 0


@pytest.mark.parametrize(
    ("options", "kept", "lost"),
    [
        ({"several": "all"}, ["edge", "one", "two", "two"], ["none"]),
        ({"several": "leave-out"}, ["edge", "one"], ["none", "two"]),
        ({"outside": "leave-out"}, ["one", "two"], ["edge", "none"]),
        ({"several": "all", "outside": "leave-out"}, ["one", "two", "two"], ["edge", "none"]),
        ({"several": "tracked"}, ["edge", "one", "two"], ["none"]),
    ],
)
def test_a_policy_says_what_is_done(
    tmp_path: Path, options: dict[str, object], kept: list[str], lost: list[str]
) -> None:
    manifest = policies(tmp_path / "in")
    table = crops_of(manifest, tmp_path / "out", recipe="deepfakebench", **options)
    assert sorted(table["crop_of"]) == [f"{name}.png" for name in kept]
    assert sorted(left_out(tmp_path / "out")) == [f"{name}.png" for name in lost]
    files = {path for path in contents(tmp_path / "out") if path.endswith(".png")}
    assert files == set(table["sample_id"])


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("no_face", r"'none\.png': no face \(0 found\); .* or say --no-face leave-out"),
        ("several", r"'two\.png': several faces \(2 found\); .* or say --several largest"),
        ("outside", r"'edge\.png': the face leaves the picture \(1 found\); .*--outside keep"),
    ],
)
def test_a_policy_may_refuse(tmp_path: Path, option: str, sentence: str) -> None:
    manifest = policies(tmp_path / "in")
    with pytest.raises(BenchmarkError, match=sentence):
        crops_of(manifest, tmp_path / "out", recipe="deepfakebench", **{option: "refuse"})


def test_a_picture_that_cannot_be_read_stops_or_is_listed(tmp_path: Path) -> None:
    manifest = policies(tmp_path / "in")
    (tmp_path / "in" / "one.png").write_bytes(b"broken")
    with pytest.raises(ImageError, match=r"one\.png: unreadable"):
        crops_of(manifest, tmp_path / "out")
    crops_of(manifest, tmp_path / "other", allow_missing=True)
    assert left_out(tmp_path / "other")["one.png"].startswith("unreadable")


def test_a_file_that_is_not_the_one_of_the_manifest_is_told(tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.png", picture((30, 20, 20, 30)))
    manifest = manifest_of(tmp_path / "in", ",sha256", f"a.png,{REAL},{'0' * 64}")
    with pytest.raises(ImageError, match="has changed since it was checked"):
        crops_of(manifest, tmp_path / "out")


def test_no_face_at_all_is_an_error_that_names_the_list(tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.png", picture())
    manifest = manifest_of(tmp_path / "in", "", f"a.png,{REAL}")
    with pytest.raises(
        BenchmarkError, match=r"no face was cut out of any of its 1 pictures; .*csv"
    ):
        crops_of(manifest, tmp_path / "out")
    assert left_out(tmp_path / "out") == {"a.png": "no face"}
    # Nothing else is left, so another recipe may be tried there.
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["left-out.csv"]
    save(tmp_path / "in" / "a.png", picture((30, 20, 20, 30)))
    assert len(crops_of(manifest, tmp_path / "out", recipe="deepfakebench")) == 1
    assert left_out(tmp_path / "out") == {}


def frames(tmp_path: Path) -> Manifest:
    """Ten frames: one walks to the right; from the third on another, who is larger in two."""
    rows = []
    for number in range(10):
        faces = [(5 + 6 * number, 10, 30 - number, 30)]
        if number >= 2:
            faces.append((80, 50, 32 if number in (3, 4) else 12, 38 if number in (3, 4) else 12))
        save(tmp_path / "in" / f"v/{number}.png", picture(*faces, seed=number))
        rows.append(f"v/{number}.png,{FAKE},v")
    return manifest_of(tmp_path / "in", ",group", *rows)


def test_boxes_follow_a_person_over_frames(tmp_path: Path) -> None:
    manifest = frames(tmp_path)
    largest = crops_of(manifest, tmp_path / "largest").set_index("crop_of")
    assert largest["face_box"].str.startswith("80.00").to_dict()["v/3.png"]
    tracked = crops_of(manifest, tmp_path / "tracked", several="tracked").set_index("crop_of")
    assert set(tracked["face_person"]) == {"0"}
    boxes = tracked["face_box"].to_dict()
    lefts = [float(boxes[f"v/{n}.png"].split()[0]) for n in range(10)]
    assert lefts == [5 + 6 * number for number in range(10)]
    everyone = crops_of(manifest, tmp_path / "all", several="all")
    counts = everyone["face_person"].value_counts().to_dict()
    assert counts == {"0": 10, "1": 8}
    assert "v/3.png-face1.png" not in contents(tmp_path / "tracked")


def test_who_is_not_the_followed_person_is_listed(tmp_path: Path) -> None:
    rows = []
    for number in range(4):
        face = (10, 10, 40, 40) if number < 3 else (90, 60, 20, 20)
        save(tmp_path / "in" / f"v/{number}.png", picture(face))
        rows.append(f"v/{number}.png,{FAKE},v")
    manifest = manifest_of(tmp_path / "in", ",group", *rows)
    crops_of(manifest, tmp_path / "out", several="tracked")
    assert list(left_out(tmp_path / "out")) == ["v/3.png"]
    assert "another person" in left_out(tmp_path / "out")["v/3.png"]


def test_the_face_on_the_mask_is_taken(tmp_path: Path) -> None:
    mask = np.zeros((45, 60, 3), dtype=np.uint8)  # of half the picture's size
    save(tmp_path / "in" / "empty.png", mask)
    mask[5:12, 5:12] = 255
    save(tmp_path / "in" / "mask.png", mask)
    save(tmp_path / "in" / "else.png", np.roll(mask, 30, axis=0))
    save(tmp_path / "in" / "a.png", picture((10, 10, 20, 20), (60, 30, 40, 40)))
    for name in ("b", "c"):
        save(tmp_path / "in" / f"{name}.png", picture((10, 10, 20, 20), (60, 30, 40, 40)))
    rows = [f"a.png,{FAKE},mask.png", f"b.png,{FAKE},empty.png", f"c.png,{FAKE},else.png"]
    manifest = manifest_of(tmp_path / "in", ",mask", *rows)
    table = crops_of(manifest, tmp_path / "out").set_index("crop_of")
    assert table["face_box"].str.split(".").str[0].to_dict() == {"a.png": "10", "b.png": "60"}
    assert left_out(tmp_path / "out") == {"c.png": "no face on the mask"}
    assert "mask" not in table


def test_the_masks_of_a_video_are_those_of_its_frames(tmp_path: Path) -> None:
    shown = [picture((10, 10, 24, 24), (70, 40, 32, 32), size=(96, 128)) for _ in range(3)]
    masks = [np.zeros((96, 128, 3), dtype=np.uint8) for _ in range(3)]
    masks[2][14:30, 14:30] = 255
    write_video(tmp_path / "in" / "v.mp4", shown)
    write_video(tmp_path / "in" / "m.mp4", masks)
    rows = [f"v.mp4,{FAKE},{number},m.mp4" for number in (0, 2)]
    table = crops_of(manifest_of(tmp_path / "in", ",frame,mask", *rows), tmp_path / "out")
    assert table["sample_id"].tolist() == ["v.mp4/000000.png", "v.mp4/000002.png"]
    assert [round(float(box.split()[0]), -1) for box in table["face_box"]] == [70, 10]
    assert set(table["group"]) == {"v.mp4"}


def test_a_box_of_the_manifest_says_whose_face_it_is(tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.png", picture((10, 10, 20, 20), (60, 30, 40, 40)))
    rows = [f"a.png,{REAL},5 5 30 30", f"a.png,{REAL},55 25 60 60", f"a.png,{REAL},0 80 9 9"]
    table = crops_of(manifest_of(tmp_path / "in", ",box", *rows), tmp_path / "out")
    found = dict(zip(table["sample_id"], table["face_box"], strict=True))
    assert found == {
        "a.png/5_5_30_30.png": "10.00 10.00 20.00 20.00",
        "a.png/55_25_60_60.png": "60.00 30.00 40.00 40.00",
    }
    assert list(left_out(tmp_path / "out").values()) == ["no face in the box"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"several": "some"}, "--several is 'some', not one of largest, tracked, all"),
        ({"no_face": "keep"}, "--no-face is 'keep', not one of leave-out, refuse"),
        ({"outside": "x"}, "--outside is 'x', not one of keep, leave-out, refuse"),
        ({"side": 8}, "side 8, confidence 0.9: from 32 pixels; between 0 and 1"),
        ({"confidence": 1.0}, "confidence 1.0"),
    ],
)
def test_a_setting_out_of_range_is_told(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(BenchmarkError, match=sentence):
        CropSettings(**({"recipe": "genface"} | options))  # type: ignore[arg-type]


def test_names_that_there_are_not_are_told(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"deepfakebnch.*deepfakebench"):
        CropSettings(recipe="deepfakebnch")
    manifest = policies(tmp_path / "in")
    with pytest.raises(UnknownNameError, match=r"retinafce.*retinaface"):
        crops_of(manifest, tmp_path / "out", detector="retinafce")
    assert not (tmp_path / "out").exists()


def test_the_command_prints_counts_and_the_manifest(tmp_path: Path) -> None:
    policies(tmp_path / "in")
    arguments = ["data", "crop", str(tmp_path / "in" / "manifest.csv"), "--recipe", "deepfakebench"]
    arguments += ["--detector", "red", "-o", str(tmp_path / "out")]
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "80"})
    assert done.exit_code == 0, done.output
    assert "test real:" in done.stdout
    assert "camera (one)" in done.stdout
    heads = done.stdout.splitlines()[2]
    assert [head.strip() for head in heads.split("┃")[2:-1]] == [
        "pictures", "no face", "several", "left out", "crops", "outside",
    ]  # fmt: skip
    assert f"Manifest: {tmp_path / 'out' / 'manifest.csv'} (3 crops)" in done.stdout
    assert "Cutting out faces" in done.stderr
    wrong = CliRunner().invoke(app, [*arguments, "--outside", "refuse"])
    assert wrong.exit_code == 1
    assert "holds crops of outside keep, not refuse" in " ".join(wrong.stderr.split())
