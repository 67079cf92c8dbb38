"""The perturbations of DeeperForensics-1.0 (Jiang et al., CVPR 2020), as its code defines them."""

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

# The published code squeezes the planes into the broadcast range (luma 219, chroma 224 steps) adds
# the noise there, and stretches them again, which makes the noise of a "variance" this much wider.
LUMA_GAIN = 255 / 219
CHROMA_GAIN = 255 / 224
# BT.601: what one step of Y, Cb and Cr adds to R, G and B, as OpenCV rounds it.
YCBCR_TO_RGB = np.array(
    [[1, 0, 1.403], [1, -0.344, -0.714], [1, 1.773, 0]], dtype=np.float32
)  # (RGB, YCbCr)


def gaussian_blur(image: Image, kernel: float, _: np.random.Generator) -> Image:
    """Blur with a ``kernel`` x ``kernel`` Gaussian (pixels, odd) of sigma kernel / 6.

    The border is mirrored without repeating the edge pixel. Nothing is random.
    """
    side = int(kernel)
    blurred = cv2.GaussianBlur(image, (side, side), side / 6, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(blurred, dtype=np.uint8)


def gaussian_noise(image: Image, variance: float, random: np.random.Generator) -> Image:
    """Add white noise of ``variance`` (of the range [0, 1]) to the planes Y, Cb and Cr.

    As published, the planes have the broadcast range when the noise is added: brought back to full
    range its deviation is sqrt(variance) x 255/219 on Y and x 255/224 on Cb and Cr. The conversion
    is linear, so the noise is converted and added to RGB. The sum is clipped and, as published,
    cut to whole numbers, not rounded.
    """
    noise = random.standard_normal(image.shape, dtype=np.float32)  # (h, w, YCbCr)
    gains = np.array([LUMA_GAIN, CHROMA_GAIN, CHROMA_GAIN], dtype=np.float32)
    noise *= gains * np.float32(255 * np.sqrt(variance))
    perturbed = image + noise @ YCBCR_TO_RGB.T
    return np.clip(perturbed, 0, 255).astype(np.uint8)
