"""Ranks and means over seeds: over the same resamples, never over cells that are small."""

from pathlib import Path

import numpy as np
import pytest

from leaderboard.tables.ranks import ranks_tables
from leaderboard.tables.registry import TABLES
from leaderboard.tables.seeds import seeds_tables
from leaderboard.tables.table import Table, TableCell
from leaderboard.view import Context
from tests.fake_run import Generator, contexts, fake_samples, make_run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Context:
    folder = make_run(
        tmp_path_factory.mktemp("run"),
        protocols=["cross-forgery"],
        detectors=["mfclip", "clip-linear", "spectrum"],
        seeds=(0, 1),
    )
    return contexts(folder)[0]


def rows(table: Table, number: int = 0) -> dict[str, tuple[TableCell, ...]]:
    return dict(table.sections[number].rows)


def test_detectors_are_ranked_over_large_cells_alone(made: Context) -> None:
    view = made.view
    (table,) = ranks_tables(made)
    found = rows(table)
    means = [cells[1].raw or 0 for cells in found.values()]
    assert means == sorted(means, reverse=True)
    assert next(iter(found)) == "MFCLIP"
    assert sum(cells[3].raw or 0 for cells in found.values()) == pytest.approx(1)
    counted = [
        result
        for result in view.at(view.base, "image")
        if result.contender.detector == "mfclip"
        and result.cell.headline
        and not result.cell.seen
        and not result.small
    ]
    assert f"over {len(counted) // 2} unseen cells" in table.caption
    values = [result.value("AUC").value or 0 for result in counted]
    assert means[0] == pytest.approx(np.mean(values))


def test_a_mean_over_seeds_has_their_spread_and_an_interval(made: Context) -> None:
    view = made.view
    (table,) = seeds_tables(made)
    cell = rows(table)["EFS"][[test.label for test in view.tests].index("FS")]
    of_seeds = [
        result.value("AUC").value or 0
        for result in view.at(view.base, "image")
        if (result.contender.detector, result.cell.training, result.test.label)
        == ("mfclip", "EFS", "FS")
    ]
    assert cell.raw == pytest.approx(np.mean(of_seeds))
    assert cell.detail.startswith(f"sd {np.std(of_seeds, ddof=1):.3f}; 0.")


def test_without_a_large_cell_there_are_no_ranks(tmp_path: Path) -> None:
    samples = fake_samples([Generator(n, "EFS", "GAN", n, 30) for n in "AB"], {"A": 30, "B": 30})
    run = make_run(
        tmp_path,
        samples=samples,
        protocols=["cross-generator"],
        detectors=["mfclip", "spectrum"],
    )
    (context,) = contexts(run)
    assert list(ranks_tables(context)) == []
    assert "training seeds" not in [entry.name for entry in TABLES if entry.applies(context)]
