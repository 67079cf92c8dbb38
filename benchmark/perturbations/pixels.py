"""What the perturbations share: kinds of arrays, rounding, fast white noise, filters."""

from functools import cache
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from scipy.special import ndtri

Image = NDArray[np.uint8]
FloatImage = NDArray[np.floating[Any]]

# A normal number is looked up by 16 random bits, which is several times as fast as computing one.
_BITS = 16


@cache
def normal_table() -> NDArray[np.float32]:
    """Give 65,536 normal numbers of equal probability: (65536,) float32, ascending, variance 1.

    They are the quantiles at (i + 1/2) / 65536, so none is beyond 4.2 deviations: in a 256 px image
    four values would be. They are scaled by 1 + 2e-5 to variance 1.
    """
    count = 1 << _BITS
    table = ndtri((np.arange(count) + 0.5) / count)
    return cast(NDArray[np.float32], (table / table.std()).astype(np.float32))


def normal_bits(random: np.random.Generator, count: int) -> NDArray[np.uint16]:
    """Draw ``count`` indices into ``normal_table``."""
    words = random.bit_generator.random_raw(-(-count * _BITS // 64))
    return np.asarray(words, dtype="<u8").view("<u2")[:count]


def normal(random: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Draw white noise of deviation 1, float32."""
    bits = normal_bits(random, int(np.prod(shape)))
    return normal_table().take(bits, mode="clip").reshape(shape)


def truncated(pixels: FloatImage) -> Image:
    """Clip to [0, 255] and cut to whole numbers."""
    return np.clip(pixels, 0, 255).astype(np.uint8)


def rounded(pixels: FloatImage) -> Image:
    """Clip to [0, 255] and round."""
    return np.rint(np.clip(pixels, 0, 255)).astype(np.uint8)


def looked_up(image: Image, table: FloatImage) -> Image:
    """Replace each of the 256 values by ``table``'s, clipped and truncated."""
    return np.asarray(cv2.LUT(image, truncated(table)), dtype=np.uint8)


def resized(image: Image, size: tuple[int, int], resampling: Pillow.Resampling) -> Image:
    """Resize (h, w, 3) to ``size`` = (width, height) with Pillow, which does not alias."""
    return np.array(Pillow.fromarray(image).resize(size, resampling), dtype=np.uint8)


def scaled_size(image: Image, scale: float) -> tuple[int, int]:
    """Give (width, height) at a scale, rounded, each at least 1."""
    height, width = image.shape[:2]
    return max(1, round(width * scale)), max(1, round(height * scale))
