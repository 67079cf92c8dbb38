"""The corruptions of ImageNet-C (Hendrycks and Dietterich, ICLR 2019), as its code defines them.

Lengths are in pixels and meant for images of 224 x 224; they are not scaled for others. Each
function takes an (h, w, 3) uint8 RGB image, the sample's generator and its level, and gives uint8
RGB of that size, cut to whole numbers as published. What needs no random numbers ignores them.
"""

import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from scipy.ndimage import gaussian_filter, map_coordinates

from benchmark.perturbations.codecs import through_jpeg
from benchmark.perturbations.pixels import (
    FloatImage,
    Image,
    looked_up,
    normal,
    resized,
    rounded,
    truncated,
)

_FOG_SIDE = 256


def gaussian_noise(image: Image, random: np.random.Generator, deviation: float) -> Image:
    """Add white noise of ``deviation`` (of the range [0, 1]) to R, G and B."""
    return truncated(image + normal(random, image.shape) * np.float32(255 * deviation))


def shot_noise(image: Image, random: np.random.Generator, photons: float) -> Image:
    """Count photons: Poisson numbers whose mean is ``photons`` at white."""
    return truncated(random.poisson(image / 255 * photons) / photons * 255)


def impulse_noise(image: Image, random: np.random.Generator, share: float) -> Image:
    """Set a ``share`` of all values, each on its own, to 0 or 255."""
    hit = random.random(image.shape) <= share
    salt = random.random(image.shape) <= 0.5
    return np.where(hit, np.where(salt, 255, 0), image).astype(np.uint8)


def speckle_noise(image: Image, random: np.random.Generator, deviation: float) -> Image:
    """Add white noise of ``deviation`` times the value itself."""
    return truncated(image * (1 + normal(random, image.shape) * np.float32(deviation)))


def gaussian_blur(image: Image, _: np.random.Generator, sigma: float) -> Image:
    """Blur with a Gaussian of ``sigma``, cut at 4 sigma; the border pixel is repeated."""
    side = blur_side(sigma)
    blurred = cv2.GaussianBlur(
        image.astype(np.float64), (side, side), sigma, borderType=cv2.BORDER_REPLICATE
    )
    return truncated(np.asarray(blurred))


def blur_side(sigma: float) -> int:
    """Give the side of the kernel of ``gaussian_blur``."""
    return 2 * int(4 * sigma + 0.5) + 1


def defocus_blur(image: Image, _: np.random.Generator, radius: float, edge: float) -> Image:
    """Spread each point over a disk of ``radius``, its edge softened with sigma ``edge``."""
    reach, soft = (8, 3) if radius <= 8 else (int(radius), 5)
    axis = np.arange(-reach, reach + 1)
    disk = (axis[:, None] ** 2 + axis**2 <= radius**2).astype(np.float32)
    kernel = cv2.GaussianBlur(disk / disk.sum(), (soft, soft), sigmaX=edge)
    return truncated(np.asarray(cv2.filter2D(image.astype(np.float64), -1, kernel)))


def motion_blur(image: Image, random: np.random.Generator, radius: float, sigma: float) -> Image:
    """Blur along a line that starts at each pixel, at an angle that the sample draws.

    As in ImageMagick, which the published code calls: half a Gaussian of ``sigma`` over
    2 x ``radius`` + 1 steps, each at the nearest pixel; the border pixel is repeated.
    """
    angle = math.radians(random.uniform(-45, 45))
    steps = np.arange(2 * math.ceil(radius) + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    columns = np.ceil(steps * math.cos(angle) - 0.5).astype(int)
    rows = np.ceil(steps * math.sin(angle) - 0.5).astype(int)
    kernel = np.zeros((np.ptp(rows) + 1, np.ptp(columns) + 1))
    np.add.at(kernel, (rows - rows.min(), columns - columns.min()), weights / weights.sum())
    blurred = cv2.filter2D(
        image.astype(np.float64),
        -1,
        kernel,
        anchor=(int(-columns.min()), int(-rows.min())),
        borderType=cv2.BORDER_REPLICATE,
    )
    return rounded(np.asarray(blurred))


def zoom_blur(image: Image, _: np.random.Generator, step: float, steps: float) -> Image:
    """Give the mean of the image and of its enlargements by 1 + i x ``step``, i < ``steps``."""
    unit = image.astype(np.float32) / 255
    total = unit.copy()
    for i in range(int(steps)):
        total += _enlarged(unit, 1 + i * step)
    return truncated(total / (int(steps) + 1) * 255)


def fog(image: Image, random: np.random.Generator, thickness: float, decay: float) -> Image:
    """Add a fractal cloud of ``thickness`` and scale back to the image's brightest value."""
    height, width = image.shape[:2]
    side = max(_FOG_SIDE, 1 << (max(height, width) - 1).bit_length())
    cloud = plasma(side, decay, random.uniform)[:height, :width, None]
    unit = image / 255
    brightest = unit.max()
    return truncated((unit + thickness * cloud) * brightest / (brightest + thickness) * 255)


def brightness(image: Image, _: np.random.Generator, added: float) -> Image:
    """Add ``added`` to V of HSV in [0, 1]."""
    return _in_hsv(image, 2, lambda value: value + np.float32(added))


def saturate(image: Image, _: np.random.Generator, factor: float, added: float) -> Image:
    """Multiply S of HSV in [0, 1] by ``factor`` and add ``added``."""
    return _in_hsv(image, 1, lambda value: value * np.float32(factor) + np.float32(added))


def contrast(image: Image, _: np.random.Generator, factor: float) -> Image:
    """Scale R, G and B about their means by ``factor``."""
    means = image.mean(axis=(0, 1))
    values = np.arange(256)[:, None]
    tables = (values - means) * factor + means  # (256, 3)
    return looked_up(image, tables[:, None])


def jpeg(image: Image, _: np.random.Generator, quality: float) -> Image:
    """Encode as a JPEG of ``quality``, 4:2:0, and decode again."""
    return through_jpeg(image, int(quality))


def pixelate(image: Image, _: np.random.Generator, scale: float) -> Image:
    """Shrink to ``scale`` with a box filter and enlarge with it again."""
    height, width = image.shape[:2]
    small = (max(1, int(width * scale)), max(1, int(height * scale)))
    box = Pillow.Resampling.BOX
    return resized(resized(image, small, box), (width, height), box)


def elastic(
    image: Image, random: np.random.Generator, shift: float, sigma: float, moves: float
) -> Image:
    """Move three points by up to ``moves`` pixels, then every pixel by a smooth random field.

    The field is uniform noise, blurred with ``sigma`` (cut at 3 sigma) and times ``shift``.
    """
    shape = image.shape[:2]
    unit = image.astype(np.float32) / 255
    centre = np.asarray(shape, dtype=np.float32) // 2
    third = max(1, min(shape) // 3)
    points = centre + np.array([[third, third], [third, -third], [-third, -third]], np.float32)
    moved = points + random.uniform(-moves, moves, size=(3, 2)).astype(np.float32)
    matrix = cv2.getAffineTransform(points, moved)
    bent = cv2.warpAffine(unit, matrix, shape[::-1], borderMode=cv2.BORDER_REFLECT_101)
    right, down = (
        (_smooth(random.uniform(-1, 1, size=shape), sigma) * shift).astype(np.float32)
        for _ in range(2)
    )
    places = np.indices(shape) + np.stack([down, right])
    planes = [map_coordinates(bent[..., i], places, order=1, mode="reflect") for i in range(3)]
    return truncated(np.stack(planes, axis=2) * 255)


def plasma(
    side: int, decay: float, uniform: Callable[[float, float, tuple[int, ...]], FloatImage]
) -> FloatImage:
    """Draw a fractal cloud by the diamond-square algorithm, without seams.

    Args:
        side: A power of two.
        decay: By what the random part shrinks as the squares are halved.
        uniform: Draws numbers between two bounds in a shape.

    Returns:
        (side, side) float64 from 0 to 1.
    """
    heights = np.zeros((side, side))
    step, spread = side, 100.0

    def filled(total: FloatImage) -> FloatImage:
        # As published, the spread counts twice: as a factor and as the bounds.
        return total / 4 + spread * uniform(-spread, spread, total.shape)

    while step >= 2:
        half = step // 2
        corners = heights[::step, ::step]
        pairs = corners + np.roll(corners, -1, axis=0)
        heights[half::step, half::step] = filled(pairs + np.roll(pairs, -1, axis=1))
        centres = heights[half::step, half::step]
        vertical = centres + np.roll(centres, 1, axis=0)
        heights[::step, half::step] = filled(vertical + corners + np.roll(corners, -1, axis=1))
        horizontal = centres + np.roll(centres, 1, axis=1)
        heights[half::step, ::step] = filled(horizontal + corners + np.roll(corners, -1, axis=0))
        step, spread = half, spread / decay
    heights -= heights.min()
    cloud: NDArray[np.float64] = heights / heights.max()
    return cloud


def _in_hsv(image: Image, channel: int, change: Callable[[FloatImage], FloatImage]) -> Image:
    """Change S (1) or V (2) of HSV in [0, 1], clipped."""
    unit = image.astype(np.float32) / 255
    hsv = np.array(cv2.cvtColor(unit, cv2.COLOR_RGB2HSV), dtype=np.float32)
    hsv[..., channel] = np.clip(change(hsv[..., channel]), 0, 1)
    # float32 may fall a hair below the whole number that is meant
    return truncated(np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)) * 255 + 1e-3)


def _smooth(field: FloatImage, sigma: float) -> FloatImage:
    """Blur a field with a Gaussian cut at 3 sigma, mirrored at the border."""
    smooth: NDArray[np.float64] = gaussian_filter(field, sigma, mode="reflect", truncate=3)
    return smooth


def _enlarged(unit: FloatImage, factor: float) -> FloatImage:
    """Enlarge the middle of (h, w, 3) so that it fills the image; bilinear."""
    for axis, length in enumerate(unit.shape[:2]):
        kept = math.ceil(length / factor)
        grown = round(kept * factor)
        first = (length - kept) // 2
        places = np.arange((grown - length) // 2, (grown - length) // 2 + length)
        places = first + places * ((kept - 1) / max(1, grown - 1))
        low = np.minimum(places.astype(int), first + kept - 1)
        share = (places - low).astype(np.float32)
        high = np.minimum(low + 1, first + kept - 1)
        share = share[:, None, None] if axis == 0 else share[None, :, None]
        unit = unit.take(low, axis) * (1 - share) + unit.take(high, axis) * share
    return unit
