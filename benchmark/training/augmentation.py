"""What a recipe does to training images beyond mirroring: each draw keyed by its image and step.

No random state is carried: the damage of an image is a pure function of (seed, step, sample id), so
a training that was stopped goes on exactly, and workers and devices move no draw.
"""

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.training.recipe import Augmentation
from benchmark.training.sampling import derive

Image = NDArray[np.float32]


def augmented(
    inputs: Tensor, ids: Sequence[str], augmentation: Augmentation, *, seed: int, step: int
) -> Tensor:
    """Rotate, blur, relight and compress prepared images, each by the recipe's probability.

    In this order. Source of blur and JPEG: Wang et al., CVPR 2020 (arXiv 1912.11035), sections 3
    and 4; rotation and light are as in DeepfakeBench (NeurIPS 2023, arXiv 2307.01426).

    Args:
        inputs: (B, 3, S, S) float32 in [0, 1]; not changed.
        ids: B sample ids.
        augmentation: The recipe's.
        seed: The training seed.
        step: The optimiser step, from 0.

    Returns:
        (B, 3, S, S) float32 in [0, 1] on the device of ``inputs``: the images that are chosen are
        computed on the CPU, which has the JPEG encoder.
    """
    outputs = inputs
    for place, sample_id in enumerate(ids):
        chosen = {
            kind: drawn
            for kind in _CHANGES
            if (drawn := _draw(getattr(augmentation, kind), seed, kind, step, sample_id))
        }
        if not chosen:
            continue
        if outputs is inputs:
            outputs = inputs.clone()
        image = np.ascontiguousarray(inputs[place].detach().cpu().permute(1, 2, 0).numpy())
        for kind, drawn in chosen.items():
            image = _CHANGES[kind](image, drawn, augmentation)
        outputs[place] = torch.from_numpy(image).permute(2, 0, 1).to(inputs.device)
    return outputs


def _draw(probability: float, *key: object) -> np.random.Generator | None:
    """Give the generator of one image's damage, or None where the image is spared."""
    if probability == 0:
        return None
    random = np.random.default_rng(derive(*key))
    return random if random.random() < probability else None


def _rotate(image: Image, drawn: np.random.Generator, stated: Augmentation) -> Image:
    """Turn (h, w, 3) in [0, 1] about its middle, bilinear, mirrored at the border."""
    height, width = image.shape[:2]
    angle = drawn.uniform(-stated.rotate_degrees, stated.rotate_degrees)
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, 1.0)
    turned = cv2.warpAffine(image, turn, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(np.clip(turned, 0, 1), dtype=np.float32)


def _blur(image: Image, drawn: np.random.Generator, stated: Augmentation) -> Image:
    """Blur (h, w, 3) in [0, 1] with a Gaussian, mirrored at the border."""
    sigma = drawn.uniform(*stated.blur_sigma)
    if sigma == 0:
        return image
    blurred = cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(np.clip(blurred, 0, 1), dtype=np.float32)


def _light(image: Image, drawn: np.random.Generator, stated: Augmentation) -> Image:
    """Change contrast and brightness of (h, w, 3) in [0, 1]."""
    contrast, brightness = drawn.uniform(-stated.light_change, stated.light_change, size=2)
    return np.asarray(np.clip(image * (1 + contrast) + brightness, 0, 1), dtype=np.float32)


def _jpeg(image: Image, drawn: np.random.Generator, stated: Augmentation) -> Image:
    """Store (h, w, 3) in [0, 1] as a JPEG and read it back."""
    low, high = stated.jpeg_quality
    quality = int(drawn.integers(low, high + 1))
    bgr = np.rint(image[..., ::-1] * 255).astype(np.uint8)
    _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR))
    return decoded[..., ::-1].astype(np.float32) / np.float32(255)


# In the order in which they are done; each is a field of the recipe's augmentation.
_CHANGES: Mapping[str, Callable[[Image, np.random.Generator, Augmentation], Image]] = {
    "rotate": _rotate,
    "blur": _blur,
    "light": _light,
    "jpeg": _jpeg,
}
