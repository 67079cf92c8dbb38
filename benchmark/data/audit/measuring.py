"""What an audit knows of each image: its file, its colours, its border and a print of its look."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from benchmark.data.images import (
    OpenFile,
    Pixels,
    Place,
    cut,
    decode_bytes,
    frames_of,
    locate,
    read_image_bytes,
    stored_facts,
)
from benchmark.data.manifest import Manifest
from benchmark.data.sweep import sweep
from benchmark.errors import ImageError
from detectors.files import FACTS, file_facts

_Floats = npt.NDArray[np.float32]

THUMB = 16
_GRID = 8  # blocks a side; the outer ring of them is the border
_COLOURS = 6
_FLAT = 4.0  # grey levels: what varies less has no look to compare
RING = np.array(
    [y in (0, _GRID - 1) or x in (0, _GRID - 1) for y in range(_GRID) for x in range(_GRID)]
)
BORDER = 4 * int(RING.sum())


@dataclass(frozen=True)
class Measures:
    """What was measured of n images, in the order of the manifest.

    Attributes:
        problems: Why it cannot be read, "" if it can.
        sha256: Of the file; of a video, as the manifest states it.
        facts: (n, F) of the file: ``detectors.files.FACTS``.
        colours: (n, 6) mean and standard deviation of red, green and blue, 0 to 255.
        border: (n, BORDER) mean colour and mean gradient of each block of the outer ring.
        prints: (n,) 64 bits that similar pictures share; see ``look``.
        thumbs: (n, 256) grey levels of the picture at 16 x 16.
        flat: (n,) whether it has too little in it to be compared by its look.
    """

    problems: list[str]
    sha256: list[str]
    facts: _Floats
    colours: _Floats
    border: _Floats
    prints: npt.NDArray[np.uint64]
    thumbs: Pixels
    flat: npt.NDArray[np.bool_]


def measure(
    manifest: Manifest,
    *,
    workers: int | None = None,
    on_progress: Callable[[], None] = lambda: None,
) -> Measures:
    """Measure all images of a manifest in one pass; about 1 kB is kept of each.

    Args:
        manifest: Whose images.
        workers: Threads; None: as many as there are cores, 16 at most.
        on_progress: Called after each image.
    """
    ids = [str(sample_id) for sample_id in manifest.samples["sample_id"]]
    n = len(ids)
    found = Measures(
        problems=[""] * n,
        sha256=[str(digest) for digest in manifest.samples["sha256"]],
        facts=np.zeros((n, len(FACTS)), np.float32),
        colours=np.zeros((n, _COLOURS), np.float32),
        border=np.zeros((n, BORDER), np.float32),
        prints=np.zeros(n, np.uint64),
        thumbs=np.zeros((n, THUMB * THUMB), np.uint8),
        flat=np.ones(n, np.bool_),
    )

    def one(place: int, file: _File) -> None:
        try:
            where = locate(manifest.root, ids[place])
            pixels = cut(file.picture(where), where)
            found.facts[place] = file.facts(where)
        except ImageError as error:
            found.problems[place] = error.reason
            return
        if file.sha256:
            if found.sha256[place] not in ("", file.sha256):
                found.problems[place] = "content differs from the manifest's sha256"
            found.sha256[place] = file.sha256
        found.colours[place], found.border[place] = colours(pixels), border(pixels)
        found.prints[place], found.thumbs[place], found.flat[place] = look(pixels)

    sweep(ids, one, opened=_File, workers=workers, on_progress=on_progress)
    return found


class _File(OpenFile):
    """A file that is read once for its pixels, its facts and its hash."""

    def __init__(self) -> None:
        super().__init__(frames_of)
        self._pixels: Pixels | None = None
        self._facts: tuple[float, ...] = ()
        self.sha256 = ""

    def picture(self, place: Place, stated: str = "") -> Pixels:
        """Give the whole picture, of a still image with what its bytes say."""
        if place.frame is not None:
            return super().picture(place, stated)
        if self._pixels is None:
            data = read_image_bytes(place, stated)
            self._pixels = decode_bytes(data, place.name).pixels
            self._facts = file_facts(data)
            self.sha256 = hashlib.sha256(data).hexdigest()
        return self._pixels

    def facts(self, place: Place) -> tuple[float, ...]:
        """Give ``detectors.files.FACTS`` of the file."""
        return self._facts if place.frame is None else stored_facts(place)


def colours(pixels: Pixels) -> _Floats:
    """Give mean and standard deviation of each channel of (h, w, 3)."""
    mean, deviation = cv2.meanStdDev(pixels)
    both: _Floats = np.concatenate([mean[:, 0], deviation[:, 0]]).astype(np.float32)
    return both


def border(pixels: Pixels) -> _Floats:
    """Describe the outer ring of 8 x 8 blocks of (h, w, 3): what is behind a face, most likely.

    Returns:
        Red, green, blue and mean gradient of each block, 0 to 255.
    """
    side = 4 * _GRID
    small = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)
    grey = small.mean(axis=2)
    steps = np.hypot(np.gradient(grey, axis=0), np.gradient(grey, axis=1))
    blocks = np.concatenate([small, steps[:, :, None]], axis=2)
    means = blocks.reshape(_GRID, 4, _GRID, 4, 4).mean(axis=(1, 3)).reshape(-1, 4)
    ring: _Floats = means[RING].reshape(-1).astype(np.float32)
    return ring


def look(pixels: Pixels) -> tuple[np.uint64, Pixels, bool]:
    """Make a print of a picture that survives scaling, compression and small edits.

    The 64 bits say which of the lowest 8 x 8 frequencies of the 32 x 32 grey picture, but for the
    mean, are above their median. Source: the perceptual hash as in C. Zauner, "Implementation and
    benchmarking of perceptual image hash functions", 2010.

    Args:
        pixels: (h, w, 3).

    Returns:
        The print, the picture at 16 x 16 in grey, and whether it is too flat to be compared.
    """
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA)
    low = cv2.dct(small.astype(np.float32))[:8, :8].reshape(-1)
    bits = low > np.median(low[1:])
    number = np.packbits(bits).view(np.uint64)[0]
    thumb = cv2.resize(small, (THUMB, THUMB), interpolation=cv2.INTER_AREA).reshape(-1)
    return number, thumb.astype(np.uint8), bool(thumb.std() < _FLAT)
