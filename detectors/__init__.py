"""Face-forgery detectors behind one contract. Listing them loads no torch."""

from detectors.card import Card, Taxon
from detectors.cards import CATALOG
from detectors.catalog import create_detector, detector_class, load_detector
from detectors.errors import (
    DetectorError,
    InputError,
    UnknownDetectorError,
    UntrainedDetectorError,
    WeightsError,
)

__all__ = [
    "CATALOG",
    "Card",
    "DetectorError",
    "InputError",
    "Taxon",
    "UnknownDetectorError",
    "UntrainedDetectorError",
    "WeightsError",
    "create_detector",
    "detector_class",
    "load_detector",
]
