"""The board of this repository as a page: from its entries and what papers report.

python -m docs.scripts.board leaderboard/README.md
"""

import sys
from pathlib import Path

from docs.scripts.pages import between_marks, rewrite
from leaderboard.board.build import with_reported
from leaderboard.board.payload import headlines
from leaderboard.board.ranking import Row, Slice, slices
from leaderboard.board.records import newest, read_entries
from leaderboard.board.schema import BoardEntry
from leaderboard.board.seeds import is_seedless, join_seeds, seeds_of
from leaderboard.tables.table import DASH, markdown_text
from results.literature import read_literature
from results.rounding import rounded

ENTRIES = Path(__file__).parents[2] / "results" / "published" / "entries"
BEGIN, END = "<!-- made by: make board-page -->", "<!-- end of what is made -->"
MOST = 12  # rows of a protocol; the site has all


def board_entries() -> list[BoardEntry]:
    """Read the entries of this repository, with what papers report."""
    there = read_entries(ENTRIES) if any(ENTRIES.glob("*/*.json")) else []
    return with_reported(newest(there), read_literature())


def tables() -> str:
    """Give a table a protocol, in Markdown."""
    found = headlines(slices(join_seeds(board_entries())))
    return "\n".join(_table(each) for each in found)


def with_tables(text: str) -> str:
    """Put ``tables`` in the place of what was made before."""
    return between_marks(text, BEGIN, END, tables())


def _table(found: Slice) -> str:
    """Show one protocol: the best known states first."""
    first = found.rows[0].entry
    lines = [
        f"## {markdown_text(first.protocol_title)}",
        "",
        f"Mean {found.metric} by {found.level} over {len(found.counting)} cells; "
        f"`{found.protocol}`, version {found.version}.",
        "",
        "| rank | detector | mean | seeds | cells | state | source |",
        "|---|---|---|---|---|---|---|",
        *(_row(row, found) for row in found.rows[:MOST]),
    ]
    left = len(found.rows) - MOST
    return "\n".join([*lines, *(["", f"{left} more on the site."] if left > 0 else []), ""])


def _row(row: Row, found: Slice) -> str:
    """Show one entry."""
    mean = DASH if row.mean is None else rounded(row.mean)
    if row.low is not None and row.high is not None:
        mean += f" ({rounded(row.low)}{DASH}{rounded(row.high)})"
    rank = DASH if row.rank is None else f"{row.rank}{'=' if row.alike else ''}"
    seeds = str(len(seeds_of(row.entry)) or DASH)
    seeds += " (same scores)" if is_seedless(row.entry) else ""
    cells = f"{row.covered}/{len(found.counting)}"
    texts = [row.entry.title, row.entry.state, row.entry.source or DASH]
    title, state, source = map(markdown_text, texts)
    return f"| {rank} | {title} | {mean} | {seeds} | {cells} | {state} | {source} |"


if __name__ == "__main__":
    rewrite(sys.argv[1], BEGIN, END, tables())
