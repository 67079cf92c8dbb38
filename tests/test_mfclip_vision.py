"""The richest patch, its noise residual, and the vision encoder of MFCLIP."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage.feature import graycomatrix, graycoprops
from torch import Tensor

from detectors import DetectorError
from detectors.mfclip.patches import Residuals, bordered, homogeneity, richest
from detectors.mfclip.vision import NoiseEncoder


def textured(seed: int, count: int = 6, side: int = 224) -> Tensor:
    """Make 8-bit colour images whose contrast changes from place to place."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(count, 3, side, side, generator=generator)
    coarse = torch.rand(count, 1, 7, 7, generator=generator)
    strength = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bilinear")
    return (110 + 60 * strength * noise).clamp(0, 255).round() / 255


def reference_homogeneity(image: NDArray[np.uint8], patch: int) -> NDArray[np.float64]:
    """Measure each patch of an RGB image with scikit-image's co-occurrence matrix."""
    matrix_of: Callable[..., Any] = graycomatrix
    property_of: Callable[..., Any] = graycoprops
    # In whole numbers: a floating-point sum falls below a grey level that it should reach.
    grey = (image.astype(np.int64) @ np.array([2989, 5870, 1140]) // 10_000).astype(np.uint8)
    values = []
    for top in range(0, grey.shape[0] - patch + 1, patch):
        for left in range(0, grey.shape[1] - patch + 1, patch):
            cut = grey[top : top + patch, left : left + patch]
            matrix = matrix_of(cut, [1], [0], levels=256, symmetric=True, normed=True)
            values.append(property_of(matrix, "homogeneity")[0, 0])
    return np.array(values)


def as_bytes(images: Tensor) -> NDArray[np.uint8]:
    return (images * 255).round().byte().permute(0, 2, 3, 1).numpy()


def noise_encoder(*, patch: int = 32, k: int = 1) -> NoiseEncoder:
    torch.manual_seed(0)
    return NoiseEncoder(
        size=128,
        patch=patch,
        k=k,
        widths=(8, 8),
        convolutions=1,
        grid=8,
        width=32,
        heads=2,
        layers=1,
    )


@pytest.mark.parametrize("patch", [32, 56, 112])
def test_the_choice_is_scikit_images_on_random_images(patch: int) -> None:
    images = textured(patch)
    reference = np.stack([reference_homogeneity(image, patch) for image in as_bytes(images)])
    np.testing.assert_allclose(homogeneity(images, patch), reference, atol=1e-9)
    order = reference.argsort(axis=1, kind="stable")
    np.testing.assert_array_equal(richest(images, patch, 3), order[:, :3])


def test_the_choice_is_scikit_images_on_real_photographs(faces: Path) -> None:
    paths = sorted((faces / "140k").rglob("*.jpg"))[:300]
    assert len(paths) == 300
    differ = 0
    for path in paths:
        bgr = cv2.imread(str(path))
        assert bgr is not None
        image = cv2.resize(bgr, (112, 112), interpolation=cv2.INTER_AREA)[:, :, ::-1].copy()
        reference = reference_homogeneity(image.astype(np.uint8), 56)
        inputs = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
        reference[bordered(inputs, 56)[0].numpy()] += 2
        differ += int(richest(inputs, 56, 1)) != int(reference.argmin())
    assert differ == 0


def test_equal_patches_are_taken_in_order() -> None:
    tile = textured(0, count=2, side=32)
    images = tile.repeat(1, 1, 4, 4)
    assert richest(images, 32, 3).tolist() == [[0, 1, 2], [0, 1, 2]]


def test_what_does_not_fill_a_patch_is_left_out() -> None:
    assert homogeneity(textured(0, count=1, side=100), 32).shape == (1, 9)


def test_a_patch_larger_than_the_image_is_refused() -> None:
    with pytest.raises(
        DetectorError, match=r"patch of 64 px does not fit into images of \(32, 32\)"
    ):
        homogeneity(torch.zeros(1, 3, 32, 32), 64)


def test_black_borders_are_no_candidates() -> None:
    images = textured(1, count=2, side=128)
    wedge = torch.ones(128, 128).triu(diagonal=90).bool()  # top right, as alignment leaves it
    images[0, :, wedge] = 0
    images[1, :, :20] = 3 / 255  # a bar, with what JPEG adds to black
    images[:, :, 40:50, 40:50] = 0  # dark, but inside the face
    found = bordered(images, 32)
    assert found[0].nonzero().flatten().tolist() == [3]
    assert found[1].nonzero().flatten().tolist() == [0, 1, 2, 3]
    every = richest(images, 32, 12)
    assert 3 not in every[0]
    assert not set(every[1].tolist()) & {0, 1, 2, 3}


def test_an_image_that_is_black_altogether_still_has_patches() -> None:
    assert richest(torch.zeros(1, 3, 128, 128), 32, 2).tolist() == [[0, 1]]


def test_residuals_are_the_published_filters_summed_over_colours() -> None:
    images = torch.full((1, 3, 64, 64), 100 / 255)
    images[0, :, 40, 40] += torch.tensor([0.2, 0.2, 0.4]) / 255  # 0.8 in all
    residual = Residuals(32)(images, torch.tensor([[3]]))[0, 0]  # the patch from (32, 32)
    around = 3 * residual[:, 6:11, 6:11] / 0.8
    zeros = [0.0] * 5
    kb = torch.tensor([zeros, [0, -1, 2, -1, 0], [0, 2, -4, 2, 0], [0, -1, 2, -1, 0], zeros]) / 4
    kv = [[-1, 2, -2, 2, -1], [2, -6, 8, -6, 2], [-2, 8, -12, 8, -2]]
    second = torch.tensor([zeros, zeros, [0, 1, -2, 1, 0], zeros, zeros]) / 2
    expected = torch.stack([kb, torch.tensor(kv + kv[1::-1]) / 12, second])
    torch.testing.assert_close(around, expected, atol=1e-3, rtol=0)
    residual[:, 6:11, 6:11] = 0
    assert residual.abs().max() < 1e-3


def test_truncation_acts_on_noise_of_a_few_grey_levels() -> None:
    generator = torch.Generator().manual_seed(0)
    images = (0.5 + 2 / 255 * torch.randn(4, 3, 64, 64, generator=generator)).clamp(0, 1)
    residual = Residuals(32)(images, torch.zeros(4, 1, dtype=torch.long))
    assert residual.abs().max() == 1
    assert 0.05 < (residual.abs() == 1).float().mean() < 0.8


def test_truncation_acts_on_real_photographs(faces: Path) -> None:
    paths = sorted((faces / "140k").rglob("*.jpg"))[:40]
    images = []
    for path in paths:
        bgr = cv2.imread(str(path))
        assert bgr is not None
        images.append(torch.from_numpy(bgr[:224, :224, ::-1].copy()).permute(2, 0, 1) / 255)
    inputs = torch.stack(images)
    residual = Residuals(56)(inputs, richest(inputs, 56, 1))
    truncated = (residual.abs() == 1).float().mean()
    assert 0.1 < truncated < 0.9


def test_the_residual_of_a_patch_sees_its_neighbours() -> None:
    images = textured(2, count=1, side=128)
    whole = Residuals(128)(images, torch.zeros(1, 1, dtype=torch.long))[0, 0]
    patches = Residuals(32)(images, torch.tensor([[5, 10]]))[0]
    torch.testing.assert_close(patches[0], whole[:, 32:64, 32:64], atol=1e-4, rtol=0)
    torch.testing.assert_close(patches[1], whole[:, 64:96, 64:96], atol=1e-4, rtol=0)


def test_half_precision_does_not_reach_the_residual() -> None:
    images = textured(3, count=2, side=64)
    place, residuals = torch.zeros(2, 1, dtype=torch.long), Residuals(32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = residuals(images, place)
    assert torch.equal(inside, residuals(images, place))


def test_the_noise_branch_is_differentiable_to_the_pixels() -> None:
    # Little noise, so that not everything is truncated.
    images = (0.5 + textured(4, count=2, side=128) / 64).requires_grad_()
    encoder = noise_encoder()
    chosen = richest(images, 32, 1)
    encoder(images).square().sum().backward()
    assert images.grad is not None
    for gradient, place in zip(images.grad.abs().sum(dim=1), chosen[:, 0].tolist(), strict=True):
        top, left = 32 * (place // 4), 32 * (place % 4)
        inside = gradient[top : top + 32, left : left + 32].sum()
        around = gradient[max(top - 2, 0) : top + 34, max(left - 2, 0) : left + 34].sum()
        assert inside > 0
        torch.testing.assert_close(gradient.sum(), around)


@pytest.mark.parametrize("patch", [8, 16, 32, 64, 128])
def test_any_patch_size_runs(patch: int) -> None:
    encoder = noise_encoder(patch=patch)
    assert encoder(textured(5, count=2, side=128)).shape == (2, 32)
    assert len(encoder.summary.positions) <= 65


def test_several_patches_are_pooled_by_attention() -> None:
    encoder = noise_encoder(k=3).eval()
    images = textured(6, count=2, side=128)
    one = encoder(images)
    assert encoder.attention is not None
    encoder.attention.weight.data.mul_(30)
    assert not torch.allclose(one, encoder(images), atol=1e-4)


@pytest.mark.parametrize(
    ("patch", "k", "message"),
    [
        (0, 1, "patch is 8 to 128 px here, not 0"),
        (129, 1, "patch is 8 to 128 px here, not 129"),
        (32, 17, "k is 1 to 16 patches of 32 px here, not 17"),
        (32, 0, "k is 1 to 16 patches of 32 px here, not 0"),
    ],
)
def test_patches_that_do_not_fit_are_refused(patch: int, k: int, message: str) -> None:
    with pytest.raises(DetectorError, match=message):
        noise_encoder(patch=patch, k=k)
