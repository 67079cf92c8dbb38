"""Folders without labels that look like a dataset of the field: which adapter they are told."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark.data.adapters import adapter_names, load_adapter
from benchmark.data.indexing import index_folder
from benchmark.data.words import TELLING_FOLDERS
from benchmark.errors import ManifestError

MakeImage = Callable[..., Path]


@pytest.mark.parametrize(
    ("path", "mark", "adapter"),
    [
        ("original_sequences/youtube/c23/frames/000/0.png", "original_sequences", "faceforensics"),
        ("manipulated_sequences/X/c23/frames/000_003/0.png", "manipulated_", "faceforensics"),
        ("Celeb-real/frames/id0_0000/0.png", "Celeb-real", "celeb-df-v2"),
        ("Celeb-synthesis/FaceReenact/LIA/id0_id1_0000/0.png", "FaceReenact", "celeb-df-pp"),
        ("dfdc_train_part_17/abcdefghij/0.png", "dfdc_train_part_17", "dfdc"),
        ("method_B/1/0.png", "method_B", "dfdcp"),
        ("manipulated_videos/end_to_end/000_M001/0.png", "manip", "deeperforensics"),
        ("DF40_train/simswap/ff/000/0.png", "DF40_train", "df40"),
        ("FakeVideo-RealAudio/African/men/id1/0.png", "FakeVideo-RealAudio", "fakeavceleb"),
        ("fake_train/1/2/0.png", "fake_train", "wilddeepfake"),
        ("DiFF_real/0.png", "DiFF_real", "diff"),
        ("val_release/1/0.png", "val_release", "forgerynet"),
        ("image-data/0.png", "image-data", "deepfake-eval-2024"),
    ],
)
def test_a_known_dataset_is_pointed_to_its_adapter(
    path: str, mark: str, adapter: str, tmp_path: Path, make_image: MakeImage
) -> None:
    make_image(tmp_path / "a set" / path)
    with pytest.raises(ManifestError) as caught:
        index_folder(tmp_path / "a set")
    said = str(caught.value)
    assert f"'{mark}" in said
    assert f"looks like {load_adapter(adapter).title}: index it with" in said
    assert f"'forgerybench data index {adapter} '{tmp_path / 'a set'}''" in said
    assert "; if it is another dataset, nothing says whether" in said
    assert not (tmp_path / "a set" / "manifest.csv").exists()


def test_all_marks_of_datasets_lead_to_adapters() -> None:
    assert set(TELLING_FOLDERS.values()) <= set(adapter_names())


def test_classes_to_label_are_no_videos(tmp_path: Path, make_image: MakeImage) -> None:
    for path in ("cam/c23/frames/000/0.png", "swap/c23/frames/000_003/0.png"):
        make_image(tmp_path / path)
    with pytest.raises(ManifestError, match="label the classes cam, swap, each with --label cam="):
        index_folder(tmp_path)
    labelled = index_folder(tmp_path, labels={"cam": "real", "swap": "fake"})
    assert set(labelled.manifest.samples["generator"]) == {"camera", "swap"}
