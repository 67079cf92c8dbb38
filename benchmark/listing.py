"""The detectors of the catalog for a reader, in a terminal and in the documentation; no torch.

    python -m benchmark.listing docs/detectors.md

writes the table of all detectors into the page, between its two marks.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import shorten

from benchmark.errors import BenchmarkError
from benchmark.recipe import common_name
from detectors.card import Card
from detectors.cards import CARDS
from detectors.cards.counts import counts
from leaderboard.numbers import with_unit

ALL = "all"
COLUMNS = ("name", "year", "params", "input", "how faithful it is")
NOTE = (
    "Params and input (pixels a side): of the size base, in training. "
    "forgerybench show detector NAME has the whole card."
)
_IN_TERMINAL, _IN_DOCS = 90, 160  # characters of how faithful one is
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


def without_own_recipe() -> list[str]:
    """Name the detectors that have no track ``own``: nothing says how they are trained."""
    return [c.name for c in CARDS.values() if c.fit == "gradient" and c.own_recipe is None]


def spelt_out(names: Sequence[str], size: str, track: str | None = None) -> list[str]:
    """Put what ``all`` stands for in its place.

    Args:
        names: Of detectors, ``all`` among them or not.
        size: What needs a download at this size is left out.
        track: ``own`` leaves out what has none; None: no matter, a recipe is named.
    """
    left_out = without_own_recipe() if track == "own" else []
    everyone = [name for name in without_downloads(size)[0] if name not in left_out]
    lists = [everyone if name == ALL else [name] for name in names]
    return [name for some in lists for name in some]


def left_out_notes(names: Sequence[str], size: str, track: str | None = None) -> dict[str, str]:
    """Say which detectors ``all`` does not stand for: why, and their names; none if not asked."""
    if ALL not in names:
        return {}
    heavy = without_downloads(size)[1]
    lacking = [name for name in without_own_recipe() if name not in heavy]
    found = {
        f"that start from published weights at size {size}; name them to download": heavy,
        "without a track 'own', since nothing says how they are trained": (
            lacking if track == "own" else []
        ),
    }
    told = {f"all leaves out {len(some)} {why}": some for why, some in found.items() if some}
    return {why: ", ".join(some) for why, some in told.items()}


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
            lines.append(f"| {' | '.join((*cells, short_fidelity(card, _IN_DOCS)))} |")
        lines.append("")
    return "\n".join(lines)


def with_table(text: str) -> str:
    """Give a page with the table of all detectors between its two marks."""
    return between_marks(text, BEGIN, END, page())


def between_marks(text: str, begin: str, end: str, table: str) -> str:
    """Give a page with a table in place of what stands between two marks.

    Raises:
        BenchmarkError: The page does not have them.
    """
    before, first, rest = text.partition(begin)
    _, last, after = rest.partition(end)
    if not (first and last):
        raise BenchmarkError(f"the page has no '{begin}' followed by '{end}'")
    return f"{before}{begin}\n\n{table}\n{end}{after}"


def _row(card: Card) -> list[str]:
    """Give a detector's row in the terminal."""
    base = counts()[card.name]["base"]
    numbers = [str(card.year), with_unit(base.parameters), str(base.input_size)]
    return [card.name, *numbers, short_fidelity(card, _IN_TERMINAL)]


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(with_table(target.read_text(encoding="utf-8")), encoding="utf-8")
