import json
import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest

from benchmark.data.adapters.folders.layout import FolderPlace, place
from benchmark.data.checking import check
from benchmark.data.indexing import Indexed, index_folder
from benchmark.data.manifest import read_manifest
from benchmark.data.shares import split_of
from benchmark.errors import ManifestError

MakeImage = Callable[..., Path]


@pytest.fixture
def tree(tmp_path: Path, make_image: MakeImage) -> Callable[..., Path]:
    """Make small images at the given paths."""

    def make(*paths: str) -> Path:
        for seed, path in enumerate(paths):
            make_image(tmp_path / path, height=16, width=24, seed=seed)
        return tmp_path

    return make


def rows(indexed: Indexed) -> dict[str, dict[str, Any]]:
    table = indexed.manifest.samples.set_index("sample_id").to_dict("index")
    return {
        str(key): {str(name): value for name, value in row.items()} for key, row in table.items()
    }


def test_a_plain_tree_becomes_a_manifest(tree: Callable[..., Path]) -> None:
    folder = tree("real/ffhq/1.png", "fake/StyleGAN/1.png", "fake/SDXL/deep/2.jpg")
    found = rows(index_folder(folder))
    assert [found[key]["generator"] for key in found] == ["SDXL", "StyleGAN", "camera"]
    real, fake = found["real/ffhq/1.png"], found["fake/StyleGAN/1.png"]
    assert [real[name] for name in ("label", "forgery", "family", "source")] == [
        *["real"] * 3,
        "ffhq",
    ]
    assert [fake[name] for name in ("label", "forgery", "family", "source")] == [
        "fake",
        *["unknown"] * 3,
    ]
    assert {row["split"] for row in found.values()} == {"test"}
    assert (fake["width"], fake["height"], len(fake["sha256"])) == ("24", "16", 64)


def test_what_is_written_is_read_back_and_passes_the_check(tree: Callable[..., Path]) -> None:
    folder = tree("real/1.png", 'fake/G, "x"/1.png')
    indexed = index_folder(folder)
    again = read_manifest(folder / "manifest.csv")
    assert again.samples.equals(indexed.manifest.samples)
    assert not check(again)["problem"].any()
    assert [path.name for path in folder.iterdir() if path.is_file()] == ["manifest.csv"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("real/1.png", FolderPlace("", "real", "camera", "unknown", "")),
        ("train/fake/1.png", FolderPlace("train", "fake", "unknown", "unknown", "")),
        ("validation/REAL/1.png", FolderPlace("val", "real", "camera", "unknown", "")),
        ("BigGAN/val/nature/1.png", FolderPlace("val", "real", "camera", "BigGAN", "")),
        ("BigGAN/val/ai/1.png", FolderPlace("val", "fake", "BigGAN", "BigGAN", "")),
        ("progan/cat/1_fake/1.png", FolderPlace("", "fake", "progan", "progan", "")),
        ("progan/cat/0_real/1.png", FolderPlace("", "real", "camera", "progan", "")),
        ("140k/fake/stylegan/1.png", FolderPlace("", "fake", "stylegan", "140k", "")),
        ("ff/1.png", FolderPlace("", "real", "camera", "ff", "")),
        ("test/swap/1.png", FolderPlace("test", "fake", "swap", "unknown", "")),
        ("1.png", FolderPlace("", "", "unknown", "unknown", "")),
    ],
)
def test_folders_say_split_label_generator_and_source(path: str, expected: FolderPlace) -> None:
    assert place(path, {"ff": "real", "swap": "fake"}) == expected


def test_innermost_folders_are_videos_where_the_user_says_so() -> None:
    assert place("fake/Deepfakes/000_003/07.png", {}, videos=True) == FolderPlace(
        "", "fake", "Deepfakes", "unknown", "fake/Deepfakes/000_003"
    )
    assert place("real/000/07.png", {}, videos=True) == FolderPlace(
        "", "real", "camera", "unknown", "real/000"
    )
    assert place("test/real/07.png", {}, videos=True).group == ""


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("train/test/real/1.png", "train/test/real/1.png: its folders name two splits; keep one"),
        ("real/fake/1.png", "real/fake/1.png: its folders say both real and fake; keep one"),
    ],
)
def test_contradicting_folders_are_refused(path: str, sentence: str) -> None:
    with pytest.raises(ManifestError, match=sentence):
        place(path, {})


def test_labels_are_never_guessed(tree: Callable[..., Path]) -> None:
    folder = tree("a/1.png", "b/2.png", "real/3.png")
    with pytest.raises(
        ManifestError,
        match=r"nothing says whether 'a/1\.png' is real or fake; label the classes a, b, "
        r"each with --label a=real or fake \(known are real, 0_real, nature, fake, 1_fake, ai\)",
    ):
        index_folder(folder)
    assert not (folder / "manifest.csv").exists()
    found = rows(index_folder(folder, labels={"a": "real", "b": "fake"}))
    assert [row["label"] for row in found.values()] == ["real", "fake", "real"]
    assert found["b/2.png"]["generator"] == "b"


def test_a_label_must_be_real_or_fake(tree: Callable[..., Path]) -> None:
    with pytest.raises(ManifestError, match="class 'a' is 'true', not one of real, fake"):
        index_folder(tree("a/1.png"), labels={"a": "true"})


def test_split_folders_are_used_and_may_not_be_partial(tree: Callable[..., Path]) -> None:
    folder = tree("train/real/1.png", "validation/fake/2.png", "test/fake/3.png")
    found = index_folder(folder).manifest.samples
    assert list(found["split"]) == ["test", "train", "val"]
    (folder / "manifest.csv").unlink()
    with pytest.raises(ManifestError, match="stand in splits already; ask for no shares"):
        index_folder(folder, splits=(0.8, 0.1, 0.1))
    tree("real/4.png")
    with pytest.raises(
        ManifestError, match=r"1 of 4 images stand in no split \('real/4\.png' first"
    ):
        index_folder(folder)


def test_shares_split_by_group_alone_and_keep_videos_whole(tree: Callable[..., Path]) -> None:
    folder = tree(*(f"fake/G/{video}/{frame}.png" for video in range(12) for frame in range(2)))
    samples = index_folder(folder, splits=(0.5, 0.2, 0.3), videos=True).manifest.samples
    assert (samples.groupby("group")["split"].nunique() == 1).all()
    assert samples["split"].nunique() > 1
    for group, split in zip(samples["group"], samples["split"], strict=True):
        assert split == split_of(group, (0.5, 0.2, 0.3))


def test_shares_are_met() -> None:
    counts = Counter(split_of(f"{number}.png", (0.7, 0.1, 0.2)) for number in range(10_000))
    assert counts["train"] == pytest.approx(7000, abs=150)
    assert counts["val"] == pytest.approx(1000, abs=100)


def test_shares_must_sum_to_one(tree: Callable[..., Path]) -> None:
    with pytest.raises(ManifestError, match=r"must sum to 1, got \(0\.7, 0\.1, 0\.1\)"):
        index_folder(tree("real/1.png"), splits=(0.7, 0.1, 0.1))


def test_the_taxonomy_is_stated_for_all_or_by_generator(tree: Callable[..., Path]) -> None:
    folder = tree("real/1.png", "fake/G/1.png", "fake/H/1.png")
    found = rows(index_folder(folder, forgery="EFS", family={"G": "GAN"}))
    assert [row["forgery"] for row in found.values()] == ["EFS", "EFS", "real"]
    assert [row["family"] for row in found.values()] == ["GAN", "unknown", "real"]


def test_the_source_is_stated_for_all_or_by_generator(tree: Callable[..., Path]) -> None:
    folder = tree("real/1.png", "fake/G/1.png", "fake/H/1.png")
    found = rows(index_folder(folder, source={"G": "FFHQ"}))
    assert [row["source"] for row in found.values()] == ["FFHQ", "unknown", "unknown"]
    (folder / "manifest.csv").unlink()
    found = rows(index_folder(folder, source={"G": "FFHQ", "camera": "CelebA"}))
    assert [row["source"] for row in found.values()] == ["FFHQ", "unknown", "CelebA"]
    (folder / "manifest.csv").unlink()
    found = rows(index_folder(folder, source="FFHQ"))
    assert {row["source"] for row in found.values()} == {"FFHQ"}
    (folder / "manifest.csv").unlink()
    with pytest.raises(ManifestError, match="no generator is called 'X'; there are G, H"):
        index_folder(folder, source={"X": "FFHQ"})


def test_a_taxonomy_that_does_not_exist_is_refused(tree: Callable[..., Path]) -> None:
    folder = tree("real/1.png", "fake/G/1.png")
    with pytest.raises(ManifestError, match="'forgery' is 'efs', not one of EFS, AM, FS, FR, unkn"):
        index_folder(folder, forgery="efs")
    with pytest.raises(ManifestError, match="no generator is called 'X'; there are G"):
        index_folder(folder, family={"X": "GAN"})


def test_a_manifest_is_never_overwritten(tree: Callable[..., Path]) -> None:
    folder = tree("real/1.png")
    (folder / "manifest.csv").write_text("mine")
    with pytest.raises(ManifestError, match=r"manifest\.csv: there is a manifest already; move it"):
        index_folder(folder)
    assert (folder / "manifest.csv").read_text() == "mine"


def test_options_are_checked_before_a_manifest_that_is_there(tree: Callable[..., Path]) -> None:
    folder = tree("real/1.png")
    (folder / "manifest.csv").write_text("mine")
    with pytest.raises(ManifestError, match="'forgery' is 'efs', not one of EFS"):
        index_folder(folder, forgery="efs")
    with pytest.raises(ManifestError, match="class 'a' is 'true'"):
        index_folder(folder, labels={"a": "true"})


def test_a_label_that_a_shell_would_split_is_quoted(tree: Callable[..., Path]) -> None:
    with pytest.raises(ManifestError, match=r"each with --label 'my cats=real' or fake"):
        index_folder(tree("my cats/1.png"))


def test_bad_images_are_named_and_kept_and_the_rest_is_counted(tree: Callable[..., Path]) -> None:
    folder = tree("real/1.png", "fake/2.png", ".hidden/real/3.png")
    (folder / "real" / "cut.png").write_bytes((folder / "real" / "1.png").read_bytes()[:100])
    (folder / "real" / "clip.txt").write_text("")
    (folder / "linked").symlink_to(folder / "real")
    indexed = index_folder(folder)
    assert list(indexed.problems) == ["real/cut.png"]
    assert indexed.problems["real/cut.png"].startswith("unreadable: ")
    assert rows(indexed)["real/cut.png"]["sha256"] == ""
    assert indexed.ignored == {
        ".txt file": 1,
        "hidden folder": 1,
        "link to a folder, not entered": 1,
    }


def test_no_images_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"no images in it; these are read: .jpg .jpeg .png"):
        index_folder(tmp_path)
    with pytest.raises(ManifestError, match="nothing: there is no such folder"):
        index_folder(tmp_path / "nothing")


def test_a_decomposed_file_name_has_a_composed_id(tree: Callable[..., Path]) -> None:
    name = unicodedata.normalize("NFD", "real/Zoë.png")
    indexed = index_folder(tree(name))
    assert list(rows(indexed)) == [unicodedata.normalize("NFC", name)]
    assert not indexed.problems


def test_a_plain_image_folder_means_what_datasets_reads_in_it(
    tree: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tree(
        *(f"{s}/{c}/{i}.png" for s in ("train", "test") for c in ("real", "fake") for i in "12")
    )
    loaded = datasets.load_dataset(
        "imagefolder",
        data_dir=str(folder),
        drop_labels=False,
        cache_dir=str(tmp_path_factory.mktemp("cache")),
    )
    expected = {}
    for split, table in loaded.items():
        names = table.features["label"].names
        for row in table.cast_column("image", datasets.Image(decode=False)):
            path = Path(row["image"]["path"]).relative_to(folder).as_posix()
            expected[path] = (str(split), names[row["label"]])
    found = rows(index_folder(folder))
    assert {key: (row["split"], row["label"]) for key, row in found.items()} == expected


def test_metadata_goes_before_folders_and_brings_subgroups(tree: Callable[..., Path]) -> None:
    folder = tree("train/1.png", "train/test_2.png", "test/1.png", "test/extra.png")
    header = "file_name,label,generator,forgery,identity,mood\n"
    (folder / "train" / "metadata.csv").write_text(
        header + "1.png,0,,,007,glad\ntest_2.png,1,SDXL,EFS,008,\n"
    )
    (folder / "test" / "metadata.csv").write_text(header + "1.png,1,G,,010,sad\n")
    indexed = index_folder(folder, labels={"0": "real", "1": "fake"}, family="diffusion")
    found = rows(indexed)
    assert list(found) == ["test/1.png", "train/1.png", "train/test_2.png"]
    real, fake = found["train/1.png"], found["train/test_2.png"]
    names = ("split", "label", "forgery", "family", "generator", "identity", "mood")
    assert [real[n] for n in names] == ["train", "real", "real", "real", "camera", "007", "glad"]
    assert [fake[n] for n in names] == ["train", "fake", "EFS", "diffusion", "SDXL", "008", ""]
    assert indexed.ignored == {"image the metadata do not name": 1}


def test_metadata_of_json_lines_say_the_same(tree: Callable[..., Path]) -> None:
    folder = tree("1.png", "2.png")
    lines = [
        {"file_name": "1.png", "label": "real", "split": "validation"},
        {"file_name": "2.png", "label": "fake", "split": "train"},
    ]
    (folder / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = rows(index_folder(folder))
    assert [(row["label"], row["split"]) for row in found.values()] == [
        ("real", "val"),
        ("fake", "train"),
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "name,label\n1.png,real\n",
            r"column 'file_name' is missing; there are \['name', 'label'\]",
        ),
        ("file_name,label\nx.png,real\n", r"the metadata name 'x\.png', which is no image there"),
        ("file_name,label\n1.png,real\n1.png,real\n", r"the metadata name '1\.png' twice"),
        ("file_name,label,width\n1.png,real,3\n", "the metadata may have no column 'width'"),
        ("file_name,label,box\n1.png,real,0 0 9 9\n", "the metadata may have no column 'box'"),
        ("file_name,label\n1.png,cat\n", r"'1\.png' is real or fake; label the classes cat, "),
        (
            "file_name,label\n../1.png,real\n",
            "the metadata cannot be read: Invalid metadata file_n",
        ),
        (
            "file_name,label,split\n1.png,real,x\n",
            r"\('1\.png'\): 'split' is 'x', not one of train",
        ),
    ],
)
def test_bad_metadata_is_one_line(tree: Callable[..., Path], text: str, sentence: str) -> None:
    folder = tree("1.png")
    (folder / "metadata.csv").write_text(text)
    with pytest.raises(ManifestError, match=sentence) as caught:
        index_folder(folder)
    assert "\n" not in str(caught.value)
    assert not (folder / "manifest.csv").exists()


def test_indexing_the_real_faces_finds_their_labels_and_hashes(faces: Path, tmp_path: Path) -> None:
    stated = read_manifest(faces / "manifest.csv").samples.set_index("sample_id")
    stated = stated[stated["source"] == "stargan-celeba"]
    for sample_id in stated.index:
        target = tmp_path / sample_id
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((faces / sample_id).read_bytes())
    found = index_folder(tmp_path).manifest.samples.set_index("sample_id")
    assert (found["sha256"] == stated["sha256"]).all()
    assert (found["label"] == stated["label"]).all()
    assert (found["width"] == stated["width"]).all()
