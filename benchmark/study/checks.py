"""What no training could mend, refused before any: options, needs, batches, surrogates."""

from collections.abc import Mapping

from benchmark.errors import BenchmarkError
from benchmark.study.schema import Study, StudyDetector
from benchmark.training.recipe import Recipe
from detectors.card import Card
from detectors.catalog import detector_class, is_trained_elsewhere
from detectors.counting import option_names

_SUPPLIED = {"prompts", "taxa", "file", "labels"}


def check_detectors(study: Study, recipes: Mapping[str, Recipe]) -> None:
    """Refuse what no training could mend, before any: unknown options, needs that are not met.

    Raises:
        BenchmarkError: A detector has no such option, or needs what no manifest or recipe gives.
        UnknownDetectorError: There is no such detector.
    """
    for entry in study.detectors:
        found = detector_class(entry.detector)
        known = option_names(found)
        unknown = sorted(set(entry.options) - known)
        if unknown:
            raise BenchmarkError(
                f"{entry.name} has no option '{unknown[0]}'; there are {', '.join(sorted(known))}"
            )
        lacking = sorted(found.card.needs - _SUPPLIED)
        if lacking:
            raise BenchmarkError(f"{entry.name} needs {', '.join(lacking)}, which no manifest has")
        if not is_trained_elsewhere(entry.detector):
            _check_batches(entry, found.card, recipes[entry.name])


def _check_batches(entry: StudyDetector, card: Card, recipe: Recipe) -> None:
    """Refuse a recipe whose batches a detector cannot train on."""
    if card.batches == "balanced" and not recipe.balanced:
        raise BenchmarkError(
            f"{entry.name} trains on batches of which half are real: recipe "
            f"'{recipe.name}' has balanced: false"
        )
    most = card.batch_dependent
    if card.fit == "gradient" and most is not None and recipe.batch_size > most:
        raise BenchmarkError(
            f"{entry.name} trains on batches of {most} at most: recipe '{recipe.name}' has "
            f"batch_size: {recipe.batch_size}"
        )


def surrogate_entry(study: Study, protocol: str, name: str) -> StudyDetector:
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
