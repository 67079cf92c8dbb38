"""Folders as users of the field have them: what the generic indexer makes of each."""

import os
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.data.checking import check, overview
from benchmark.data.facts import facts_path, read_dataset_facts
from benchmark.data.images import read
from benchmark.data.indexing import Found, Indexed, index_folder
from benchmark.data.manifest import read_manifest
from benchmark.data.naming import made_of
from benchmark.data.tree import list_images
from benchmark.errors import ImageError, ManifestError

MakeImage = Callable[..., Path]
WIDE = {"COLUMNS": "300"}
FFPP = {"original_sequences": "real", "manipulated_sequences": "fake"}


def column(indexed: Indexed, name: str) -> dict[str, str]:
    """Give a column of the manifest by sample."""
    return dict(indexed.manifest.samples.set_index("sample_id")[name])


def clip(path: Path, count: int, *, rate: int = 25) -> Path:
    """Write a short video whose frames grow brighter."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("h264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for number in range(count):
            pixels = np.full((32, 48, 3), 20 + 200 * number // count, dtype=np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                file.mux(packet)
        for packet in stream.encode(None):
            file.mux(packet)
    return path


def test_masks_are_passed_over_by_name_and_counted(tree: Callable[..., Path]) -> None:
    folder = tree(
        "original_sequences/youtube/c23/frames/000/000.png",
        "manipulated_sequences/Deepfakes/c23/frames/000_003/000.png",
        "manipulated_sequences/Deepfakes/c23/masks/000_003/000.png",
        "manipulated_sequences/Deepfakes/c23/landmarks/000_003/000.png",
    )
    found: list[Found] = []
    indexed = index_folder(folder, labels=FFPP, on_found=found.append)
    assert list(column(indexed, "generator").values()) == ["Deepfakes", "camera"]
    assert list(column(indexed, "group").values()) == [
        "manipulated_sequences/Deepfakes/c23/000_003",
        "original_sequences/youtube/c23/000",
    ]
    assert indexed.ignored == {
        "folder 'landmarks', passed over by its name": 1,
        "folder 'masks', passed over by its name": 1,
    }
    assert list(found[0].counts["images"]) == [1, 1]
    assert "'000_003'): column 'pair' keeps them together" in found[0].notes[0]


def test_a_folder_that_looks_like_a_dataset_is_told_its_name(tree: Callable[..., Path]) -> None:
    folder = tree("original_sequences/youtube/c23/frames/000/000.png")
    with pytest.raises(ManifestError, match=r"index it with 'forgerybench data index facefor"):
        index_folder(folder)


def test_a_folder_of_masks_that_is_called_a_class_is_read(tree: Callable[..., Path]) -> None:
    folder = tree("real/1.png", "masks/2.png")
    assert len(index_folder(folder, labels={"masks": "fake"}).manifest.samples) == 2


def test_a_mask_beside_its_image_is_no_image(tree: Callable[..., Path]) -> None:
    folder = tree("real/1.png", "fake/2.png", "fake/2_mask.png", "real/9_mask.png")
    indexed = index_folder(folder)
    assert sorted(column(indexed, "label")) == ["fake/2.png", "real/1.png", "real/9_mask.png"]
    assert indexed.ignored == {"mask beside its image, passed over by its name": 1}


@pytest.mark.parametrize(
    "kept",
    [
        *("frames", "c23", "ff", "cdf", "raw", "images", "faces"),
        *("256x256", "size_256", "224px", "aligned"),
    ],
)
def test_how_images_are_kept_is_no_generator(kept: str, tree: Callable[..., Path]) -> None:
    below = index_folder(tree(f"fake/BlendFace/{kept}/a.png", "real/b.png", name="below"))
    above = index_folder(
        tree(f"fake/{kept}/BlendFace/a.png", "real/b.png", name="above"), videos=False
    )
    own = index_folder(tree(f"BlendFace/{kept}/a.png", "real/b.png"), labels={"BlendFace": "fake"})
    alone = index_folder(tree(f"fake/{kept}/a.png", "real/b.png", name="alone"))
    for indexed in (below, above, own):
        assert set(column(indexed, "generator").values()) == {"BlendFace", "camera"}
    assert set(column(alone, "generator").values()) == {"unknown", "camera"}


def test_frames_of_celebrities_have_their_folders_generator(tree: Callable[..., Path]) -> None:
    folder = tree(
        "Celeb-real/frames/id0_0000/000.png", "Celeb-synthesis/frames/id0_id1_0000/000.png"
    )
    indexed = index_folder(folder, labels={"Celeb-real": "real", "Celeb-synthesis": "fake"})
    assert set(column(indexed, "generator").values()) == {"Celeb-synthesis", "camera"}
    assert set(column(indexed, "source").values()) == {"Celeb-real", "unknown"}
    assert set(column(indexed, "pair").values()) == {"id0_0000"}


def test_folders_of_frames_are_no_generators(tree: Callable[..., Path]) -> None:
    folder = tree("real/000/1.png", "fake/000_003/1.png")
    with pytest.raises(ManifestError, match=r"folder '000.*' has the name of a video.*--videos if"):
        index_folder(folder)
    indexed = index_folder(folder, videos=True)
    assert set(column(indexed, "generator").values()) == {"unknown", "camera"}
    assert set(column(indexed, "group").values()) == {"real/000", "fake/000_003"}
    (folder / "manifest.csv").unlink()
    shards = index_folder(folder, videos=False)
    assert set(column(shards, "generator").values()) == {"unknown", "camera"}


def test_what_may_be_a_video_or_a_method_is_asked_for(tree: Callable[..., Path]) -> None:
    folder = tree("fake/frames/abofe/1.png", "real/b.png")
    with pytest.raises(ManifestError, match="'abofe' may be a video or a method; say --videos"):
        index_folder(folder)
    assert column(index_folder(folder, videos=False), "generator")["fake/frames/abofe/1.png"] == (
        "abofe"
    )


def test_more_generators_than_there_can_be_are_videos(tree: Callable[..., Path]) -> None:
    names = ["".join(chr(97 + (number >> 4 * i & 15)) for i in range(3)) for number in range(120)]
    folder = tree("real/ffhq/1.png", *(f"fake/{name}/1.png" for name in names))
    with pytest.raises(ManifestError, match="121 generators, such as 'aaa'; say --videos"):
        index_folder(folder)


@pytest.mark.parametrize("videos", [True, None])
def test_a_forgery_stays_with_the_originals_that_its_name_names(
    videos: bool | None, tree: Callable[..., Path]
) -> None:
    paths = []
    for number in range(20):
        paths.append(f"original_sequences/youtube/c23/frames/{number:03d}/000.png")
        other = (number + 10) % 20
        for method in ("Deepfakes", "Face2Face"):
            name = f"{number:03d}_{other:03d}"
            paths.append(f"manipulated_sequences/{method}/c23/frames/{name}/000.png")
    indexed = index_folder(tree(*paths), labels=FFPP, videos=videos, splits=(0.5, 0.2, 0.3))
    samples = indexed.manifest.samples
    assert samples["split"].nunique() == 3
    splits: dict[int, set[str]] = {}
    for group, split in zip(samples["group"], samples["split"], strict=True):
        for part in group.rpartition("/")[2].split("_"):
            splits.setdefault(int(part), set()).add(split)
    assert all(len(each) == 1 for each in splits.values())
    assert not [w for w in overview(samples).warnings if "more than one split" in w]


def test_names_that_say_nothing_are_not_tied() -> None:
    assert made_of(frozenset({"a", "000"}), ["b_c", "x", "id0_id1_0000"]) == {}
    tied = made_of(frozenset({"000", "003", "005"}), ["000_003", "003_000", "005_007", "007_009"])
    assert {tied[name] for name in ("000", "003", "000_003", "003_000")} == {"000"}
    assert tied["005"] == tied["005_007"] == "005"
    assert "007_009" not in tied


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ({"1": "fake", "0": "real"}, r"'real/a\.png' is fake \('1'\), its folders say real; mend"),
        ({}, "nothing says whether 'fake/b.png' is real or fake; label the classes 0, 1"),
    ],
)
def test_a_table_that_contradicts_the_folders_is_refused(
    labels: dict[str, str], sentence: str, tree: Callable[..., Path]
) -> None:
    folder = tree("real/a.png", "fake/b.png")
    (folder / "metadata.csv").write_text("file_name,label\nreal/a.png,1\nfake/b.png,0\n")
    with pytest.raises(ManifestError, match=sentence):
        index_folder(folder, labels=labels)
    assert not (folder / "manifest.csv").exists()
    indexed = index_folder(folder, labels={"1": "real", "0": "fake"})
    assert column(indexed, "label") == {"fake/b.png": "fake", "real/a.png": "real"}


def test_a_table_that_contradicts_a_split_folder_is_refused(tree: Callable[..., Path]) -> None:
    folder = tree("train/real/a.png", "test/fake/b.png")
    text = "file_name,split\ntrain/real/a.png,test\ntest/fake/b.png,test\n"
    (folder / "metadata.csv").write_text(text)
    with pytest.raises(ManifestError, match="is test, its folders say train; mend the one"):
        index_folder(folder)


def test_linked_folders_are_read_when_told(tree: Callable[..., Path], tmp_path: Path) -> None:
    folder = tree("real/a.png", "fake/b.png", name="plain")
    (tmp_path / "links").mkdir()
    for label in ("real", "fake"):
        (tmp_path / "links" / label).symlink_to(folder / label)
    with pytest.raises(ManifestError, match=r"2 links to folders were not entered.*--follow-links"):
        index_folder(tmp_path / "links")
    indexed = index_folder(tmp_path / "links", links=True)
    assert not indexed.problems
    again = read_manifest(tmp_path / "links" / "manifest.csv")
    assert not check(again)["problem"].any()
    assert read(again.root, "real/a.png").shape == (16, 16, 3)


def test_files_behind_links_are_read_when_told(tree: Callable[..., Path], tmp_path: Path) -> None:
    blobs = tree("real.png", "fake.png", name="hub/blobs")
    folder = tmp_path / "hub" / "snapshots" / "x"
    for label in ("real", "fake"):
        (folder / label).mkdir(parents=True)
        (folder / label / f"{label}.png").symlink_to(blobs / f"{label}.png")
    with pytest.raises(
        ManifestError, match=r"is a link that leads out of this folder, to .*--foll"
    ):
        index_folder(folder)
    indexed = index_folder(folder, links=True, out=tmp_path / "m.parquet")
    assert not indexed.problems
    assert not check(read_manifest(tmp_path / "m.parquet"))["problem"].any()
    facts_path(tmp_path / "m.parquet").write_text(
        '{"format": 1, "root": "hub/snapshots/x", "links": false}'
    )
    with pytest.raises(ImageError, match="leads out of the manifest's folder"):
        read(read_manifest(tmp_path / "m.parquet").root, "real/real.png")


def test_links_in_a_circle_end(tree: Callable[..., Path]) -> None:
    folder = tree("real/a.png", "fake/b.png")
    (folder / "fake" / "up").symlink_to(folder)
    (folder / "real" / "self").symlink_to(folder / "real")
    listing = list_images(folder, links=True)
    assert listing.images == ["fake/b.png", "real/a.png"]
    assert listing.ignored == {"linked folder that was entered already": 2}


def test_an_unreadable_folder_is_named(
    tree: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tree("real/a.png", "fake/closed/b.png", "fake/c.png")
    scan = os.scandir

    def scandir(path: Path) -> object:
        if str(path).rstrip("/").endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    result = CliRunner().invoke(app, ["data", "index", str(folder)])
    assert result.exit_code == 1
    assert "folder fake/closed/ cannot be read: Permission denied" in result.stderr
    assert "manifest.csv (2 images)" in result.stdout


@pytest.mark.parametrize("name", ["m.csv", "m.parquet"])
def test_a_manifest_is_written_anywhere_and_states_its_root(
    name: str, tree: Callable[..., Path], tmp_path: Path
) -> None:
    folder = tree("real/a.png", "fake/b.png")
    (tmp_path / "elsewhere").mkdir()
    for out in (tmp_path / name, tmp_path / "elsewhere" / name):
        indexed = index_folder(folder, out=out)
        again = read_manifest(out)
        assert again.samples.equals(indexed.manifest.samples)
        assert again.name == "tree"
        assert not check(again)["problem"].any()
    assert read_dataset_facts(tmp_path / name).root == "tree"
    assert read_dataset_facts(tmp_path / "elsewhere" / name).root == str(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["fake", "real"]


@pytest.mark.parametrize(
    ("out", "sentence"),
    [
        ("nowhere/m.csv", "nowhere: there is no such folder; make it first"),
        ("m.txt", r"m\.txt: a manifest is a \.csv or \.parquet file"),
        ("there.csv", "there is a manifest already"),
    ],
)
def test_where_a_manifest_cannot_be_written_nothing_is_decoded(
    out: str, sentence: str, tree: Callable[..., Path], tmp_path: Path
) -> None:
    folder = tree("real/a.png", "fake/b.png")
    (tmp_path / "there.csv").write_text("mine")
    done: list[int] = []
    with pytest.raises(ManifestError, match=sentence):
        index_folder(folder, out=tmp_path / out, on_progress=done.append)
    assert not done


def test_equal_bytes_in_two_classes_or_splits_are_named(
    tree: Callable[..., Path], tmp_path: Path
) -> None:
    folder = tree("train/real/a.png", "test/real/b.png", "train/fake/c.png", "test/fake/d.png")
    data = (folder / "train/real/a.png").read_bytes()
    for copy in ("test/real/b.png", "train/fake/c.png"):
        (folder / copy).write_bytes(data)
    result = CliRunner().invoke(app, ["data", "index", str(folder)])
    assert result.exit_code == 1
    said = "'test/real/b.png' and 'train/fake/c.png' are the same bytes, and 'label' is real and"
    assert said in result.stderr
    assert "and 'split' is test and train" in result.stderr
    assert len(read_manifest(folder / "manifest.csv").samples) == 4
    for command in ("check", "show"):
        told = CliRunner().invoke(app, ["data", command, str(folder / "manifest.csv")], env=WIDE)
        assert said in told.output
    assert CliRunner().invoke(app, ["data", "check", str(folder / "manifest.csv")]).exit_code == 1


def test_videos_are_read_by_evenly_spaced_frames(tmp_path: Path, make_image: MakeImage) -> None:
    clip(tmp_path / "real" / "videos" / "000.mp4", 50)
    clip(tmp_path / "fake" / "Swap" / "videos" / "000_003.mp4", 5, rate=10)
    indexed = index_folder(tmp_path, frames=6)
    assert not indexed.problems
    samples = indexed.manifest.samples
    real = samples[samples["label"] == "real"]
    numbers = [int(text.rpartition("=")[2]) for text in real["sample_id"]]
    assert sorted(numbers) == [0, 9, 19, 29, 39, 49]
    assert set(real["group"]) == {"real/000"}
    assert dict(zip(numbers, real["time"], strict=True))[49] == "1.960000"
    fake = samples[samples["label"] == "fake"]
    assert list(fake["time"]) == ["0.000000", "0.100000", "0.200000", "0.300000", "0.400000"]
    assert set(fake["generator"]) == {"Swap"}
    assert set(samples["pair"]) == {"000"}


def test_frames_that_lie_there_as_images_are_thinned_in_the_order_of_numbers(
    tree: Callable[..., Path],
) -> None:
    folder = tree(*(f"fake/G/frames/v1/{number}.png" for number in range(12)), "real/x.png")
    indexed = index_folder(folder, frames=3)
    names = [path.rpartition("/")[2] for path in column(indexed, "label")]
    assert sorted(names) == ["0.png", "11.png", "5.png", "x.png"]


def test_a_video_that_cannot_be_read_is_named(tmp_path: Path, make_image: MakeImage) -> None:
    make_image(tmp_path / "real" / "a.png")
    (tmp_path / "fake").mkdir()
    (tmp_path / "fake" / "b.mp4").write_bytes(b"no video")
    indexed = index_folder(tmp_path)
    assert list(indexed.problems) == ["fake/b.mp4#frame=0"]
    assert indexed.problems["fake/b.mp4#frame=0"].startswith("unreadable: ")


def test_what_was_found_is_said_before_anything_is_written(tree: Callable[..., Path]) -> None:
    folder = tree("real/a.png", "fake/G/b.png")

    def stop(found: Found) -> None:
        assert list(found.counts["generator"]) == ["G", "camera"]
        assert not (folder / "manifest.csv").exists()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index_folder(folder, on_found=stop)
    assert not (folder / "manifest.csv").exists()
