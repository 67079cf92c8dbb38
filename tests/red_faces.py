"""Pictures with red faces, and what finds them: policies and geometry need no network."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmark.data.faces import FACE_DETECTORS, Face, FaceBox
from benchmark.errors import BenchmarkError
from tests.conftest import draw

Pixels = NDArray[np.uint8]
Place = tuple[int, int, int, int]
HEADER = "path,label,forgery,family,generator,source,split"
REAL, FAKE = "real,real,real,camera,one,test", "fake,FS,GAN,G,one,test"
POINTS = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])


def picture(*faces: Place, size: tuple[int, int] = (90, 120), seed: int = 0) -> Pixels:
    """Draw (height, width) in blue and green with red faces at (left, top, width, height)."""
    pixels = draw(*size, seed=seed)
    pixels[..., 0] = 20
    for left, top, width, height in faces:
        part = pixels[max(top, 0) : top + height, max(left, 0) : left + width]
        part[..., 0] = 250
        part[..., 1:] //= 6
    return pixels


def save(path: Path, pixels: Pixels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


class RedFaces:
    """Finds what is red; stops at the picture of which it is told to."""

    name = "red"
    calls = 0
    stop_at: int | None = None

    def find(self, picture: Pixels, confidence: float) -> list[Face]:
        type(self).calls += 1
        if self.calls == self.stop_at:
            raise BenchmarkError("stopped")
        red = (picture[..., 0] > 200) & (picture[..., 1] < 100)
        count, _, stats, _ = cv2.connectedComponentsWithStats(red.astype(np.uint8))
        boxes = [FaceBox(*map(float, stats[n][:4])) for n in range(1, count) if stats[n][4] > 30]
        sizes = [np.array([box.width, box.height]) for box in boxes]
        return [
            Face(
                box=box,
                points=np.array([box.left, box.top]) + POINTS * size,
                confidence=0.95 if confidence < 0.95 else 1.0,
            )
            for box, size in zip(boxes, sizes, strict=True)
        ]


def load_red_faces(weights: Path | None) -> RedFaces:
    return RedFaces()


def register() -> None:
    """Put the detector ``red`` into the table of names, as a new one is."""
    FACE_DETECTORS["red"] = "tests.red_faces:load_red_faces"
    RedFaces.calls, RedFaces.stop_at = 0, None


def unregister() -> None:
    FACE_DETECTORS.pop("red", None)
