"""One encoding for both classes: the track ``aligned`` of a protocol."""

import hashlib
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmark.errors import BenchmarkError
from protocols.schema import Aligned
from protocols.selection import SMALLEST

# What images without an encoding are said to be.
AS_IS = "as-is"
# Raised by every change of the pixels it gives.
_VERSION = 1


@dataclass(frozen=True)
class Encoding:
    """Every image reduced to one size and encoded as JPEG, real and forged alike.

    Attributes:
        side: Length of the shorter side, in pixels.
        quality: Lowest and highest JPEG quality; a sample's own follows from its id alone.
    """

    side: int
    quality: tuple[int, int]

    @property
    def name(self) -> str:
        """Name it in models and tables; equal names mean equal pixels."""
        low, high = self.quality
        return f"aligned.v{_VERSION}, {self.side} px, JPEG {low} to {high}"

    def quality_of(self, sample_id: str) -> int:
        """Give the JPEG quality of a sample."""
        low, high = self.quality
        digest = hashlib.sha256(f"aligned\x1f{sample_id}".encode()).digest()
        return low + int.from_bytes(digest[:8], "big") % (high - low + 1)

    def __call__(self, pixels: npt.NDArray[np.uint8], sample_id: str) -> npt.NDArray[np.uint8]:
        """Reduce and encode an image.

        Args:
            pixels: (h, w, 3) uint8 RGB, no side shorter than ``side``.
            sample_id: Of the sample.

        Returns:
            (h', w', 3) uint8 RGB, min(h', w') = ``side``, the proportions kept.

        Raises:
            BenchmarkError: The image is smaller: enlarging it would set it apart.
        """
        height, width = pixels.shape[:2]
        shorter = min(height, width)
        if shorter < self.side:
            raise BenchmarkError(
                f"'{sample_id}' is {width} x {height}, smaller than the {self.side} px to which "
                "the protocol aligns: state a smaller side"
            )
        if shorter > self.side:
            size = (round(width * self.side / shorter), round(height * self.side / shorter))
            pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
        quality = [cv2.IMWRITE_JPEG_QUALITY, self.quality_of(sample_id)]
        _, data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), quality)
        decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
        assert decoded is not None
        return np.ascontiguousarray(decoded[..., ::-1]).astype(np.uint8)


def fixed_encoding(aligned: Aligned, samples: pd.DataFrame) -> Encoding:
    """Fix the side of a protocol's encoding for some samples.

    Args:
        aligned: What the protocol states.
        samples: The study's samples, with the manifests' columns ``width`` and ``height`` in
            pixels where the side is the smallest.

    Raises:
        BenchmarkError: The sizes are not known, or an image is smaller than the stated side.
    """
    readable = samples[samples["problem"] == ""]
    known = {"width", "height"} <= set(samples.columns)
    sides = None
    if known:
        both = readable[["width", "height"]].apply(pd.to_numeric, errors="coerce")
        sides = both.min(axis=1, skipna=False)
        known = bool(sides.notna().all())
    if aligned.side != SMALLEST:
        if known and sides is not None and (sides < aligned.side).any():
            first = readable.loc[sides.idxmin(), "sample_id"]
            raise BenchmarkError(
                f"{int((sides < aligned.side).sum())} images are smaller than the {aligned.side} "
                f"px to which the protocol aligns, '{first}' the smallest: state a smaller side"
            )
        return Encoding(int(aligned.side), aligned.quality)
    if not known or sides is None:
        raise BenchmarkError(
            "the manifests do not state width and height of every image, from which the smallest "
            "size follows: write them with 'forgerybench data index', or state a side"
        )
    return Encoding(int(sides.min()), aligned.quality)
