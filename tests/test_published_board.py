"""The board of this repository is what its records give."""

from pathlib import Path

from docs.scripts.board import board_entries, tables, with_tables
from leaderboard.board.build import build_board
from leaderboard.board.schema import STATES

PAGE = Path(__file__).parents[1] / "leaderboard" / "README.md"


def test_the_page_is_what_the_records_give() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert with_tables(text) == text, "run: make board-page"
    assert "| reported |" in text


def test_every_published_number_stands_in_a_state_of_its_own_and_the_site_is_built(
    tmp_path: Path,
) -> None:
    entries = board_entries()
    reported = [entry for entry in entries if entry.state == "reported"]
    assert len({entry.protocol for entry in reported}) >= 3
    assert sum(len(cell.metrics) for entry in reported for cell in entry.cells) > 200
    assert all(entry.draws == "" and entry.source for entry in reported)
    assert {entry.state for entry in entries} <= set(STATES)
    page = build_board(entries, tmp_path / "site")
    assert "reported" in page.read_text(encoding="utf-8")
    assert "## " in tables()
