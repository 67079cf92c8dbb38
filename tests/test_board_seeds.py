"""Training seeds on a board: one row a detector, as sure as seeds and images let it be."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leaderboard.board.build import build_board
from leaderboard.board.ranking import Slice, lead_of, slices
from leaderboard.board.schema import BoardEntry
from leaderboard.board.seeds import is_seedless, join_seeds, seeds_of
from tests.fake_board import make_entry


def only(entries: list[BoardEntry]) -> Slice:
    return slices(entries)[0]


def ranks(entries: list[BoardEntry]) -> dict[str, int | None]:
    return {row.entry.entry: row.rank for row in only(entries).rows}


def seeded(name: str, seed: int, **changes: Any) -> BoardEntry:
    """Make an entry named by its training seed, as a run names them."""
    entry = make_entry(name, seed=changes.pop("noise", seed), **changes)
    return entry.model_copy(update={"entry": f"{name}-{seed}", "seed": seed})


def test_training_seeds_are_one_row_whose_interval_is_of_other_seeds_too() -> None:
    shift = {0: 0.78, 1: 0.80, 2: 0.84}
    entries = [seeded("a", seed, strength=value) for seed, value in shift.items()]
    alone = only(join_seeds(entries[:1])).rows[0]
    assert (alone.entry.entry, alone.entry.title, alone.deviation) == ("a", "A", None)
    (row,) = only(join_seeds(entries)).rows
    assert (row.entry.entry, seeds_of(row.entry), is_seedless(row.entry)) == ("a", (0, 1, 2), False)
    assert row.mean is not None
    assert row.low is not None
    assert row.deviation is not None
    assert row.mean == pytest.approx(np.mean([only([e]).rows[0].mean or 0 for e in entries]))
    assert row.deviation == pytest.approx(np.std(list(shift.values()), ddof=1), rel=0.1)
    # Student's t of two degrees of freedom on three seeds, beside what the images add.
    assert row.mean - row.low == pytest.approx(
        np.hypot(4.303 * row.deviation / np.sqrt(3), (alone.mean or 0) - (alone.low or 0)), rel=0.02
    )
    cell = row.entry.cells[1]
    assert cell.metrics["AUC"].value == pytest.approx(
        np.mean([e.cells[1].metrics["AUC"].value for e in entries])
    )
    assert (cell.metrics["AUC"].low or 0) < 0.74, "farther than the 0.02 of each seed"


def test_a_detector_that_no_seed_changes_is_one_row_and_varies_by_images_alone() -> None:
    same = [seeded("floor", seed, noise=7).model_copy(update={"models": {"T0": "x"}})
            for seed in range(3)]  # fmt: skip
    others = [seeded("net", seed, strength=0.7 + 0.02 * seed) for seed in range(3)]
    found = {row.entry.entry: row for row in only(join_seeds([*same, *others])).rows}
    assert set(found) == {"floor", "net"}
    floor, alone = found["floor"], only(same[:1]).rows[0]
    assert is_seedless(floor.entry)
    assert (floor.low, floor.high) == pytest.approx((alone.low, alone.high), abs=1e-4)
    assert found["net"].over_cells is not None
    assert found["net"].over_cells.between > 0


def test_seeds_that_differ_in_more_are_rows_of_their_own_and_a_hole_of_one_is_a_hole() -> None:
    entries = [
        seeded("a", 0), seeded("a", 1, draws="other images"),
        seeded("b", 0), seeded("b", 1, holes=(1,)),
        seeded("c", 0, state="reported", draws=""), seeded("c", 1, state="reported", draws=""),
    ]  # fmt: skip
    made = join_seeds(entries)
    assert [(e.entry, e.title) for e in made] == [
        ("a-0", "A, seed 0"), ("a-1", "A, seed 1"), ("b", "B"),
        ("c-0", "C, seed 0"), ("c-1", "C, seed 1"),
    ]  # fmt: skip
    rows = {row.entry.entry: row for row in only(made).rows}
    assert (rows["b"].mean, rows["b"].covered) == (None, 1)


def test_means_of_seeds_are_told_apart_by_how_seeds_vary() -> None:
    a = [seeded("a", seed, strength=value) for seed, value in enumerate((0.80, 0.84, 0.88))]
    b = [seeded("b", seed, strength=value) for seed, value in enumerate((0.78, 0.82, 0.86))]
    assert ranks(join_seeds([a[0], b[0]])) == {"a": 1, "b": 2}, "one seed each: their models differ"
    assert ranks(join_seeds([*a, *b])) == {"a": 1, "b": 1}
    lead = lead_of(only(join_seeds([*a, *b])))
    assert lead is not None
    assert lead.ahead is not None
    assert (lead.ahead.low or 0) < 0 < (lead.ahead.high or 0)
    assert ranks(join_seeds([a[1], *b])) == {"a": 1, "b": 1}, "another seed might have changed it"


def test_a_board_has_a_page_a_detector_with_its_seeds_and_a_history_of_each(tmp_path: Path) -> None:
    entries = [seeded("a", seed, strength=0.8 + 0.01 * seed) for seed in range(3)]
    build_board(entries, tmp_path / "site")
    pages = [path.name for path in (tmp_path / "site" / "detectors").glob("*.html")]
    assert pages == ["a.html"]
    page = (tmp_path / "site" / "detectors" / "a.html").read_text("utf-8")
    assert "seeds 0, 1, 2" in page
    assert "Numbers are means over 3 training seeds, of standard deviation 0.0" in page
    history = (tmp_path / "site" / "history.html").read_text("utf-8")
    assert history.count('<a href="detectors/a.html">A, seed') == 3
    rows = list(csv.DictReader((tmp_path / "site" / "board.csv").open()))
    assert {row["seed"] for row in rows} == {"0", "1", "2"}, "downloads have each seed"
