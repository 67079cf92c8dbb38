"""How a crop comes out of its picture: a map of pixels that a manifest keeps as text.

The same map is laid over a damaged picture, so a crop can be taken after the damage where it was
taken from the clean one.
"""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.data.images import MAX_PIXELS, Pixels
from benchmark.errors import ManifestError

Matrix = NDArray[np.float64]
"""(2, 3): from x, y and 1 in the picture to x and y in the crop, counted by centres of pixels."""

_NUMBER = r"-?[0-9]+(?:\.[0-9]+)?(?:e-?[0-9]+)?"
_FORM = re.compile(rf"({_NUMBER}(?: {_NUMBER}){{5}}) ([0-9]{{1,5}})x([0-9]{{1,5}})(?: /([1-9]))?")
MOST_FINER = 9


@dataclass(frozen=True, kw_only=True, eq=False)
class Cut:
    """A crop's place in its picture.

    Attributes:
        matrix: From the picture to the crop.
        width: Of the crop, in pixels.
        height: Likewise.
        finer: How many times finer than the crop the picture is sampled, and then averaged: 1 is
            plain bilinear sampling, which does not average what a smaller crop leaves out.
    """

    matrix: Matrix
    width: int
    height: int
    finer: int = 1

    def __str__(self) -> str:
        numbers = " ".join(repr(float(value)) for value in self.matrix.ravel())
        return f"{numbers} {self.width}x{self.height}" + (
            f" /{self.finer}" if self.finer > 1 else ""
        )


def read_cut(text: str, where: str) -> Cut:
    """Read what ``str`` of a cut gives, to the bit.

    Args:
        text: Six numbers, the crop's size, and how much finer it is sampled, if it is.
        where: What the error calls it.

    Raises:
        ManifestError: It is something else.
    """
    found = _FORM.fullmatch(text)
    numbers = np.array([float(number) for number in found[1].split()]) if found else np.zeros(6)
    matrix = numbers.reshape(2, 3)
    width, height, finer = (int(found[n] or 1) for n in (2, 3, 4)) if found else (0, 0, 0)
    is_place = np.isfinite(numbers).all() and abs(np.linalg.det(matrix[:, :2])) > 1e-9
    if not is_place or not 1 <= width * height * finer**2 <= MAX_PIXELS:
        raise ManifestError(
            f"{where}: '{text}' is no place of a crop: six numbers that map its picture to it, and "
            "its size, such as '1 0 -20 0 1 -10 64x64'"
        )
    return Cut(matrix=matrix, width=width, height=height, finer=finer)


def apply_cut(cut: Cut, picture: Pixels) -> Pixels:
    """Cut a crop out of a (h, w, 3) uint8 picture; what lies outside of it is black."""
    import cv2

    finer = cut.finer
    matrix = cut.matrix
    if finer > 1:  # pixels are counted by their centres
        matrix = cut.matrix * finer
        matrix[:, 2] += (finer - 1) / 2
    size = cut.width * finer, cut.height * finer
    warped = cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_LINEAR)
    if finer > 1:
        warped = cv2.resize(warped, (cut.width, cut.height), interpolation=cv2.INTER_AREA)
    return np.asarray(warped, dtype=np.uint8)


def share_outside(cut: Cut, height: int, width: int) -> float:
    """Give the share of a crop that its picture, of ``height`` x ``width``, does not cover."""
    import cv2

    edges = np.array([[0, 0], [cut.width, 0], [cut.width, cut.height], [0, cut.height]]) - 0.5
    back = np.linalg.inv(cut.matrix[:, :2])
    there = (edges - cut.matrix[:, 2]) @ back.T
    whole = np.array([[0, 0], [width, 0], [width, height], [0, height]]) - 0.5
    inside, _ = cv2.intersectConvexConvex(there.astype(np.float32), whole.astype(np.float32))
    area = cut.width * cut.height * abs(float(np.linalg.det(back)))
    return float(np.clip(1 - inside / area, 0, 1))
