"""Some perturbations for a batch of equal-sized images on its own device.

The random numbers are those of ``apply``, drawn on the CPU as bits, so a batch gives its images'
pixels to within a grey level or two, in which float32 and OpenCV's or Pillow's integers differ.
"""

from collections.abc import Callable, Sequence
from functools import cache

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow
from torch import Tensor

from benchmark.errors import PerturbationError
from benchmark.perturbations import random_stream
from benchmark.perturbations.deeperforensics import (
    BLOCK,
    GREY,
    block_places,
    noise_matrix,
    saturation_matrix,
)
from benchmark.perturbations.imagenet_c import blur_side
from benchmark.perturbations.pixels import normal_bits, normal_table
from benchmark.perturbations.real_world import gamma_table
from protocols import Condition
from protocols.conditions import values_of

Randoms = Sequence[np.random.Generator]
Matrix = NDArray[np.float32]
TOLERANCE = 1
"""Grey levels by which a pixel may differ from ``apply``'s, in images from 24 px."""
TOLERANCES = {"deeperforensics/pixelation": 2}
"""Where it is more: OpenCV cuts bits off twice."""


def apply_batch(
    condition: Condition, images: Tensor, *, noise_seed: int, sample_ids: Sequence[str]
) -> Tensor:
    """Perturb images of one size together.

    Args:
        condition: What to do, with its level; one of ``BATCHED``, or clean.
        images: (B, 3, h, w) uint8 RGB on any device; not changed.
        noise_seed: As in ``apply``.
        sample_ids: Whose images they are, B names.

    Returns:
        (B, 3, h, w) uint8 on the same device, within ``TOLERANCE`` of ``apply``'s.

    Raises:
        PerturbationError: The perturbation has no such form, or the images are not a batch.
    """
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
        raise PerturbationError(
            f"{condition.label}: a batch is a (B, 3, h, w) uint8 tensor, got "
            f"{tuple(images.shape)} {images.dtype}"
        )
    if len(sample_ids) != len(images):
        raise PerturbationError(
            f"{condition.label}: {len(images)} images, but {len(sample_ids)} sample ids"
        )
    if condition.name == "clean":
        return images
    if condition.name not in BATCHED:
        raise PerturbationError(
            f"{condition.name} is not done in batches; those are {', '.join(BATCHED)}"
        )
    randoms = [random_stream(condition, noise_seed, sample_id) for sample_id in sample_ids]
    perturbed = BATCHED[condition.name](images.float(), randoms, *values_of(condition.value))
    return perturbed.clamp_(0, 255).to(torch.uint8)


def _saturation(images: Tensor, _: Randoms, share: float) -> Tensor:
    return _by_colour(images, saturation_matrix(share))


def _contrast(images: Tensor, _: Randoms, factor: float) -> Tensor:
    return images * factor


def _block_wise(images: Tensor, randoms: Randoms, count: float) -> Tensor:
    height, width = images.shape[-2:]
    places = np.stack([block_places(height, width, random, int(count)) for random in randoms])
    left, top = torch.from_numpy(places).to(images.device).unbind(-1)  # (B, n) each
    inside_rows = _inside(top, height)
    inside_columns = _inside(left, width)
    covered = torch.einsum("bny,bnx->byx", inside_rows, inside_columns) > 0
    return torch.where(covered[:, None], float(GREY), images)


def _coloured_noise(images: Tensor, randoms: Randoms, variance: float) -> Tensor:
    # The matrix takes half a level off for rounding, by which OpenCV's sum ends.
    return (images + _by_colour(_normal(images, randoms), noise_matrix(variance))).round()


def _gaussian_blur(images: Tensor, _: Randoms, kernel: float) -> Tensor:
    rows, columns = (
        _blur_matrix(side, int(kernel), kernel / 6, cv2.BORDER_REFLECT_101)
        for side in images.shape[-2:]
    )
    return _by_sides(images, rows, columns).add_(0.5).floor_()


def _pixelation(images: Tensor, _: Randoms, divisor: float) -> Tensor:
    sides = images.shape[-2:]
    small = [max(1, side // int(divisor)) for side in sides]
    shrunk = _by_sides(images, *map(_bilinear_matrix, sides, small)).add_(0.5).floor_()
    return _by_sides(shrunk, *map(_bilinear_matrix, small, sides)).add_(0.5).floor_()


def _noise(images: Tensor, randoms: Randoms, deviation: float) -> Tensor:
    return images + _normal(images, randoms) * (255 * deviation)


def _speckle(images: Tensor, randoms: Randoms, deviation: float) -> Tensor:
    return images * (1 + _normal(images, randoms) * deviation)


def _imagenet_blur(images: Tensor, _: Randoms, sigma: float) -> Tensor:
    rows, columns = (
        _blur_matrix(side, blur_side(sigma), sigma, cv2.BORDER_REPLICATE)
        for side in images.shape[-2:]
    )
    # Whole numbers stay whole: float32 may end a hair below the one that is meant.
    return _by_sides(images, rows, columns) + 1e-3


def _contrast_about_mean(images: Tensor, _: Randoms, factor: float) -> Tensor:
    means = images.mean(dim=(2, 3), keepdim=True)
    return (images - means) * factor + means


def _pixelate(images: Tensor, _: Randoms, scale: float) -> Tensor:
    small = [max(1, int(side * scale)) for side in images.shape[-2:]]
    return _there_and_back(images, small, Pillow.Resampling.BOX)


def _resize(images: Tensor, _: Randoms, scale: float) -> Tensor:
    small = [max(1, round(side * scale)) for side in images.shape[-2:]]
    return _there_and_back(images, small, Pillow.Resampling.BICUBIC)


def _gamma(images: Tensor, randoms: Randoms, exponent: float) -> Tensor:
    tables = np.stack([gamma_table(random, exponent) for random in randoms])  # (B, 256)
    chosen = torch.from_numpy(tables).float().to(images.device)
    return chosen.gather(1, images.long().flatten(1)).view_as(images)


BATCHED: dict[str, Callable[..., Tensor]] = {
    "deeperforensics/saturation": _saturation,
    "deeperforensics/contrast": _contrast,
    "deeperforensics/block-wise": _block_wise,
    "deeperforensics/gaussian-noise": _coloured_noise,
    "deeperforensics/gaussian-blur": _gaussian_blur,
    "deeperforensics/pixelation": _pixelation,
    "imagenet-c/gaussian-noise": _noise,
    "imagenet-c/speckle-noise": _speckle,
    "imagenet-c/gaussian-blur": _imagenet_blur,
    "imagenet-c/contrast": _contrast_about_mean,
    "imagenet-c/pixelate": _pixelate,
    "real-world/resize": _resize,
    "real-world/gamma": _gamma,
}
"""The perturbations that are done in batches: (images 0..255, generators, values) -> images."""


def _normal(images: Tensor, randoms: Randoms) -> Tensor:
    """Draw each image's own white noise: (B, 3, h, w)."""
    count = images[0].numel()
    bits = np.stack([normal_bits(random, count) for random in randoms]).astype(np.int32)
    table = torch.from_numpy(normal_table()).to(images.device)
    drawn = table[torch.from_numpy(bits).to(images.device)]
    batch, colours, height, width = images.shape
    return drawn.view(batch, height, width, colours).permute(0, 3, 1, 2)


def _by_colour(images: Tensor, matrix: Matrix) -> Tensor:
    """Apply a (3, 4) matrix to the colours of (B, 3, h, w), the last column added."""
    both = torch.from_numpy(matrix).to(images.device)
    return torch.einsum("rc,bchw->brhw", both[:, :3], images) + both[:, 3].view(3, 1, 1)


def _by_sides(images: Tensor, rows: Matrix, columns: Matrix) -> Tensor:
    """Turn (B, 3, h, w) into (B, 3, h', w') by an (h', h) and a (w', w) matrix."""
    left, right = (torch.from_numpy(each).to(images.device) for each in (rows, columns))
    return left @ images @ right.T


def _there_and_back(images: Tensor, small: Sequence[int], resampling: Pillow.Resampling) -> Tensor:
    """Resize to ``small`` and back, in Pillow's order: columns first, eight bits in between."""
    for sides in (small, images.shape[-2:]):
        height, width = images.shape[-2:]
        rows = _pillow_matrix(height, sides[0], resampling)
        columns = _pillow_matrix(width, sides[1], resampling)
        across = _by_sides(images, np.eye(height, dtype=np.float32), columns)
        images = _by_sides(
            across.add_(0.5).floor_().clamp_(0, 255), rows, np.eye(sides[1], dtype=np.float32)
        )
        images = images.add_(0.5).floor_().clamp_(0, 255)
    return images


def _inside(first: Tensor, side: int) -> Tensor:
    """Tell which of ``side`` places lie in blocks that start at (B, n): (B, n, side) float32."""
    places = torch.arange(side, device=first.device)
    return ((places >= first[..., None]) & (places < first[..., None] + BLOCK)).float()


# The libraries' own filters, applied to the unit matrix, are the matrices of one side.
@cache
def _blur_matrix(side: int, kernel: int, sigma: float, border: int) -> Matrix:
    unit = np.eye(side, dtype=np.float64)
    weights = cv2.getGaussianKernel(kernel, sigma, cv2.CV_64F)
    blurred = cv2.sepFilter2D(unit, -1, np.ones(1), weights, borderType=border)
    return np.asarray(blurred, dtype=np.float32)


@cache
def _bilinear_matrix(before: int, after: int) -> Matrix:
    unit = np.eye(before, dtype=np.float32)
    return np.asarray(cv2.resize(unit, (before, after)), dtype=np.float32).reshape(after, before)


@cache
def _pillow_matrix(before: int, after: int, resampling: Pillow.Resampling) -> Matrix:
    unit = Pillow.fromarray(np.eye(before, dtype=np.float32))
    return np.array(unit.resize((before, after), resampling), dtype=np.float32)
