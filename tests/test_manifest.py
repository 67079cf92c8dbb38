import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmark.data.checking import check, overview, summary
from benchmark.data.manifest import read_manifest
from benchmark.errors import ManifestError
from protocols import fingerprint

MakeManifest = Callable[..., Path]

HEADER = "path,label,forgery,family,generator,split"
REAL = "a.png,real,real,real,camera,test"


def write(folder: Path, text: str | bytes, name: str = "m.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_manifest_gives_its_root_its_name_and_sorted_samples(
    tmp_path: Path, make_manifest: MakeManifest
) -> None:
    manifest = read_manifest(make_manifest([{"path": "z.png"}, {"path": "a.png"}]))
    assert manifest.root == tmp_path
    assert manifest.name == tmp_path.name
    assert list(manifest.samples["sample_id"]) == ["a.png", "z.png"]


def test_every_value_is_text_as_it_stands_there(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        f"{HEADER},identity,width,mood\na.png,fake,EFS,GAN,NA,test,007,0256,null\n"
        "b.png,fake,EFS,GAN,nan,test,1e5,,\n",
    )
    samples = read_manifest(path).samples
    assert list(samples["generator"]) == ["NA", "nan"]
    assert list(samples["identity"]) == ["007", "1e5"]
    assert list(samples["width"]) == ["0256", ""]
    assert list(samples["mood"]) == ["null", ""]


def test_a_parquet_manifest_says_the_same_as_its_csv(
    tmp_path: Path, make_manifest: MakeManifest
) -> None:
    rows = [{"path": "a.png", "pair": "", "width": "64"}, {"path": "b.png", "pair": "7"}]
    expected = read_manifest(make_manifest(rows)).samples
    table = pd.read_csv(tmp_path / "manifest.csv", dtype=str)
    table["width"] = table["width"].astype("Int64")
    table["generator"] = table["generator"].astype("category")
    table.to_parquet(tmp_path / "manifest.parquet", index=False)
    found = read_manifest(tmp_path / "manifest.parquet").samples
    pd.testing.assert_frame_equal(found, expected)


def test_frames_of_a_video_become_ids(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        f"{HEADER},frame\nv.mp4,real,real,real,camera,test,017\nv.mp4,real,real,real,camera,test,3\n"
        f"{REAL},\n",
    )
    samples = read_manifest(path).samples
    assert list(samples["sample_id"]) == ["a.png", "v.mp4#frame=17", "v.mp4#frame=3"]
    assert "frame" not in samples


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", r"m\.csv: the file is empty; its first row must name the columns"),
        ("\n\n", r"m\.csv: the file is empty"),
        (HEADER + "\n", r"m\.csv: the table has no rows, only the header"),
        (HEADER.replace("path", "file"), r"column 'path' is missing; there are file, label, forg"),
        (
            HEADER.replace("path", "file"),
            r"'path' is missing; .*; a table of other columns is read by",
        ),
        (HEADER.replace(",label", ""), r"column 'label' is missing; there are path, forgery"),
        (HEADER + ",label", r"column 'label' stands there 2 times"),
        (HEADER + ",", r"column 7 has no name"),
        (HEADER + ",sample_id", r"'sample_id' is made from 'path'"),
        (f"{HEADER}\n{REAL}\na,b", r"row 3: 2 values for the 6 columns of row 1"),
        (f"{HEADER}\n\n{REAL}", r"row 2: 0 values for the 6 columns"),
        (f"{HEADER}\n{REAL},x", r"row 2: 7 values for the 6 columns of row 1"),
        (f'{HEADER}\n"a.png"x,real', r"line 2: not CSV: ',' expected after '\"'"),
        (f"{HEADER}\n{REAL}\n{REAL}", r"row 3 \('a\.png'\): the same sample stands in an earlier"),
        (f"{HEADER}\n{REAL.removeprefix('a.png')}", r"row 2: 'path' is empty"),
        (f"{HEADER}\n./{REAL}", r"row 2: write 'path' plainly: no '\./', '//'"),
        (f"{HEADER}\n../{REAL}", r"row 2 \('\.\./a\.png'\): the path must be relative"),
        (f"{HEADER}\n/{REAL}", r"the path must be relative, with /, and have no \.\."),
        (f'{HEADER}\n"a\nb.png",real,real,real,camera,test', r"row 2: 'path' holds a line break"),
        (f"{HEADER}\n{REAL} ", r"row 2: 'split' begins or ends with a space"),
        (
            f"{HEADER}\n{REAL.replace('real', 'Real', 1)}",
            r"row 2 \('a\.png'\): 'label' is 'Real', not one of real, fake",
        ),
        (f"{HEADER},frame\n{REAL},1.5", r"row 2: 'frame' is not a whole number from 0"),
        (
            f"{HEADER},frame\n{REAL.replace('png', 'mp4#frame=1')},1",
            r"stands in 'path' and in 'frame'",
        ),
        (f"{HEADER},sha256\n{REAL},ABC", r"'sha256' is not 64 lower-case hexadecimal digits"),
        (b"\xff\xfep\x00a\x00", r"m\.csv: not UTF-8 text \(byte 0\); save it as UTF-8"),
    ],
)
def test_a_bad_csv_is_one_line_that_names_the_place(
    tmp_path: Path, text: str | bytes, sentence: str
) -> None:
    with pytest.raises(ManifestError, match=sentence) as caught:
        read_manifest(write(tmp_path, text))
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "m.csv") in str(caught.value)


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    path = write(tmp_path, f"\ufeff{HEADER}\r\n{REAL}\r\n\r\n".encode())
    assert list(read_manifest(path).samples["sample_id"]) == ["a.png"]


def test_a_folder_is_answered_with_how_to_index_it(tmp_path: Path) -> None:
    with pytest.raises(
        ManifestError, match=f"is a folder; .* 'forgerybench data index {tmp_path}'"
    ):
        read_manifest(tmp_path)


def test_a_missing_or_foreign_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"x\.csv: there is no such manifest"):
        read_manifest(tmp_path / "x.csv")
    with pytest.raises(
        ManifestError, match=r"a manifest is a \.csv or \.parquet file, not '\.json'"
    ):
        read_manifest(write(tmp_path, "{}", "m.json"))
    with pytest.raises(ManifestError, match=r"m\.parquet: cannot be read as Parquet: "):
        read_manifest(write(tmp_path, "PAR1", "m.parquet"))


def test_a_parquet_column_of_lists_is_refused(tmp_path: Path) -> None:
    columns = {name: ["real"] for name in HEADER.split(",")} | {"box": [[1, 2]]}
    pq.write_table(pa.table(columns), tmp_path / "m.parquet")
    with pytest.raises(
        ManifestError, match=r"column 'box' holds list.*; text and numbers can be re"
    ):
        read_manifest(tmp_path / "m.parquet")


def test_a_parquet_row_is_counted_from_one(tmp_path: Path) -> None:
    columns = dict(zip(HEADER.split(","), ([text, text] for text in REAL.split(",")), strict=True))
    pq.write_table(pa.table(columns), tmp_path / "m.parquet")
    with pytest.raises(ManifestError, match=r"row 2 \('a\.png'\): the same sample"):
        read_manifest(tmp_path / "m.parquet")


def test_check_finds_what_is_missing_cut_and_changed(
    tmp_path: Path, make_manifest: MakeManifest
) -> None:
    paths = ["changed.png", "cut.png", "fine.png", "missing.png", "text.jpg"]
    make_manifest([{"path": path} for path in paths], images=True)
    stated = hashlib.sha256((tmp_path / "fine.png").read_bytes()).hexdigest()
    make_manifest(
        [{"path": p, "sha256": stated if p in ("changed.png", "fine.png") else ""} for p in paths]
    )
    whole = (tmp_path / "cut.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "missing.png").unlink()
    (tmp_path / "text.jpg").write_text("hello")
    steps: list[int] = []
    facts = check(read_manifest(tmp_path / "manifest.csv"), workers=3, on_progress=steps.append)
    assert list(facts.index) == paths
    assert steps == [1, 2, 3, 4, 5]
    problems = facts["problem"]
    assert "content differs from the manifest's sha256" in problems["changed.png"]
    assert problems["cut.png"].startswith("unreadable: ")
    assert problems["fine.png"] == ""
    assert problems["missing.png"] == "missing"
    assert problems["text.jpg"] == "unreadable: not a JPEG, PNG, WEBP, BMP, TIFF image"
    assert facts.loc["fine.png", "sha256"] == stated
    assert tuple(facts.loc["fine.png", ["width", "height", "format"]]) == (64, 48, "PNG")


def test_a_frame_is_checked_with_the_hash_of_its_video(
    tmp_path: Path, make_manifest: MakeManifest
) -> None:
    with av.open(str(tmp_path / "v.mp4"), "w") as file:
        stream = file.add_stream("h264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 48, 3), np.uint8), format="rgb24")
        file.mux([*stream.encode(frame), *stream.encode()])
    manifest = read_manifest(
        make_manifest([{"path": "v.mp4", "frame": "0"}, {"path": "v.mp4", "frame": "1"}])
    )
    facts = check(manifest)
    digest = hashlib.sha256((tmp_path / "v.mp4").read_bytes()).hexdigest()
    assert list(facts["sha256"]) == [digest, digest]
    assert tuple(facts.loc["v.mp4#frame=0", ["problem", "width", "format"]]) == ("", 48, "video")
    assert facts["problem"].iloc[1] == "there is no frame 1; there are 1, counted from 0"
    assert set(manifest.samples["group"]) == {"v.mp4"}
    assert overview(manifest.samples).videos == 1


def test_check_looks_at_the_asked_rows_only(make_manifest: MakeManifest) -> None:
    manifest = read_manifest(make_manifest(images=True))
    facts = check(manifest, manifest.samples[manifest.samples["label"] == "fake"])
    assert list(facts.index) == ["b.png"]


def test_hashes_from_check_give_the_fingerprint(make_manifest: MakeManifest) -> None:
    manifest = read_manifest(make_manifest(images=True))
    hashes = check(manifest)["sha256"]
    samples = manifest.samples.assign(sha256=manifest.samples["sample_id"].map(hashes))
    assert len(fingerprint(samples)) == 64


def test_an_interrupt_stops_a_check(make_manifest: MakeManifest) -> None:
    manifest = read_manifest(make_manifest(images=True))

    def interrupt(count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check(manifest, on_progress=interrupt)


def test_the_overview_counts_and_warns_of_what_crosses_splits(make_manifest: MakeManifest) -> None:
    row = {"label": "fake", "source": "s", "identity": "ann"}
    samples = read_manifest(
        make_manifest(
            [
                row | {"path": "a.png", "split": "train", "group": "v"},
                row | {"path": "b.png", "split": "test", "group": "v"},
                row | {"path": "c.png", "split": "test", "source": "t", "identity": "bob"},
                {"path": "d.png", "label": "real", "split": "test", "source": "t"},
            ]
        )
    ).samples
    found = overview(samples)
    assert found.counts["images"].sum() == 4
    assert found.videos == 1
    assert found.warnings == (
        "1 of 3 values of 'group' stand in more than one split ('v' first): a detector may "
        "recognise them",
        "1 of 2 values of 'identity' stand in more than one split ('ann of s' first): a detector "
        "may recognise them",
        "split 'train' has no real images, split 'val' has no images: it can be tested on, not "
        "trained with; give it some with 'forgerybench data split FILE --shares 0.7,0.1,0.2 "
        "-o NEW.csv' or "
        "'forgerybench data fold'",
    )


def test_the_same_identity_name_in_two_sources_is_two_people(make_manifest: MakeManifest) -> None:
    rows = [
        {"path": f"{source}.png", "source": source, "identity": "1", "split": split}
        for source, split in (("x", "train"), ("y", "test"))
    ]
    warnings = overview(read_manifest(make_manifest(rows)).samples).warnings
    assert not [sentence for sentence in warnings if "identity" in sentence]


def test_the_real_faces_are_whole_and_what_their_manifest_says(faces: Path) -> None:
    manifest = read_manifest(faces / "manifest.csv")
    facts = check(manifest)
    assert len(facts) == 2938
    assert not list(facts.loc[facts["problem"] != "", "problem"])
    stated = manifest.samples.set_index("sample_id")
    assert (facts["width"].astype(str) == stated["width"]).all()
    assert (facts["height"].astype(str) == stated["height"]).all()
    assert (facts["sha256"] == stated["sha256"]).all()
    assert dict(summary(facts)["format"]) == {"JPEG": 2638, "PNG": 300}


def test_the_fingerprint_does_not_depend_on_the_folder(
    tmp_path: Path, make_manifest: MakeManifest
) -> None:
    path = make_manifest([{"path": "a.png", "sha256": "0" * 64}])
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    shutil.copy(path, moved)
    here, there = read_manifest(path), read_manifest(moved / path.name)
    assert fingerprint(here.samples) == fingerprint(there.samples)
