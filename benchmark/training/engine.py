"""What training and scoring work with: images, models, a device, and someone to tell."""

from dataclasses import dataclass

import torch

from benchmark.data.loader import default_workers
from benchmark.data.source import ImageSource
from benchmark.progress import Progress
from benchmark.training.store import ModelStore
from detectors.base import Detector
from detectors.parts.frozen import FrozenFeatures


@dataclass(frozen=True, kw_only=True)
class Engine:
    """The means of a run.

    Attributes:
        source: The images of the study.
        models: Where trained models are kept.
        device: Where to compute.
        batch_size: Images a forward pass where no gradient is needed.
        checkpoint_seconds: Time between saved states, from which a stopped training goes on.
        progress: Told of everything that happens.
        features: Where outputs of frozen, pretrained networks are kept; None: nowhere.
        workers: Threads that load images ahead; None: as many as suit the device. No number depends
            on it.
        precision: In which trained models score, one of ``benchmark.environment.PRECISIONS``.
    """

    source: ImageSource
    models: ModelStore
    device: torch.device
    batch_size: int
    checkpoint_seconds: float
    progress: Progress
    features: FrozenFeatures | None = None
    workers: int | None = None
    precision: str = "float32"

    @property
    def load_workers(self) -> int:
        """How many threads load images ahead."""
        return default_workers(self.device) if self.workers is None else self.workers

    def features_of(self, detector: Detector) -> FrozenFeatures | None:
        """Give where a detector's frozen outputs are kept; random towers are one model's alone."""
        return None if detector.init in ("random", "none") else self.features
