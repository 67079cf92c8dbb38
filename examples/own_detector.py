"""A detector of one's own: bring its column into a cross-generator table.

    forgerybench run cross-generator --data faces/manifest.csv --size tiny --out runs/faces \
        --detectors xception,examples.own_detector:Residual
"""

import torch
from torch import Tensor, nn

from detectors.base import Detector
from detectors.card import Card


class Residual(Detector):
    """A small network that sees only what a 3 x 3 mean takes away."""

    card = Card(
        name="residual", title="Residual", paper="an example", year=2026, kind="frequency",
        fidelity="an example", licence="Apache-2.0", pretraining="none", fit="gradient",
    )  # fmt: skip

    def __init__(self, *, width: int = 16, **shared: object) -> None:
        super().__init__(input_size=128, **shared)  # type: ignore[arg-type]
        self.layers = nn.Sequential(
            nn.Conv2d(3, width, 5, stride=2), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2), nn.ReLU(),
        )  # fmt: skip
        self.head = nn.Linear(2 * width, 1)

    def features(self, inputs: Tensor) -> Tensor:
        residual = inputs - nn.functional.avg_pool2d(inputs, 3, stride=1, padding=1)
        return torch.as_tensor(self.layers(10 * residual).mean(dim=(2, 3)))

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.as_tensor(self.head(self.features(inputs))[:, 0])
