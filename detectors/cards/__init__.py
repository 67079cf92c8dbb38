"""The cards of the catalog, apart from the networks, so that listing them loads no torch.

Each group's ``DETECTORS`` says which class a card is of: ``package.module:Class`` -> card.

Attributes:
    CARDS: The card of every detector, by name.
    CATALOG: The class of every detector, by name.
"""

from detectors.card import Card
from detectors.cards import floor, foundation, frequency, mfclip, spatial

_ENTRIES: list[tuple[str, Card]] = [
    *floor.DETECTORS.items(),
    *spatial.DETECTORS.items(),
    *frequency.DETECTORS.items(),
    *foundation.DETECTORS.items(),
    *mfclip.DETECTORS.items(),
]

CARDS = {card.name: card for _, card in _ENTRIES}
CATALOG = {card.name: target for target, card in _ENTRIES}
