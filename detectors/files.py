"""What a stored image file says of itself: numbers that know nothing of the face."""

import io
import math

from PIL import Image
from PIL.JpegImagePlugin import get_sampling

FACTS = (
    "bytes",
    "bits_per_pixel",
    "width",
    "height",
    "jpeg",
    "png",
    "webp",
    "video",
    "luma_step",
    "luma_tilt",
    "chroma_step",
    "chroma_tilt",
    "chroma_sampling",
)
"""Names of the facts, in their order.

``bytes``, ``bits_per_pixel``, ``width`` and ``height`` are natural logarithms; ``jpeg`` to
``video`` are 1 for a file of that kind. Of a JPEG's quantisation tables: a step is the mean
logarithm of the 64 steps, a tilt how much greater it is in the lower half of the table (high
vertical frequencies) than in the upper. ``chroma_sampling``: 1 for 4:4:4, 2 for 4:2:2, 3 for 4:2:0.
What a file does not have is 0: a table, or the size in pixels of a video.
"""


def file_facts(data: bytes) -> tuple[float, ...]:
    """Measure a still image's file; its pixels are not decoded.

    Args:
        data: The whole file, one that Pillow can open.

    Returns:
        The ``FACTS``, all finite.
    """
    with Image.open(io.BytesIO(data)) as image:
        width, height = image.size
        kind = "JPEG" if image.format == "MPO" else image.format
        tables = getattr(image, "quantization", None) or {} if kind == "JPEG" else {}
        sampling = get_sampling(image) + 1 if kind == "JPEG" else 0
    return (
        math.log(len(data)),
        math.log(8 * len(data) / (width * height)),
        math.log(width),
        math.log(height),
        *(float(kind == name) for name in ("JPEG", "PNG", "WEBP")),
        0.0,
        *_table(tables.get(0)),
        *_table(tables.get(1)),
        float(sampling),
    )


def video_facts(size: int) -> tuple[float, ...]:
    """Give the ``FACTS`` of a video file of ``size`` bytes, the same for all its frames."""
    stated = {"bytes": math.log(size), "video": 1.0}
    return tuple(stated.get(name, 0.0) for name in FACTS)


def _table(steps: list[int] | None) -> tuple[float, float]:
    """Give step and tilt of a quantisation table of 64 numbers, row by row."""
    if steps is None:
        return 0.0, 0.0
    logs = [math.log(step) for step in steps]
    low, high = sum(logs[:32]) / 32, sum(logs[32:]) / 32
    return (low + high) / 2, high - low
