"""The board of this repository is what its records give, and takes submissions of its runs."""

from datetime import date
from pathlib import Path

import pytest

import benchmark
from benchmark.synthetic.generate import generate
from docs.scripts.board import board_entries, tables, with_tables
from leaderboard.board.build import build_board
from leaderboard.board.records import read_entry
from leaderboard.board.schema import STATES
from leaderboard.submissions.adding import add_submission
from leaderboard.submissions.checking import check_archive
from leaderboard.submissions.keeper import make_keeper
from leaderboard.submissions.packing import pack
from results.store import read_run

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


@pytest.mark.slow
def test_a_quickstart_is_accepted_by_a_keeper_who_hides_its_labels(tmp_path: Path) -> None:
    manifest = generate(tmp_path / "embedded")
    page: Path = benchmark.run(
        "quickstart", data=manifest, detectors=["spectrum"], out=tmp_path / "run",
        store=tmp_path / "store",
    )  # fmt: skip
    keeper = make_keeper(page.parent, tmp_path / "keeper", hidden_labels=True, looks=1)
    archive = tmp_path / "mine.zip"
    pack(page.parent, archive, submitter="Somebody", training_data="the embedded set",
         said={"code": "https://example.org/code"})  # fmt: skip
    done = add_submission(archive, keeper, tmp_path / "entries", date(2026, 1, 1))
    assert [v for v in done.checked.verdicts if v.faults] == []
    assert {path.parent.name for path in done.added} == {
        "cross-generator-v1", "cross-forgery-v1", "cross-dataset-v1", "robustness-basic-v1",
    }  # fmt: skip
    assert {read_entry(path).state for path in done.added} == {"hidden-labels"}
    again = add_submission(archive, keeper, tmp_path / "entries", date(2026, 1, 1))
    assert [v.rule for v in again.checked.verdicts if v.faults] == ["looks"]


def test_a_measured_run_is_accepted_by_a_keeper_who_hides_its_labels(tmp_path: Path) -> None:
    run = PAGE.parents[1] / "results" / "published" / "faces-cpu"
    keeper = make_keeper(run, tmp_path / "keeper", hidden_labels=True, looks=2)
    archive = tmp_path / "mine.zip"
    pack(
        run, archive, submitter="Somebody", training_data="public faces",
        detector=read_run(run).entries[0].detector,
        said={"code": "https://example.org/code", "licence": "Apache-2.0"},
    )  # fmt: skip
    checked = check_archive(archive, keeper, date(2026, 1, 1))
    assert [v for v in checked.verdicts if v.faults] == []
    assert {entry.state for entry in checked.entries} == {"hidden-labels"}
