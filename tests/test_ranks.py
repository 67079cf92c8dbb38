"""Ranks and means over seeds: over the same resamples, never over cells that are small."""

from pathlib import Path

import numpy as np
import pytest

from leaderboard.tables.ranks import ranks_tables
from leaderboard.tables.registry import TABLES
from leaderboard.tables.seeds import seeds_tables
from leaderboard.tables.table import Table, TableCell
from leaderboard.view import Context
from results.run import RunContents
from results.store import read_scores, write_scores
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


def damaged(tmp_path: Path, number: int) -> Context:
    """Two detectors, of which the one is better on undamaged images, the other on damaged ones."""
    samples = fake_samples([Generator("G", "EFS", "GAN", "s", number)], {"s": number})
    run = make_run(
        tmp_path, samples=samples, protocols=["robustness-basic"], detectors=["mfclip", "spectrum"]
    )
    fakes = samples.loc[samples["label"] == "fake", "sample_id"]
    for entry in RunContents(run).facts.entries:
        assert entry.model is not None
        table = read_scores(run, entry.model)
        clean = table["condition"] == "clean"
        gain = np.where(clean == (entry.detector == "mfclip"), 2.0, 1.0)
        noise = np.random.default_rng(0).normal(size=len(table))
        logits = gain * table["sample_id"].isin(fakes) + noise
        write_scores(run, entry.model, table.assign(logit=logits.astype(np.float32)))
    return contexts(run)[0]


def test_a_protocol_with_damage_ranks_under_damage_and_says_so(tmp_path: Path) -> None:
    context = damaged(tmp_path, 400)
    view = context.view
    (table,) = ranks_tables(context)
    assert [section.title for section in table.sections] == [
        "under damage, mean over all conditions",
        "undamaged images",
    ]
    assert table.caption.endswith(
        "ranks by mean AUC by image over 1 seen cell under 12 damaged conditions and without"
    )
    for number, conditions in ((0, view.damaged), (1, (view.base,))):
        found = rows(table, number)
        assert list(found) == (["Spectrum", "MFCLIP"] if number == 0 else ["MFCLIP", "Spectrum"])
        for contender in view.contenders:
            values = [
                result.value("AUC").value or 0
                for condition in conditions
                for result in view.of(contender, condition, "image")
            ]
            assert found[contender.label][1].raw == pytest.approx(np.mean(values))
