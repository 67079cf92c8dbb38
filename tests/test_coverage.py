"""The simulations run on the product's own intervals, and write their tables where asked for."""

import json
from pathlib import Path

import numpy as np
import pytest

from performance import coverage
from performance.coverage import BEGIN, END, Design, drawn_swaps, drawn_videos, main
from performance.measuring import markdown
from results.metrics.functions import auc


def test_the_page_and_the_records_have_the_same_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coverage, "RESAMPLES", 100)
    page, record = tmp_path / "page.md", tmp_path / "records" / "coverage.json"
    page.write_text(f"before\n\n{BEGIN}\nstale\n{END}\n\nafter\n")
    main(["--sets", "2", "--page", str(page), "--json", str(record)])
    text, facts = page.read_text(), json.loads(record.read_text())
    assert "stale" not in text
    assert text.startswith("before")
    assert text.endswith("after\n")
    assert (facts["sets"], facts["resamples"]) == (2, 100)
    assert len(facts["tables"]) == 5
    for title, rows in facts["tables"].items():
        assert f"{title}:" in text
        for row in rows:
            shares = [float(row[name]) for name in row if name.endswith("covers")]
            assert all(0 <= share <= 1 for share in shares)
    again = tmp_path / "again.json"
    main(["--sets", "2", "--json", str(again)])
    assert again.read_text() == record.read_text()


def test_drawn_data_sets_have_the_auc_that_they_are_said_to_have() -> None:
    rng = np.random.default_rng(0)
    for design in (Design(True, 0.9, 3000, 2), Design(False, 0.99, 3000, 2)):
        labels, scores, clusters = drawn_videos(design, rng)
        assert auc(labels, scores) == pytest.approx(design.auc, abs=0.01)
        assert len(np.unique(clusters)) == 3000 * (1 if design.shared else 2)
    labels, scores, ways = drawn_swaps(3000, 2, 0.25, rng)
    assert auc(labels, scores) == pytest.approx(0.9, abs=0.01)
    assert ways.counted(labels == 1) == 3000


def test_the_table_in_the_docs_is_that_of_the_records() -> None:
    root = Path(__file__).parents[1]
    facts = json.loads((root / "performance" / "records" / "coverage.json").read_text())
    page = (root / "docs" / "metrics.md").read_text()
    for title, rows in facts["tables"].items():
        assert f"{title}:\n\n{markdown(rows)}" in page
