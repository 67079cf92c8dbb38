"""The table of tracks in a page: whose recipe trains which detector.

python -m docs.scripts.tracks docs/training.md
"""

import sys
from collections.abc import Iterable

from benchmark.study.tracks import takes_input_size
from benchmark.training.recipe import common_recipe, load_recipe
from detectors.card import Card
from detectors.cards import CARDS
from detectors.cards.counts import counts
from detectors.catalog import detector_class
from docs.scripts.pages import rewrite

BEGIN, END = "<!-- tracks: begin -->", "<!-- tracks: end -->"


def table(cards: Iterable[Card] = CARDS.values()) -> str:
    """Give the tracks of every detector that is trained in steps, in Markdown."""
    lines = ["| detector | own recipe | its source | exception in `common` |", "|---|---|---|---|"]
    for card in (card for card in cards if card.fit == "gradient"):
        own = load_recipe(card.own_recipe) if card.own_recipe else None
        told = (f"`{own.name}`", own.citation) if own else ("none", "none known")
        lines.append(f"| `{card.name}` | {' | '.join(told)} | {exceptions(card.name)} |")
    return "\n".join(lines)


def exceptions(name: str) -> str:
    """Say what a detector of the catalog has of its own in the track ``common``."""
    found = []
    for size in ("base", "tiny"):
        recipe, side = common_recipe(name, size), load_recipe(size).input_size
        if recipe.name != size:
            found.append(f"{size}: {recipe.citation}")
        usual = counts()[name][size].input_size
        if side != usual and not takes_input_size(detector_class(name)):
            found.append(f"{size}: input {usual} px, which is fixed")
    return "; ".join(found)


if __name__ == "__main__":
    rewrite(sys.argv[1], BEGIN, END, table())
