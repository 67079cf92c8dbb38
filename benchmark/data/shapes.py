"""What shape a picture may have: told before any pixel of it is decoded."""

from benchmark.errors import ImageError

# The shorter side is brought to a network's: 1 x 20,000 pixels would become 51 megapixels.
MOST_TIMES = 100


def check_shape(where: str, width: int, height: int, most: int) -> None:
    """Raise ImageError for a picture of more than ``most`` pixels, or one that is all but a line.

    Args:
        where: What the error names.
        width: In pixels.
        height: In pixels.
        most: How many pixels it may have.
    """
    if width * height > most:
        raise ImageError(
            where, f"{width} x {height} pixels, more than the {most} an image may have"
        )
    if max(width, height) > MOST_TIMES * min(width, height):
        raise ImageError(
            where, f"{width} x {height} pixels: one side is over {MOST_TIMES} times the other"
        )
