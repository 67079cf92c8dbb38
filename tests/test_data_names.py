"""Names of folders as people give them: what they mean, and what is asked for."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark.data.indexing import Found, index_folder
from benchmark.errors import ManifestError
from tests.test_data_trees import column


@pytest.mark.parametrize("name", ["mask_frames", "landmarks68", "Face_Masks", "mask-images"])
def test_folders_of_masks_and_landmarks_are_known_by_more_names(
    name: str, tree: Callable[..., Path]
) -> None:
    indexed = index_folder(tree("real/1.png", "fake/2.png", f"fake/{name}/2.png"))
    assert list(column(indexed, "label")) == ["fake/2.png", "real/1.png"]
    assert indexed.ignored == {f"folder '{name}', passed over by its name": 1}


def test_people_who_wear_a_mask_are_no_masks(tree: Callable[..., Path]) -> None:
    folder = tree("real/with_mask/1.png", "real/without_mask/2.png", "fake/GAN/no-mask/3.png")
    assert len(index_folder(folder).manifest.samples) == 3


def test_where_all_was_passed_over_the_folders_are_named(tree: Callable[..., Path]) -> None:
    with pytest.raises(
        ManifestError, match=r"no images in it; .*folder 'masks', passed over by i.*--label"
    ):
        index_folder(tree("masks/1.png"))


def test_a_folder_with_the_name_of_a_video_file_is_no_generator(tree: Callable[..., Path]) -> None:
    folder = tree("real/a.mp4/1.png", "fake/b.mp4/1.png", "fake/b.mp4/2.png")
    with pytest.raises(ManifestError, match=r"folder 'b\.mp4' has the name of a video, .*--videos"):
        index_folder(folder)
    indexed = index_folder(folder, videos=True)
    assert set(column(indexed, "generator").values()) == {"camera", "unknown"}
    assert set(column(indexed, "group").values()) == {"real/a", "fake/b"}


def test_names_that_differ_in_case_alone_are_told(tree: Callable[..., Path]) -> None:
    found: list[Found] = []
    folder = tree("train/fake/GAN/1.png", "test/fake/gan/2.png", "train/real/3.png")
    index_folder(folder, on_found=found.append)
    assert "the generators 'GAN' and 'gan' differ in case alone" in found[0].notes[-1]
