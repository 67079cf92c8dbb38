"""What a recipe does to training images beyond mirroring: each draw keyed by its image and step.

No random state is carried: the damage of an image is a pure function of (seed, step, sample id), so
a training that was stopped goes on exactly, and workers and devices move no draw.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.recipe import Augmentation
from benchmark.sampling import derive

Image = NDArray[np.float32]


def augmented(
    inputs: Tensor, ids: Sequence[str], augmentation: Augmentation, *, seed: int, step: int
) -> Tensor:
    """Blur and compress prepared images, each with the recipe's probability, in this order.

    Source: Wang et al., CVPR 2020 (arXiv 1912.11035), sections 3 and 4.

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
        blur = _draw(augmentation.blur, seed, "blur", step, sample_id)
        jpeg = _draw(augmentation.jpeg, seed, "jpeg", step, sample_id)
        if blur is None and jpeg is None:
            continue
        if outputs is inputs:
            outputs = inputs.clone()
        image = np.ascontiguousarray(inputs[place].detach().cpu().permute(1, 2, 0).numpy())
        if blur is not None:
            image = _blur(image, blur.uniform(*augmentation.blur_sigma))
        if jpeg is not None:
            low, high = augmentation.jpeg_quality
            image = _jpeg(image, int(jpeg.integers(low, high + 1)))
        outputs[place] = torch.from_numpy(image).permute(2, 0, 1).to(inputs.device)
    return outputs


def _draw(probability: float, *key: object) -> np.random.Generator | None:
    """Give the generator of one image's damage, or None where the image is spared."""
    if probability == 0:
        return None
    random = np.random.default_rng(derive(*key))
    return random if random.random() < probability else None


def _blur(image: Image, sigma: float) -> Image:
    """Blur (h, w, 3) in [0, 1] with a Gaussian of ``sigma`` pixels, mirrored at the border."""
    if sigma == 0:
        return image
    blurred = cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(np.clip(blurred, 0, 1), dtype=np.float32)


def _jpeg(image: Image, quality: int) -> Image:
    """Store (h, w, 3) in [0, 1] as a JPEG of ``quality`` 1..100 and read it back."""
    bgr = np.rint(image[..., ::-1] * 255).astype(np.uint8)
    _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR))
    return decoded[..., ::-1].astype(np.float32) / np.float32(255)
