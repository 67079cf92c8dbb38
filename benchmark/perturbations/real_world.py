"""ForgeryBench's own perturbations: what happens to images on their way through the world.

Each function takes an (h, w, 3) uint8 RGB image, the sample's generator and its level, and gives
uint8 RGB of that size. Only ``gamma`` and ``sensor_noise`` are random.
"""

import numpy as np
from PIL import Image as Pillow
from PIL import ImageFilter

from benchmark.perturbations.codecs import through_jpeg, through_video, through_webp
from benchmark.perturbations.pixels import (
    FloatImage,
    Image,
    looked_up,
    normal,
    resized,
    rounded,
    scaled_size,
)

_BICUBIC = Pillow.Resampling.BICUBIC
_SHARPEN = ImageFilter.UnsharpMask(radius=1, percent=60, threshold=0)


def jpeg(image: Image, _: np.random.Generator, quality: float) -> Image:
    """Encode as a baseline JPEG and decode again.

    ``quality`` (1 to 100) scales the standard's quantisation tables as libjpeg does; chroma is
    halved in both directions (4:2:0), as cameras and platforms do.
    """
    return through_jpeg(image, int(quality))


def webp(image: Image, _: np.random.Generator, quality: float) -> Image:
    """Encode as a lossy WebP of ``quality`` (0 to 100) and decode again."""
    return through_webp(image, int(quality))


def h264(image: Image, _: np.random.Generator, crf: float) -> Image:
    """Encode as a one-frame H.264 stream of ``crf`` (0 to 51) and decode again."""
    return through_video(image, "h264", crf)


def h265(image: Image, _: np.random.Generator, crf: float) -> Image:
    """Encode as a one-frame H.265 stream of ``crf`` (0 to 51) and decode again."""
    return through_video(image, "hevc", crf)


def resize(image: Image, _: np.random.Generator, scale: float) -> Image:
    """Shrink both sides to ``scale`` (0 to 1) of theirs, then enlarge to the original size.

    Both are bicubic (a = -0.5); the first is widened by 1 / ``scale``, so it does not alias. Sides
    are rounded, and at least 1 pixel.
    """
    return _back(resized(image, scaled_size(image, scale), _BICUBIC), image)


def screenshot(image: Image, _: np.random.Generator, scale: float, quality: float) -> Image:
    """Show at ``scale``, take a lossless picture of it, and store that as a JPEG.

    In this order: bicubic to the scaled size, 8 bits as in a PNG, JPEG 4:2:0 of ``quality``,
    bicubic to the original size.
    """
    shown = resized(image, scaled_size(image, scale), _BICUBIC)
    return _back(through_jpeg(shown, int(quality)), image)


def social(
    image: Image, _: np.random.Generator, scale: float, first: float, second: float
) -> Image:
    """Send through a platform: reduce, compress, sharpen, compress.

    In this order: bicubic until the longest side is ``scale`` of what it was, JPEG 4:2:0 of quality
    ``first``, unsharp mask (radius 1 px, 60 %), JPEG of quality ``second``, bicubic to the original
    size.
    """
    reduced = resized(image, scaled_size(image, scale), _BICUBIC)
    stored = Pillow.fromarray(through_jpeg(reduced, int(first)))
    sharpened = np.array(stored.filter(_SHARPEN), dtype=np.uint8)
    return _back(through_jpeg(sharpened, int(second)), image)


def gamma(image: Image, random: np.random.Generator, exponent: float) -> Image:
    """Raise values in [0, 1] to ``exponent`` or its inverse, whichever the sample draws."""
    return looked_up(image, gamma_table(random, exponent))


def gamma_table(random: np.random.Generator, exponent: float) -> FloatImage:
    """Give what ``gamma`` makes of each value: (256,)."""
    power = exponent if random.random() < 0.5 else 1 / exponent
    return 255 * (np.arange(256) / 255) ** power + 0.5


def sensor_noise(
    image: Image, random: np.random.Generator, electrons: float, read_noise: float
) -> Image:
    """Add a sensor's shot and read noise in linear light.

    Values are taken as sRGB, made linear and counted in electrons, ``electrons`` at white. Noise is
    normal with variance count + ``read_noise`` ^ 2, drawn for R, G and B apart; counts are clipped
    to the sensor's range, brought back to sRGB and rounded.
    """
    variance = _LINEAR * electrons + read_noise**2
    noise = normal(random, image.shape) * (np.sqrt(variance) / electrons).astype(np.float32)[image]
    light = np.clip(_LINEAR.astype(np.float32)[image] + noise, 0, 1)
    return rounded(255 * _to_srgb(light))


def _back(small: Image, image: Image) -> Image:
    """Bring ``small`` to the size of ``image``."""
    return resized(small, (image.shape[1], image.shape[0]), _BICUBIC)


def _to_linear(values: FloatImage) -> FloatImage:
    """Undo sRGB's curve (IEC 61966-2-1) on [0, 1]."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _to_srgb(light: FloatImage) -> FloatImage:
    """Apply sRGB's curve to linear light in [0, 1]."""
    curve = 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(light <= 0.0031308, 12.92 * light, curve)


_LINEAR = _to_linear(np.arange(256) / 255)
