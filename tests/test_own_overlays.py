"""Overlays of somebody's own images: drawn beside the scores, in a folder of theirs."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from benchmark.analysis.overlays import activation_map, chosen_patches
from benchmark.analysis.own_overlays import drawing_into, overlaid
from benchmark.cli.app import app
from benchmark.data.images import decode, image_tensor
from benchmark.errors import BenchmarkError
from benchmark.scoring.files import score_paths
from detectors.mfclip import MFCLIP
from tests.contract import TAXA, easy_image

YELLOW = (255, 230, 0)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    detector = MFCLIP(size="tiny", input_size=64, taxa=TAXA)
    detector.mark_trained()
    detector.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    paths = []
    for number, name in enumerate(("one", "a ../ b\nc")):
        paths.append(tmp_path / f"{name.replace('/', '_')}.png")
        pixels = (255 * easy_image(number, number)).byte().permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(paths[-1])
    return paths


def test_every_scored_image_is_drawn(model: Path, images: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "seen"
    plain = score_paths(images, model=str(model), device="cpu")
    drawn = score_paths(images, model=str(model), device="cpu", each=drawing_into(folder))
    assert drawn == plain
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == ["000001-one.png", "000002-a___b_c.png"]
    for file in files:
        assert Image.open(file).size == (64, 64)
    with pytest.raises(BenchmarkError, match="seen exists already: choose another folder"):
        drawing_into(folder)


def test_the_chosen_patch_has_an_edge_and_evidence_is_red(model: Path, images: list[Path]) -> None:
    detector = MFCLIP.from_pretrained(model)
    # Of untrained weights, some images have no evidence for "fake" at all.
    many = [image_tensor(decode(images[1])), *(easy_image(1, seed) for seed in range(8))]
    inputs = torch.stack([detector.prepare(image) for image in many])
    image = many[int(activation_map(detector, inputs)[0].flatten(1).amax(dim=1).argmax())]
    inputs = detector.prepare(image)[None]
    left, top, side = chosen_patches(detector, inputs)[0]
    drawn = np.array(overlaid(detector, image)).astype(int)
    yellow = (drawn == YELLOW).all(axis=2)
    inside = yellow[top : top + side, left : left + side]
    assert inside[0].all()
    assert inside[:, -1].all()
    assert yellow.sum() == 4 * side - 4
    plain = (255 * inputs[0]).round().permute(1, 2, 0).numpy()
    gained = (drawn - plain)[~yellow]
    assert gained[:, 0].max() > 10  # red where the map is


def test_the_command_line_draws_too(model: Path, images: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "drawn"
    asked = ["score", str(images[0]), "--model", str(model), "--device", "cpu"]
    done = CliRunner().invoke(app, [*asked, "--overlay", str(folder)])
    assert done.exit_code == 0, done.output
    assert len(list(folder.iterdir())) == 1
    again = CliRunner().invoke(app, [*asked, "--overlay", str(folder)])
    assert again.exit_code != 0
