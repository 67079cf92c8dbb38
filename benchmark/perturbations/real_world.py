"""ForgeryBench's own perturbations: what happens to images on their way through the world."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

Image = NDArray[np.uint8]

SUBSAMPLING_420 = 2  # Pillow's number for it


def jpeg(image: Image, quality: float, _: np.random.Generator) -> Image:
    """Encode as a baseline JPEG and decode again.

    ``quality`` (1 to 100) scales the standard's quantisation tables as libjpeg does; chroma is
    halved in both directions (4:2:0), as cameras and platforms do. Nothing is
    random.
    """
    with io.BytesIO(encode_jpeg(image, int(quality))) as file, Pillow.open(file) as decoded:
        return np.array(decoded, dtype=np.uint8)


def encode_jpeg(image: Image, quality: int) -> bytes:
    """Give the bytes of ``image`` (h, w, 3) as a JPEG, 4:2:0, without metadata."""
    file = io.BytesIO()
    Pillow.fromarray(image).save(file, "JPEG", quality=quality, subsampling=SUBSAMPLING_420)
    return file.getvalue()


def resize(image: Image, scale: float, _: np.random.Generator) -> Image:
    """Shrink both sides to ``scale`` (0 to 1) of theirs, then enlarge to the original size.

    Both are bicubic (a = -0.5); the first is widened by 1 / ``scale``, so it does not alias. Sides
    are rounded, and at least 1 pixel. Nothing is random.
    """
    height, width = image.shape[:2]
    small = (max(1, round(width * scale)), max(1, round(height * scale)))
    shrunk = Pillow.fromarray(image).resize(small, Pillow.Resampling.BICUBIC)
    enlarged = shrunk.resize((width, height), Pillow.Resampling.BICUBIC)
    return np.array(enlarged, dtype=np.uint8)
