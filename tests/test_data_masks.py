"""Masks of a dataset stand in its manifest: crops then take the face that was changed."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmark.data.cropping import crop
from benchmark.data.crops import CropSettings
from benchmark.data.indexing import index_folder
from tests.layouts import read
from tests.red_faces import picture, register, save, unregister

FORGED = "manipulated_sequences/Deepfakes"


def test_masks_of_faceforensics_lie_beside_videos_or_frames(lay: Callable[..., Path]) -> None:
    folder = lay(
        "original_sequences/youtube/c23/videos/000.mp4",
        f"{FORGED}/c23/videos/000_003.mp4",
        f"{FORGED}/masks/videos/000_003.mp4",
        f"{FORGED}/c40/frames/001_004/0007.png",
        f"{FORGED}/c40/masks/001_004/0007.png",
        f"{FORGED}/c40/frames/001_004/0008.png",
    )
    rows, described = read("faceforensics", folder)
    assert {path: row["mask"] for path, row in rows.items() if row.get("mask")} == {
        f"{FORGED}/c23/videos/000_003.mp4": f"{FORGED}/masks/videos/000_003.mp4",
        f"{FORGED}/c40/frames/001_004/0007.png": f"{FORGED}/c40/masks/001_004/0007.png",
    }
    assert len(rows) == 4
    assert described.ignored["folder 'masks', passed over by its name"] == 2


def test_masks_of_ffiw_lie_in_a_tree_of_their_own(lay: Callable[..., Path]) -> None:
    names = [f"{kind}/val/videos/x.mp4" for kind in ("source", "target", "target_mask")]
    rows, _ = read("ffiw", lay(*names))
    assert rows["target/val/videos/x.mp4"]["mask"] == "target_mask/val/videos/x.mp4"
    assert not rows["source/val/videos/x.mp4"].get("mask")


def test_masks_of_deepfakebench_are_found_as_it_finds_them(lay: Callable[..., Path]) -> None:
    real = "original_sequences/youtube/c23/frames/000/00.png"
    fake = f"{FORGED}/c23/frames/000_003/00.png"
    mask = f"{FORGED}/c23/masks/000_003/00.png"
    content = {
        label: {"test": {"c23": {name: {"label": label, "frames": [f"F:\\rgb\\{path}"]}}}}
        for label, name, path in (("FF-real", "000", real), ("FF-DF", "000_003", fake))
    }
    table = json.dumps({"FaceForensics++": content})
    rows, _ = read("deepfakebench", lay(real, fake, mask, **{"a.json": table}))
    assert {path: row.get("mask", "") for path, row in rows.items()} == {real: "", fake: mask}


@pytest.mark.parametrize("masked", [True, False])
def test_a_crop_takes_the_face_on_the_mask_that_the_adapter_found(
    masked: bool, tmp_path: Path
) -> None:
    large, small = (10, 10, 40, 40), (80, 50, 20, 20)
    save(tmp_path / FORGED / "c23/frames/000_003/00.png", picture(large, small))
    save(tmp_path / "original_sequences/youtube/c23/frames/000/00.png", picture(large))
    if masked:
        white = np.zeros((90, 120, 3), np.uint8)
        white[50:70, 80:100] = 255
        save(tmp_path / FORGED / "c23/masks/000_003/00.png", white)
    indexed = index_folder(tmp_path, adapter="faceforensics")
    register()
    try:
        settings = CropSettings(recipe="faceforensics", detector="red")
        done = crop(indexed.manifest, tmp_path / "crops", settings)
    finally:
        unregister()
    crops = done.manifest.read_text(encoding="utf-8").splitlines()
    forged = next(line for line in crops if "000_003" in line)
    assert ("80.00 50.00 20.00 20.00" in forged) == masked
