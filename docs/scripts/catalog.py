"""The catalog for a reader: a page made of the cards.

python -m docs.scripts.catalog docs/detector-catalog.md
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from detectors.card import Card
from detectors.cards import CARDS

HEAD = (
    "# The catalog of detectors",
    "Made by `make detector-page` from the cards in `detectors/cards`. [detectors](detectors.md) "
    "says what detectors have in common and which options they take.",
)
_TRAINED = {"gradient": "gradient steps", "estimator": "scikit-learn", "none": "nothing"}
_DEFINED = {"training": "training", "weights": "pretrained weights"}


def page() -> str:
    """Give the page, in Markdown: a line for each detector, then what its card says."""
    cards = [card for card in CARDS.values() if not card.sanity]
    cards.sort(key=lambda card: (card.kind, card.name))
    return "\n\n".join([*HEAD, _table(cards), *map(_section, cards)]) + "\n"


def _table(cards: Sequence[Card]) -> str:
    """Give a line for each of ``cards``."""
    lines = [
        "| detector | title | kind | year | trained by | defined by |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| [`{card.name}`](#{card.name}) | {card.title} | {card.kind} | {card.year} | "
        f"{_TRAINED[card.fit]} | {_DEFINED[card.definition]} |"
        for card in cards
    ]
    return "\n".join(lines)


def _section(card: Card) -> str:
    """Say what a card says."""
    facts = [f"*{card.title}.* {card.paper}."]
    facts.append(f"Fidelity: {card.fidelity.rstrip('.')}.")
    told = f"Normalisation: {card.normalisation}. Pretraining: {card.pretraining}."
    told += f" Licence: {card.licence}."
    if card.fit == "gradient":
        told += f" Recipe of its own: {card.own_recipe or 'none is known'}."
    if card.needs:
        told += f" Needs: {', '.join(sorted(card.needs))}."
    if card.learns_from == "reals":
        told += " Learns from real images alone."
    if card.batch_dependent is not None:
        told += f" Scores depend on the place in a batch of {card.batch_dependent}."
    return "\n\n".join([f"## {card.name}", *facts, told])


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
