"""The perturbations of DeeperForensics-1.0 (Jiang et al., CVPR 2020), as its code defines them.

Its oddities are kept, and stand in ``protocols/levels/deeperforensics.yaml``. Each function takes
an (h, w, 3) uint8 RGB image, the sample's generator and its level, and gives one of that size.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.perturbations.codecs import through_video
from benchmark.perturbations.pixels import Image, looked_up, normal, truncated

# The published code squeezes the planes into the broadcast range (luma 219, chroma 224 steps) adds
# the noise there, and stretches them again, which makes the noise of a "variance" this much wider.
LUMA_GAIN = 255 / 219
CHROMA_GAIN = 255 / 224
# BT.601: what one step of Y, Cb and Cr adds to R, G and B, and back, as OpenCV rounds it.
YCBCR_TO_RGB = np.array([[1, 0, 1.403], [1, -0.344, -0.714], [1, 1.773, 0]])  # (RGB, YCbCr)
_LUMA = np.array([0.299, 0.587, 0.114])
RGB_TO_YCBCR = np.stack(
    [_LUMA, 0.564 * (np.array([0, 0, 1]) - _LUMA), 0.713 * (np.array([1, 0, 0]) - _LUMA)]
)
_BLOCK, _GREY = 8, 128


def saturation(image: Image, _: np.random.Generator, share: float) -> Image:
    """Scale Cb and Cr about their middle by ``share`` (0 to 1). Nothing is random."""
    matrix = saturation_matrix(share)
    return truncated(np.asarray(cv2.transform(image.astype(np.float32), matrix)))


def saturation_matrix(share: float) -> NDArray[np.float32]:
    """Give what ``saturation`` does to a pixel: (3, 4), the last column added."""
    # 127.5, the published middle, is half a step below 128, where the planes have theirs.
    shift = -(1 - share) * 0.5 / 224
    linear = YCBCR_TO_RGB @ np.diag([1, share, share]) @ RGB_TO_YCBCR
    offset = YCBCR_TO_RGB @ np.array([0, shift, shift])
    return np.column_stack([linear, offset]).astype(np.float32)


def contrast(image: Image, _: np.random.Generator, factor: float) -> Image:
    """Multiply all values by ``factor`` (0 to 1), which darkens. Nothing is random."""
    return looked_up(image, np.arange(256, dtype=np.float32) * np.float32(factor))


def block_wise(image: Image, random: np.random.Generator, count: float) -> Image:
    """Cover random places with ``count`` grey blocks, as many times as 256 px fit in a side.

    The published code never reaches the last row and column, and does nothing under 256 px; here
    the factor is then 1. Blocks of one severity are there at the next one too.
    """
    perturbed = image.copy()
    for left, top in block_places(image.shape[0], image.shape[1], random, int(count)):
        perturbed[top : top + _BLOCK, left : left + _BLOCK] = _GREY
    return perturbed


def block_places(
    height: int, width: int, random: np.random.Generator, count: int
) -> NDArray[np.int64]:
    """Draw the left and upper ends of the blocks: (n, 2) int64."""
    n = max(1, min(height, width) // 256) * count
    ends = [max(1, width - _BLOCK), max(1, height - _BLOCK)]
    return random.integers(0, ends, size=(n, 2))


def gaussian_noise(image: Image, random: np.random.Generator, variance: float) -> Image:
    """Add white noise of ``variance`` (of the range [0, 1]) to the planes Y, Cb and Cr.

    As published, the planes have the broadcast range when the noise is added: brought back to full
    range its deviation is sqrt(variance) x 255/219 on Y and x 255/224 on Cb and Cr. The conversion
    is linear, so the noise is converted and added to RGB. The sum is clipped and, as published,
    cut to whole numbers, not rounded.
    """
    noise = cv2.transform(normal(random, image.shape), noise_matrix(variance))
    # OpenCV's sum rounds and clips to eight bits in one pass.
    return np.asarray(cv2.add(image, noise, dtype=cv2.CV_8U), dtype=np.uint8)


def noise_matrix(variance: float) -> NDArray[np.float32]:
    """Give the (3, 4) matrix from normal numbers to what is added to R, G and B.

    The last column is -1/2, after which rounding does what cutting did.
    """
    gains = np.array([LUMA_GAIN, CHROMA_GAIN, CHROMA_GAIN]) * 255 * np.sqrt(variance)
    return np.column_stack([YCBCR_TO_RGB * gains, [-0.5] * 3]).astype(np.float32)


def gaussian_blur(image: Image, _: np.random.Generator, kernel: float) -> Image:
    """Blur with a ``kernel`` x ``kernel`` Gaussian (pixels, odd) of sigma kernel / 6.

    The border is mirrored without repeating the edge pixel. Nothing is random.
    """
    side = int(kernel)
    blurred = cv2.GaussianBlur(image, (side, side), side / 6, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(blurred, dtype=np.uint8)


def pixelation(image: Image, _: np.random.Generator, divisor: float) -> Image:
    """Shrink both sides by ``divisor``, and enlarge again, bilinear without anti-aliasing.

    The published code calls it JPEG compression. Nothing is random.
    """
    height, width = image.shape[:2]
    small = (max(1, width // int(divisor)), max(1, height // int(divisor)))
    return np.asarray(cv2.resize(cv2.resize(image, small), (width, height)), dtype=np.uint8)


def h264_intra(image: Image, _: np.random.Generator, crf: float) -> Image:
    """Encode as a one-frame H.264 stream of ``crf`` and decode again. Nothing is random."""
    return through_video(image, "h264", crf)
