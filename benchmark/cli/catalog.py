"""The detectors of the catalog for a reader in a terminal; no torch."""

from collections.abc import Mapping
from textwrap import shorten

from benchmark.training.recipe import common_name
from detectors.card import Card
from detectors.cards import CARDS
from detectors.cards.counts import counts
from leaderboard.tables.table import with_unit

CATALOG_COLUMNS = ("name", "year", "params", "input", "how faithful it is")

NOTE = (
    "Params and input (pixels a side): of the size base, in training. "
    "forgerybench show detector NAME has the whole card."
)
_WIDTH = 90  # characters of how faithful one is


def by_group() -> Mapping[str, list[Card]]:
    """Give the cards of the catalog by group, without the checks of the benchmark."""
    groups: dict[str, list[Card]] = {}
    for card in CARDS.values():
        if not card.sanity:
            groups.setdefault(card.kind, []).append(card)
    return groups


def listing() -> dict[str, list[list[str]]]:
    """Give a row under ``COLUMNS`` for each detector, by group."""
    return {group: [_row(card) for card in cards] for group, cards in by_group().items()}


def short_fidelity(card: Card, width: int) -> str:
    """Give the first words of a card's fidelity; three dots say that there is more."""
    return shorten(
        card.fidelity.removeprefix("base: "), width, placeholder=" ...", break_on_hyphens=False
    )


def card_facts(name: str) -> tuple[str, list[list[str]]]:
    """Give the title of a detector and all that its card says, name and value.

    Raises:
        UnknownDetectorError: There is no such detector.
    """
    if name in CARDS:
        card = CARDS[name]
    else:
        from detectors.catalog import detector_class  # one's own: its module may load torch

        card = detector_class(name).card
    facts = [["name", name], ["group", card.kind], ["paper", card.paper], ["year", str(card.year)]]
    for size, numbers in counts().get(name, {}).items():
        trained = "" if numbers.trained == numbers.parameters else f", {numbers.trained:,} trained"
        said = f"{numbers.parameters:,} parameters{trained}; input {numbers.input_size} px; "
        facts.append([f"size {size}", f"{said}{with_unit(numbers.flops)}FLOPs an image"])
    facts += [
        ["fidelity", card.fidelity],
        ["trained by", card.fit],
        ["recipe, track common", _common(card)],
        ["recipe, track own", _own(card)],
        ["needs", ", ".join(sorted(card.needs)) or "images and labels alone"],
        ["learns from", card.learns_from],
        ["made by", card.definition],
        ["normalisation", card.normalisation],
        ["pretraining", card.pretraining],
        ["licence", card.licence],
        ["training batches", card.batches],
        ["scores depend on", "the image alone" if card.batch_dependent is None
         else f"the image's place in a batch of {card.batch_dependent}"],
    ]  # fmt: skip
    return card.title, facts


def _common(card: Card) -> str:
    """Name the recipes that train a detector where neither track nor recipe is asked for."""
    if card.fit != "gradient":
        return "none"
    return ", ".join(common_name(card.name, size) for size in ("base", "tiny"))


def _own(card: Card) -> str:
    """Name the recipe of a detector's paper, or say that there is none."""
    if card.fit != "gradient":
        return "none"
    return card.own_recipe or "there is none: nothing says how it is trained on forgeries"


def _row(card: Card) -> list[str]:
    """Give a detector's row in the terminal."""
    base = counts()[card.name]["base"]
    numbers = [str(card.year), with_unit(base.parameters), str(base.input_size)]
    return [card.name, *numbers, short_fidelity(card, _WIDTH)]
