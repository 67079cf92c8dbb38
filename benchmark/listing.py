"""The detectors of the catalog for a reader, in a terminal and in the documentation; no torch.

    python -m benchmark.listing docs/detectors.md

writes the table of all detectors into the page, between its two marks.
"""

import re
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmark.errors import BenchmarkError
from benchmark.recipe import default_name
from detectors.card import Card
from detectors.cards import CARDS
from detectors.cards.counts import counts
from leaderboard.numbers import with_unit

COLUMNS = ("name", "year", "params", "input", "how faithful it is")
NOTE = (
    "Params and input (pixels a side): of the size base, in training. "
    "forgerybench show detector NAME has the whole card."
)
BEGIN, END = "<!-- detectors: begin -->", "<!-- detectors: end -->"


def by_group() -> Mapping[str, list[Card]]:
    """Give the cards of the catalog by group, without the checks of the benchmark."""
    groups: dict[str, list[Card]] = {}
    for card in CARDS.values():
        if not card.sanity:
            groups.setdefault(card.kind, []).append(card)
    return groups


def without_downloads(size: str) -> tuple[list[str], list[str]]:
    """Tell which detectors ``all`` stands for: those that are trained, with nothing downloaded.

    Returns:
        Their names in the order of the catalog, and the names of those left out because this size
        of theirs starts from published weights. At ``tiny`` all start from random ones.
    """
    trained = [card for card in CARDS.values() if card.fit != "none" and not card.sanity]
    left_out = [c.name for c in trained if size == "base" and c.pretraining != "none"]
    return [card.name for card in trained if card.name not in left_out], left_out


def listing() -> dict[str, list[list[str]]]:
    """Give a row under ``COLUMNS`` for each detector, by group."""
    return {group: [_row(card) for card in cards] for group, cards in by_group().items()}


def short_fidelity(card: Card) -> str:
    """Give the first words of a card's fidelity; three dots say that there is more."""
    text = card.fidelity.removeprefix("base: ")
    first = re.split(r"[.;:,(]", text, maxsplit=1)[0].strip()
    return first if first == text.rstrip(".") else f"{first} ..."


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
        ["recipe", _recipes(card)],
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


def _recipes(card: Card) -> str:
    """Name the recipes that train a detector where none is asked for."""
    if card.fit != "gradient":
        return "none"
    return ", ".join(default_name(card.name, size) for size in ("base", "tiny"))


def page() -> str:
    """Give the table of all detectors with what they cost, in Markdown."""
    heads = ("detector", "year", "parameters", "trained", "input", "FLOPs", "how faithful it is")
    lines = []
    for group, cards in by_group().items():
        lines += [f"**{group}**", "", f"| {' | '.join(heads)} |", "|---|---|--:|--:|--:|--:|---|"]
        for card in cards:
            base = counts()[card.name]["base"]
            numbers = (with_unit(base.parameters), with_unit(base.trained), str(base.input_size))
            cells = (f"`{card.name}`", str(card.year), *numbers, with_unit(base.flops))
            lines.append(f"| {' | '.join((*cells, short_fidelity(card)))} |")
        lines.append("")
    return "\n".join(lines)


def with_table(text: str) -> str:
    """Give a page with the table in place of what stands between its two marks.

    Raises:
        BenchmarkError: The page does not have them.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise BenchmarkError(f"the page has no '{BEGIN}' followed by '{END}'")
    return f"{before}{BEGIN}\n\n{page()}\n{END}{after}"


def _row(card: Card) -> list[str]:
    """Give a detector's row in the terminal."""
    base = counts()[card.name]["base"]
    numbers = [str(card.year), with_unit(base.parameters), str(base.input_size)]
    return [card.name, *numbers, short_fidelity(card)]


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(with_table(target.read_text(encoding="utf-8")), encoding="utf-8")
