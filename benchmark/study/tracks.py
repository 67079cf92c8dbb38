"""Tracks: all detectors trained alike, or each as its paper says."""

from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

from benchmark.errors import BenchmarkError
from benchmark.study.schema import Study, StudyDetector
from benchmark.training.recipe import Recipe, common_recipe, load_recipe
from detectors.card import Card
from detectors.cards import CARDS
from detectors.cards.counts import counts
from detectors.catalog import catalog_target, detector_class, is_trained_elsewhere

if TYPE_CHECKING:
    from detectors.base import Detector

CUSTOM = "custom"


def track_of(entry: StudyDetector, study: Study) -> str:
    """Name the track of an entry: its own or its study's; ``custom`` where it names a recipe."""
    return CUSTOM if entry.recipe else entry.track or study.track


def recipes_of(study: Study) -> dict[str, Recipe]:
    """Give the recipe of each detector of a study, by its name there.

    Raises:
        UnknownDetectorError, UnknownNameError: There is no such detector or recipe.
        BenchmarkError: As ``recipe_of``.
    """
    for entry in study.detectors:
        catalog_target(entry.detector)
    return {entry.name: recipe_of(entry, study) for entry in study.detectors}


def recipe_of(entry: StudyDetector, study: Study) -> Recipe:
    """Give the recipe that an entry names, else that of its track.

    Raises:
        BenchmarkError: The track is ``own`` and the detector has none.
    """
    if entry.recipe:
        return load_recipe(entry.recipe)
    if is_trained_elsewhere(entry.detector):  # its name says nothing of how it is trained
        return load_recipe(study.size)
    if track_of(entry, study) == "common":
        return common_recipe(entry.detector, study.size)
    # The catalog's cards are known without its networks, and so without torch.
    card = CARDS.get(entry.detector) or detector_class(entry.detector).card
    return own_recipe(card, study.size)


def own_recipe(card: Card, size: str) -> Recipe:
    """Give the recipe of a detector's paper; at ``tiny`` its augmentation in the common recipe.

    What is not trained in steps has no recipe of its own and needs none: of the common one it has
    nothing but the step budget, which does not concern it.

    Raises:
        BenchmarkError: The card names no recipe.
    """
    common = common_recipe(card.name, size)
    if card.fit != "gradient":
        return common.model_copy(update={"input_size": None})
    if card.own_recipe is None:
        raise BenchmarkError(
            f"{card.name} has no track 'own': no paper or public code that we know states how it "
            "is trained on forgeries; use --track common, or --recipe"
        )
    own = load_recipe(card.own_recipe)
    if size == "base":
        return own
    changes = {
        "name": f"{own.name}-{size}",
        "citation": f"{common.name} with the augmentation of: {own.citation}",
        "augmentation": own.augmentation,
        "input_size": None,
    }
    return common.model_copy(update=changes)


def options_of(entry: StudyDetector, recipe: Recipe, size: str) -> dict[str, Any]:
    """Give an entry's options, and the recipe's side where the detector would take another.

    An option that is stated wins; so does a detector whose side cannot be set, and what a published
    checkpoint is scored with.
    """
    found = detector_class(entry.detector)
    side = recipe.input_size
    is_stated = "input_size" in entry.options or is_trained_elsewhere(entry.detector)
    if side is None or is_stated or found.card.fit == "none":
        return entry.options
    if not takes_input_size(found) or side == _usual_side(found, size):
        return entry.options
    return {**entry.options, "input_size": side}


def takes_input_size(found: "type[Detector]") -> bool:
    """Tell whether a detector's constructor, or one that it passes options on to, names the side.

    The contract's own constructor counts for those who have none: others may fix the side there.
    """
    from detectors.base import Detector

    builders = [vars(cls)["__init__"] for cls in found.__mro__ if "__init__" in vars(cls)]
    contract = builders.index(Detector.__init__)
    passed_on = builders[:contract] or builders[:1]
    for builder in passed_on:
        parameters = signature(builder).parameters
        if "input_size" in parameters:
            return True
        if not any(p.kind is Parameter.VAR_KEYWORD for p in parameters.values()):
            return False
    return False


def _usual_side(found: "type[Detector]", size: str) -> int | None:
    """Give the side that a detector has where none is asked for; None if nothing states it."""
    counted = counts().get(found.card.name, {}).get(size)
    side: int | None = counted.input_size if counted else getattr(found.sides, size, None)
    return side
