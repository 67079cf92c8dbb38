"""Face detectors: a table of names, what each gives, and detection at a bounded size.

A new one is a module of this package and a row of ``FACE_DETECTORS``; nothing of it is loaded
before it is asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmark.data.images import Pixels
from benchmark.errors import BenchmarkError
from protocols.errors import UnknownNameError

DETECTION_SIDE = 640
"""Longer side, in pixels, at which faces are looked for: above it, people far behind count too."""
CONFIDENCE = 0.9
"""Below this a found place is taken for no face."""

Points = NDArray[np.float64]
"""(5, 2) x and y in pixels: left eye, right eye, nose, left and right corner of the mouth, left and
right as they are seen in the picture."""


class FaceError(BenchmarkError):
    """No faces can be looked for as asked: a detector's weights are missing or others."""


class FaceBox(NamedTuple):
    """Where a face is in a picture, in pixels; it may leave the picture."""

    left: float
    top: float
    width: float
    height: float

    @property
    def area(self) -> float:
        """In square pixels."""
        return max(self.width, 0.0) * max(self.height, 0.0)

    def scaled(self, factor: float) -> "FaceBox":
        """Give the same box in a picture that is ``factor`` times as large."""
        return FaceBox(*(value * factor for value in self))

    def shared(self, other: "FaceBox") -> float:
        """Give the area that two boxes share, in square pixels."""
        width = min(self.left + self.width, other.left + other.width) - max(self.left, other.left)
        height = min(self.top + self.height, other.top + other.height) - max(self.top, other.top)
        return max(width, 0.0) * max(height, 0.0)

    def iou(self, other: "FaceBox") -> float:
        """Give the shared area over that of both together, 0 to 1."""
        shared = self.shared(other)
        both = self.area + other.area - shared
        return shared / both if both > 0 else 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Face:
    """A face that was found.

    Attributes:
        box: Where it is.
        points: Eyes, nose and mouth.
        confidence: The detector's own, 0 to 1.
    """

    box: FaceBox
    points: Points
    confidence: float


class FaceDetector(Protocol):
    """What finds faces; an object is used by one thread at a time.

    Attributes:
        name: Its name and what its weights are, for manifests.
    """

    name: str

    def find(self, picture: Pixels, confidence: float) -> list[Face]:
        """Find the faces of a (h, w, 3) uint8 RGB picture that are surer than ``confidence``."""
        ...


Load = Callable[[Path | None], FaceDetector]

FACE_DETECTORS = {
    "retinaface": "benchmark.data.faces.retinaface:load_retinaface",
    "mtcnn": "benchmark.data.faces.mtcnn:load_mtcnn",
}
"""Name of a detector -> what loads it, given a file of weights or None for those of a package."""


def load_face_detector(name: str, weights: Path | None = None) -> FaceDetector:
    """Load a face detector; call it once a thread.

    Args:
        name: One of ``FACE_DETECTORS``.
        weights: An ONNX file in the place of the package's.

    Raises:
        UnknownNameError: There is none of this name.
        FaceError: Its weights are not there, not those that are known, or not of its form.
    """
    if name not in FACE_DETECTORS:
        raise UnknownNameError("a face detector", name, FACE_DETECTORS)
    module, _, attribute = FACE_DETECTORS[name].partition(":")
    load: Load = getattr(import_module(module), attribute)
    return load(weights)


def find_faces(
    detector: FaceDetector,
    picture: Pixels,
    *,
    side: int = DETECTION_SIDE,
    confidence: float = CONFIDENCE,
) -> list[Face]:
    """Find the faces in a picture, the largest first.

    Args:
        detector: What finds them.
        picture: (h, w, 3) uint8 RGB of any size.
        side: A picture whose longer side exceeds this is reduced to it first.
        confidence: What a face must have at least.

    Returns:
        Faces in pixels of ``picture`` itself.
    """
    import cv2

    height, width = picture.shape[:2]
    scale = min(1.0, side / max(height, width))
    seen = picture
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        seen = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    faces = [
        Face(box=face.box.scaled(1 / scale), points=face.points / scale, confidence=face.confidence)
        for face in detector.find(seen, confidence)
    ]
    return sorted(faces, key=lambda face: (-face.box.area, face.box))
