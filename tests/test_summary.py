"""Summaries: computed anew from the long table, and never helped by a hole."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from leaderboard.tables.cells import interval_text
from leaderboard.tables.damage import corruption_drop, relative_robustness, severity_area
from leaderboard.tables.long import cells_frame
from leaderboard.tables.summary import summary_tables
from leaderboard.tables.table import TableCell
from leaderboard.view import Context, ProtocolView
from protocols import Protocol, load_protocol
from results.statistics.intervals import bootstrap_interval
from results.store import read_run, scores_path, write_run
from tests.fake_run import Generator, contexts, fake_samples, make_run

GENERATORS = (
    Generator("A", "EFS", "GAN", "one", 110),
    Generator("B", "FS", "diffusion", "two", 110),
    Generator("C", "AM", "GAN", "orphan", 110),
)
DETECTORS = ["mfclip", "clip-linear"]


def damaged() -> Protocol:
    """Cross-generator under the conditions of robustness."""
    robustness = load_protocol("robustness-basic").model_dump()
    changes = {name: robustness[name] for name in ("conditions", "summaries")}
    return Protocol.model_validate(load_protocol("cross-generator").model_dump() | changes)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    samples = fake_samples(GENERATORS, {"one": 110, "two": 110})
    return make_run(folder, samples=samples, protocols=[damaged()], detectors=DETECTORS)


@pytest.fixture(scope="module")
def context(run: Path) -> Context:
    return contexts(run)[0]


@pytest.fixture(scope="module")
def view(context: Context) -> ProtocolView:
    return context.view


@pytest.fixture(scope="module")
def cells(view: ProtocolView) -> pd.DataFrame:
    """The headline cells of the detector that tells little."""
    table = cells_frame([view])
    return table[(table["detector"] == "clip-linear") & table["headline"]]


def shown(context: Context, row: int = 0) -> dict[str, TableCell]:
    (table,) = summary_tables(context)
    return dict(zip(table.columns, table.sections[0].rows[row][1], strict=True))


def test_only_forgeries_with_real_images_of_their_source_count(cells: pd.DataFrame) -> None:
    assert set(cells["test"]) == {"A", "B"}
    assert set(cells["training"]) == {"A", "B", "C"}


def test_the_mean_drop_is_over_cells_and_conditions(
    view: ProtocolView, cells: pd.DataFrame
) -> None:
    wide = cells.pivot_table(index=["training", "test"], columns="condition", values="AUC")
    drops = wide.drop(columns="clean").rsub(wide["clean"], axis=0)
    found = corruption_drop(view, view.contenders[1])
    assert found.value == pytest.approx(drops.to_numpy().mean())
    assert (found.covered, found.total) == (6 * 12, 6 * 12)


def test_relative_robustness_leaves_out_what_clean_images_hardly_tell(
    view: ProtocolView, cells: pd.DataFrame
) -> None:
    wide = cells.pivot_table(index=["training", "test"], columns="condition", values="AUC")
    telling = wide[wide["clean"] >= 0.65]
    assert 0 < len(telling) < len(wide)
    share = (telling.drop(columns="clean") - 0.5).div(telling["clean"] - 0.5, axis=0)
    found = relative_robustness(view, view.contenders[1])
    assert found.value == pytest.approx(share.to_numpy().mean())
    assert (found.covered, found.total) == (share.size, 6 * 12)


@pytest.mark.parametrize(("name", "least"), [("EER", 0.35), ("AP-balanced", 0.65)])
def test_relative_robustness_is_of_the_way_from_chance_to_the_best(
    tmp_path: Path, name: str, least: float
) -> None:
    protocol = damaged().model_copy(update={"metrics": (name,)})
    samples = fake_samples(GENERATORS, {"one": 110, "two": 110})
    run = make_run(tmp_path, samples=samples, protocols=[protocol], detectors=DETECTORS)
    (context,) = contexts(run)
    view = context.view
    table = cells_frame([view])
    table = table[(table["detector"] == "clip-linear") & table["headline"]]
    wide = table.pivot_table(index=["training", "test"], columns="condition", values=name)
    clean = wide["clean"]
    telling = wide[clean <= least] if name == "EER" else wide[clean >= least]
    assert 0 < len(telling) < len(wide)
    share = (telling.drop(columns="clean") - 0.5).div(telling["clean"] - 0.5, axis=0)
    found = relative_robustness(view, view.contenders[1])
    assert found.value == pytest.approx(share.to_numpy().mean())
    side = "below chance that is left, where that is at most" if name == "EER" else "at least"
    assert f"{side} {least}" in " ".join(next(iter(summary_tables(context))).notes)


def test_a_metric_whose_chance_has_no_one_value_has_no_relative_robustness(tmp_path: Path) -> None:
    protocol = damaged().model_copy(update={"metrics": ("AP",)})
    (context,) = contexts(make_run(tmp_path, protocols=[protocol], detectors=["spectrum"]))
    cell = shown(context)["relative robustness"]
    assert (cell.raw, cell.reason) == (None, "chance has no one value of AP")


def test_the_area_is_the_mean_height_from_clean_to_the_last_severity(
    view: ProtocolView, cells: pd.DataFrame
) -> None:
    heights = []
    for _, rows in cells.groupby(["training", "test"]):
        clean = rows.loc[rows["condition"] == "clean", "AUC"].item()
        for _, curve in rows[rows["severity"] > 0].groupby("condition_name"):
            at = dict(zip(curve["severity"], curve["AUC"], strict=True))
            area = (clean + at[1]) / 2 + (at[1] + at[3]) + (at[3] + at[5])
            heights.append(area / 5)
    assert severity_area(view, view.contenders[1]).value == pytest.approx(np.mean(heights))


def test_the_table_shows_what_the_protocol_states(context: Context) -> None:
    assert list(shown(context))[:4] == [
        "seen", "area under severity", "relative robustness", "mean drop under damage",
    ]  # fmt: skip


def test_numbers_over_damage_have_intervals_of_the_same_resamples(context: Context) -> None:
    found = shown(context, 1)
    for name in ("area under severity", "relative robustness", "mean drop under damage"):
        cell = found[name]
        covered, interval = cell.detail.split("; ")
        assert covered.count("/") == 1
        low, high = (float(end) for end in interval.split("\N{EN DASH}"))
        assert cell.raw is not None
        assert low < cell.raw < high
    joint, view = context.bootstrap.of(context.view.name), context.view
    heights = [
        joint.replicates(r.model.id, r.cell, view.metric)
        for condition in (view.base, *view.damaged)
        for r in view.of(view.contenders[1], condition, view.level)
        if r.cell.headline and r.model
    ]
    clean, *damaged = np.array(heights).reshape(13, 6, -1)
    drops = (clean - np.array(damaged)).mean(axis=(0, 1))
    expected = bootstrap_interval(
        found["mean drop under damage"].raw or 0.0, drops, 28, bounds=(-np.inf, np.inf)
    )
    low_high = found["mean drop under damage"].detail.split("; ")[1]
    assert low_high == interval_text(expected.low, expected.high)


def test_the_drop_and_the_worst_have_intervals_and_the_worst_is_not_believed(
    tmp_path: Path,
) -> None:
    samples = fake_samples(GENERATORS, {"one": 110, "two": 110})
    run = make_run(tmp_path, samples=samples, protocols=["cross-generator"], detectors=DETECTORS)
    (context,) = contexts(run)
    found = shown(context)
    drop, worst = found["drop from seen to unseen"], found["worst unseen"]
    for cell in (drop, worst):
        low, high = (float(end) for end in cell.detail.split("; ")[-1].split("\N{EN DASH}"))
        assert cell.raw is not None
        assert low < cell.raw < high
    view = context.view
    cells = list(view.of(view.contenders[0], view.base, "image", seen=False))
    alone = min((r for r in cells if r.cell.headline), key=lambda r: r.value("AUC").value or 1)
    value = alone.value("AUC")
    assert value.low is not None
    assert low < value.low, "the worst of several is the worst by bad luck too"
    (table,) = summary_tables(context)
    assert any("partly the worst by bad luck" in note for note in table.notes)


def test_a_detector_that_lacks_a_cell_has_no_mean(run: Path, tmp_path: Path) -> None:
    samples = fake_samples(GENERATORS, {"one": 110, "two": 110})
    again = make_run(tmp_path, samples=samples, protocols=["cross-generator"], detectors=DETECTORS)
    whole = shown(contexts(again)[0])
    assert whole["unseen"].detail == "4/6"
    facts = read_run(again)
    gone = next(e.model for e in facts.entries if (e.detector, e.training) == ("mfclip", "B"))
    assert gone is not None
    scores_path(again, gone).unlink()
    write_run(again, facts)
    holed = contexts(again)[0]
    for name in ("seen", "unseen", "worst unseen", "drop from seen to unseen"):
        assert shown(holed)[name].raw is None, name
        assert shown(holed, 1)[name].raw is not None, name
    assert shown(holed)["unseen"].reason == "3 of the 4 cells that count have a value"
    assert shown(holed)["unseen"].detail == "3/6"
