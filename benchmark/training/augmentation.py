"""What a recipe does to training images: each draw keyed by its image and step.

No random state is carried: the damage of an image is a pure function of (seed, step, sample id), so
a training that was stopped goes on exactly, and workers and devices move no draw.
"""

from collections.abc import Callable, Mapping

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.training.recipe import Augmentation
from benchmark.training.sampling import derive

_Image = NDArray[np.float32]


def augmented(
    image: Tensor, sample_id: str, augmentation: Augmentation, *, seed: int, step: int
) -> Tensor:
    """Mirror, rotate, blur, relight and compress a prepared image, by the recipe's probabilities.

    In this order. Source of blur and JPEG: Wang et al., CVPR 2020 (arXiv 1912.11035), sections 3
    and 4; rotation and light are as in DeepfakeBench (NeurIPS 2023, arXiv 2307.01426).

    Args:
        image: (3, S, S) float32 in [0, 1] on the CPU; not changed.
        sample_id: Its sample.
        augmentation: The recipe's.
        seed: The training seed.
        step: The optimiser step, from 0.

    Returns:
        (3, S, S) float32 in [0, 1]; ``image`` itself if nothing is done to it.
    """
    if is_mirrored(sample_id, augmentation, seed=seed, step=step):
        image = image.flip(-1)
    chosen = {
        kind: drawn
        for kind in _CHANGES
        if (drawn := _draw(getattr(augmentation, kind), seed, kind, step, sample_id))
    }
    if not chosen:
        return image
    pixels = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
    for kind, drawn in chosen.items():
        pixels = _CHANGES[kind](pixels, drawn, augmentation)
    # Contiguous as any image: the layout of a batch decides how a convolution rounds.
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def is_mirrored(sample_id: str, augmentation: Augmentation, *, seed: int, step: int) -> bool:
    """Decide whether an image is mirrored at a step."""
    return derive(seed, "flip", step, sample_id) / float(1 << 63) < augmentation.flip


def only_mirrors(augmentation: Augmentation) -> bool:
    """Tell whether nothing else is ever done to an image."""
    return not any(getattr(augmentation, kind) for kind in _CHANGES)


def _draw(probability: float, *key: object) -> np.random.Generator | None:
    """Give the generator of one image's damage, or None where the image is spared."""
    if probability == 0:
        return None
    random = np.random.default_rng(derive(*key))
    return random if random.random() < probability else None


def _rotate(image: _Image, drawn: np.random.Generator, stated: Augmentation) -> _Image:
    """Turn (h, w, 3) in [0, 1] about its middle, bilinear, mirrored at the border."""
    height, width = image.shape[:2]
    angle = drawn.uniform(-stated.rotate_degrees, stated.rotate_degrees)
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, 1.0)
    turned = cv2.warpAffine(image, turn, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(np.clip(turned, 0, 1), dtype=np.float32)


def _blur(image: _Image, drawn: np.random.Generator, stated: Augmentation) -> _Image:
    """Blur (h, w, 3) in [0, 1] with a Gaussian, mirrored at the border."""
    sigma = drawn.uniform(*stated.blur_sigma)
    if sigma == 0:
        return image
    blurred = cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(np.clip(blurred, 0, 1), dtype=np.float32)


def _light(image: _Image, drawn: np.random.Generator, stated: Augmentation) -> _Image:
    """Change contrast and brightness of (h, w, 3) in [0, 1]."""
    contrast, brightness = drawn.uniform(-stated.light_change, stated.light_change, size=2)
    return np.asarray(np.clip(image * (1 + contrast) + brightness, 0, 1), dtype=np.float32)


def _jpeg(image: _Image, drawn: np.random.Generator, stated: Augmentation) -> _Image:
    """Store (h, w, 3) in [0, 1] as a JPEG and read it back."""
    low, high = stated.jpeg_quality
    quality = int(drawn.integers(low, high + 1))
    bgr = np.rint(image[..., ::-1] * 255).astype(np.uint8)
    _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR))
    return decoded[..., ::-1].astype(np.float32) / np.float32(255)


# In the order in which they are done; each is a field of the recipe's augmentation.
_CHANGES: Mapping[str, Callable[[_Image, np.random.Generator, Augmentation], _Image]] = {
    "rotate": _rotate,
    "blur": _blur,
    "light": _light,
    "jpeg": _jpeg,
}
