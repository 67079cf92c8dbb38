"""What the figures draw: the numbers behind the ink, against numbers found another way."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from leaderboard.errors import LeaderboardError
from leaderboard.figures.calibration import reliability_table
from leaderboard.figures.critical import block_table, compare_ranks, critical_diagram
from leaderboard.figures.panels import clean_results, spread_labels
from leaderboard.figures.robustness import severity_table
from leaderboard.figures.roc import deviates, mean_curves
from leaderboard.figures.scores import HISTOGRAM_BINS, REAL_FACES, score_table
from leaderboard.figures.slope import slope_table
from leaderboard.figures.tradeoff import frontier, tradeoff_chart, tradeoff_table
from leaderboard.view import Context, summarise
from results.errors import UndefinedError
from results.metrics.functions import auc, ece, probability
from results.statistics.joint import Bootstrap
from tests.fake_run import Generator, contexts, fake_samples, make_run


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> list[Context]:
    folder = tmp_path_factory.mktemp("run")
    protocols = ["cross-forgery", "robustness-basic"]
    return contexts(make_run(folder, protocols=protocols, detectors=["mfclip", "spectrum"]))


def test_curves_have_the_area_that_the_tables_show(small: list[Context]) -> None:
    matrix = small[0].view
    for curve in mean_curves(small[0]):
        cells = [
            result
            for result in matrix.of(curve.contender, matrix.base, matrix.level, seen=curve.seen)
            if result.test.label == curve.test and result.record and result.record.n_real
        ]
        assert len(cells) == curve.models
        values = [result.value("AUC").value for result in cells]
        area = np.trapezoid(curve.curve.tpr, curve.curve.fpr)
        # A mean curve of 501 points is as near to the mean area as its steps are wide.
        assert area == pytest.approx(np.mean(values), abs=2e-3)  # type: ignore[arg-type]


def test_deviates_of_rates_are_those_of_the_normal_curve() -> None:
    assert deviates([0.5, 0.8413447, 0.1586553]) == pytest.approx([0, 1, -1], abs=1e-6)
    assert np.isfinite(deviates([0.0, 1.0])).all()


def test_shares_of_scores_add_up_to_one_for_each_kind_of_image(small: list[Context]) -> None:
    table = score_table(small[0])
    totals = table.groupby(["contender", "kind"])["share"].sum()
    assert totals.to_numpy() == pytest.approx(1.0)
    assert set(table["kind"]) == {REAL_FACES, "DFDC-mixed", "StarGAN", "StyleGAN"}
    assert table["bin"].max() == HISTOGRAM_BINS - 1


def test_the_share_called_fake_is_the_mean_over_models_that_did_not_see_it(
    small: list[Context],
) -> None:
    matrix, contents = small[0].view, small[0].contents
    table = score_table(small[0])
    contender = matrix.contenders[0]
    shares = []
    for result in clean_results(matrix, contender):
        generators = contents.samples["generator"].iloc[result.cell.test.rows].to_numpy()
        assert result.model is not None
        logits = contents.scored(result.model.id, result.cell).scores
        if (generators == "StyleGAN").any():
            assert not result.cell.seen
            shares.append(float((logits[generators == "StyleGAN"] > 0).mean()))
    here = table[(table["contender"] == contender.label) & (table["kind"] == "StyleGAN")]
    assert here["models"].iloc[0] == len(shares) > 1
    assert here["called"].iloc[0] == pytest.approx(np.mean(shares))


def test_the_calibration_error_of_one_cell_is_that_of_the_metric(small: list[Context]) -> None:
    damage, contents = small[1].view, small[1].contents
    table = reliability_table(small[1])
    contender = damage.contenders[0]
    (result,) = clean_results(damage, contender)
    assert result.model is not None
    scored = contents.scored(result.model.id, result.cell)
    here = table[table["contender"] == contender.label]
    expected = ece(scored.labels, probability(scored.scores))
    assert here["ece"].iloc[0] == pytest.approx(expected)
    drawn = ((here["confidence"] - here["fakes"]).abs() * here["share"]).sum()
    assert drawn == pytest.approx(expected)


def test_bands_hold_their_value_and_are_the_same_again(small: list[Context]) -> None:
    damage, contents = small[1].view, small[1].contents
    table = severity_table(small[1])
    assert (table["low"] < table["value"]).all()
    assert (table["value"] < table["high"]).all()
    afresh = replace(small[1], bootstrap=Bootstrap(contents))
    pd.testing.assert_frame_equal(table, severity_table(afresh))
    clean = table[(table["severity"] == 0) & (table["contender"] == "MFCLIP")]
    assert clean["value"].nunique() == clean["low"].nunique() == 1
    (result,) = clean_results(damage, damage.contenders[0])
    assert result.model is not None
    scored = contents.scored(result.model.id, result.cell)
    assert clean["value"].iloc[0] == auc(scored.labels, scored.scores)


def test_slopes_are_the_means_of_the_summary(small: list[Context]) -> None:
    matrix = small[0].view
    table = slope_table(matrix).set_index("contender")
    for contender in matrix.contenders:
        for name, seen in (("seen", True), ("unseen", False)):
            cells = matrix.of(contender, matrix.base, matrix.level, seen=seen)
            assert table.loc[contender.label, name] == summarise(cells, "AUC").value


def test_more_costs_are_panels_and_a_detector_may_lack_one(small: list[Context]) -> None:
    matrix = small[0].view
    costs = pd.DataFrame({"images per second": {"mfclip": 50.0}})
    table = tradeoff_table(matrix, costs)
    assert table["parameters"].tolist() == [1_234_567, 129]
    assert table["images per second"].tolist()[0] == 50
    assert np.isnan(table["images per second"].tolist()[1])
    stacked, alone = tradeoff_chart(matrix, table), tradeoff_chart(matrix, tradeoff_table(matrix))
    assert stacked.height > alone.height
    with pytest.raises(LeaderboardError, match="costs are numbers above 0"):
        tradeoff_table(matrix, costs * 0)


def test_the_frontier_is_what_nothing_cheaper_beats() -> None:
    table = pd.DataFrame({"value": [0.6, 0.9, 0.8, 0.7], "parameters": [1.0, 10.0, 20.0, 1.0]})
    assert frontier(table, "parameters")["value"].tolist() == [0.7, 0.9]
    rates = table.rename(columns={"parameters": "images per second"})
    assert frontier(rates, "images per second")["value"].tolist() == [0.8, 0.9]
    errors = table.assign(value=1 - table["value"])
    found = frontier(errors, "parameters", higher_is_better=False)
    assert found["value"].tolist() == pytest.approx([0.3, 0.1])


def test_labels_that_would_collide_move_apart_around_their_places() -> None:
    assert spread_labels([0.5, 0.1, 0.9], 0.1) == pytest.approx([0.5, 0.1, 0.9])
    assert spread_labels([0.5, 0.5], 0.2) == pytest.approx([0.4, 0.6])
    assert spread_labels([0.52, 0.5, 0.1], 0.1) == pytest.approx([0.56, 0.46, 0.1])


def test_ranks_over_eight_independent_test_sets_are_drawn(tmp_path: Path) -> None:
    generators = [Generator(f"G{i}", "EFS", "GAN", f"s{i}", 12) for i in range(9)]
    samples = fake_samples(generators, {f"s{i}": 12 for i in range(9)})
    detectors = ["mfclip", "xception", "spectrum"]
    run = make_run(tmp_path, samples=samples, protocols=["cross-generator"], detectors=detectors)
    (context,) = contexts(run)
    view = context.view
    table = block_table(view)
    assert table.shape == (9, 3)
    values = [
        result.value("AUC").value
        for result in view.of(view.contenders[0], view.base, view.level, seen=False)
        if result.test.label == "G4" and result.cell.headline
    ]
    assert table.loc["G4", "MFCLIP"] == pytest.approx(np.mean(values))  # type: ignore[arg-type]
    found = compare_ranks(context)
    assert found.blocks == 9
    assert found.ranks["MFCLIP"] == table.rank(axis=1, ascending=False)["MFCLIP"].mean()
    assert critical_diagram(view, found) == critical_diagram(view, found)


def test_too_few_test_sets_have_no_ranks(small: list[Context]) -> None:
    with pytest.raises(UndefinedError, match="needs 3 detectors or more, there are 2"):
        compare_ranks(small[0])
