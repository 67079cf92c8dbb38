"""Attacks that are made on another trained detector of the study: black-box transfer."""

from benchmark.definition import Study, StudyDetector
from benchmark.errors import BenchmarkError
from detectors import detector_class


def surrogate_of(study: Study, protocol: str, name: str) -> StudyDetector:
    """Find the detector of a study that attacks are made on, by its label or its detector.

    Raises:
        BenchmarkError: The study does not have it, has it several times, or it has no gradient.
    """
    there = study.detectors
    found = [d for d in there if d.name == name] or [d for d in there if d.detector == name]
    if len(found) != 1:
        raise BenchmarkError(
            f"{protocol}: its attacks are made on the surrogate '{name}', which study "
            f"'{study.name}' has {len(found)} times among {', '.join(d.name for d in there)}: "
            "it must be there once"
        )
    lacking = lacks_gradient(found[0])
    if lacking:
        raise BenchmarkError(
            f"{protocol}: '{name}' cannot be the surrogate, whose gradient is followed: {lacking}"
        )
    return found[0]


def lacks_gradient(detector: StudyDetector) -> str | None:
    """Say why no attack can follow a detector's gradient, or None."""
    card = detector_class(detector.detector).card
    if card.fit != "gradient":
        return f"{card.title} is not trained by one (fit: {card.fit})"
    if not card.image_gradient:
        return f"{card.title} gives none with respect to the image"
    return None
