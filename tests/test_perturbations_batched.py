"""Batches give each image's own pixels, to a grey level or two."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from benchmark.errors import PerturbationError
from benchmark.perturbations import apply
from benchmark.perturbations.batched import BATCHED, TOLERANCE, TOLERANCES, apply_batch
from protocols import CLEAN
from protocols.conditions import condition

Pixels = NDArray[np.uint8]
MakePixels = Callable[..., Pixels]
IDS = ["a.png", "b.png", "c.png"]


def tensors(images: list[Pixels]) -> torch.Tensor:
    return torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2).copy())


@pytest.mark.parametrize("size", [(64, 64), (65, 97), (24, 40)])
@pytest.mark.parametrize("severity", [1, 3, 5])
@pytest.mark.parametrize("name", BATCHED)
def test_a_batch_gives_the_pixels_of_its_images(
    draw: MakePixels, name: str, severity: int, size: tuple[int, int]
) -> None:
    images = [draw(*size, seed) for seed in range(3)]
    what = condition(name, severity, "crop", "test")
    batch = tensors(images)
    before = batch.clone()
    found = apply_batch(what, batch, noise_seed=1, sample_ids=IDS)
    assert torch.equal(batch, before)
    alone = [
        apply(what, image, noise_seed=1, sample_id=each)
        for image, each in zip(images, IDS, strict=True)
    ]
    difference = (found.int() - tensors(alone).int()).abs()
    assert found.dtype == torch.uint8
    assert difference.max() <= TOLERANCES.get(name, TOLERANCE)
    assert (difference > 0).float().mean() < 0.3


def test_a_clean_batch_is_the_batch(draw: MakePixels) -> None:
    batch = tensors([draw()])
    assert apply_batch(CLEAN, batch, noise_seed=1, sample_ids=IDS[:1]) is batch


def test_what_has_no_such_form_is_told() -> None:
    what = condition("real-world/jpeg", 1, "crop", "test")
    batch = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    with pytest.raises(
        PerturbationError, match=r"real-world/jpeg is not done in batches; those are deeperf"
    ):
        apply_batch(what, batch, noise_seed=1, sample_ids=["a"])


@pytest.mark.parametrize(
    ("batch", "ids", "message"),
    [
        (torch.zeros(3, 8, 8, dtype=torch.uint8), ["a"], r"is a \(B, 3, h, w\) uint8 tensor, got "),
        (torch.zeros(1, 3, 8, 8), ["a"], r"got \(1, 3, 8, 8\) torch.float32"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), ["a"], "2 images, but 1 sample ids"),
    ],
)
def test_what_is_no_batch_is_refused(batch: torch.Tensor, ids: list[str], message: str) -> None:
    with pytest.raises(PerturbationError, match=message):
        apply_batch(CLEAN, batch, noise_seed=1, sample_ids=ids)
