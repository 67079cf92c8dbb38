"""Face-forgery detectors behind one contract. Listing them loads no torch.

The contract is ``base`` (the class ``Detector``) with ``card``, ``transform`` and ``errors``.
``catalog`` finds a detector by its name; ``weights``, ``loading`` and ``pretrained`` read and write
files of weights; ``files`` measures stored images; ``counting`` and ``inference`` are for all.

``cards`` holds what is known of the detectors of the catalog, ``parts`` what they are built of. All
else is a detector: a module each, and the package ``mfclip``. ``estimator``, ``huggingface`` and
``plain`` make one of a classifier of scikit-learn, a checkpoint of the Hub and a plain network.
"""

from typing import TYPE_CHECKING, Any

from detectors.card import Card, Taxon
from detectors.cards import CATALOG
from detectors.catalog import create_detector, detector_class, load_detector
from detectors.errors import (
    CodeError,
    DetectorError,
    InputError,
    UnknownDetectorError,
    UntrainedDetectorError,
    WeightsError,
)

if TYPE_CHECKING:
    from detectors.base import Batch, Detector, Known

__all__ = [
    "CATALOG",
    "Batch",
    "Card",
    "CodeError",
    "Detector",
    "DetectorError",
    "InputError",
    "Known",
    "Taxon",
    "UnknownDetectorError",
    "UntrainedDetectorError",
    "WeightsError",
    "create_detector",
    "detector_class",
    "load_detector",
]
_OF_BASE = ("Batch", "Detector", "Known")


def __getattr__(name: str) -> Any:
    """Load one of the names that need torch."""
    if name not in _OF_BASE:
        raise AttributeError(f"module 'detectors' has no attribute '{name}'")
    from detectors import base

    return getattr(base, name)


def __dir__() -> list[str]:
    """Name all before they are loaded, for completion and ``help``."""
    return sorted({*globals(), *__all__})
