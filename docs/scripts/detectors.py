"""The table of all detectors in a page.

python -m docs.scripts.detectors docs/detectors.md
"""

import sys

from benchmark.cli.catalog import by_group, short_fidelity
from detectors.cards.counts import counts
from docs.scripts.pages import between_marks, rewrite
from leaderboard.tables.table import with_unit

_IN_DOCS = 160  # characters of how faithful one is
BEGIN, END = "<!-- detectors: begin -->", "<!-- detectors: end -->"


def table() -> str:
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
    return between_marks(text, BEGIN, END, table())


if __name__ == "__main__":
    rewrite(sys.argv[1], BEGIN, END, table())
