"""The worst test sets: computed anew from the long table, the small ones apart."""

from pathlib import Path

import pandas as pd
import pytest

from leaderboard.tables.long import cells_frame
from leaderboard.tables.table import DASH, SMALL, TableCell
from leaderboard.tables.worst import worst_tables
from leaderboard.view import Context
from tests.fake_run import Generator, contexts, fake_samples, make_run

GENERATORS = (
    *(Generator(f"G{n}", "EFS", "GAN", "one", 110) for n in range(6)),
    Generator("few", "EFS", "GAN", "one", 20),
)
DETECTORS = ["mfclip", "clip-linear"]
LARGE = "without test sets of fewer than 100 real or forged samples, or 20 clusters of them"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Context]:
    folder = make_run(
        tmp_path_factory.mktemp("run"),
        samples=fake_samples(GENERATORS, {"one": 110}),
        protocols=["cross-generator", "everything"],
        detectors=DETECTORS,
    )
    return {each.view.name: each for each in contexts(folder)}


def rows(context: Context) -> dict[str, dict[str, dict[str, TableCell]]]:
    """Give cells by section, detector and column."""
    (table,) = worst_tables(context)
    return {
        section.title: {
            name: dict(zip(table.columns, cells, strict=True)) for name, cells in section.rows
        }
        for section in table.sections
    }


def by_test(context: Context, detector: str) -> "pd.Series[float]":
    """Average the unseen cells that count over training sets, plainly."""
    cells = cells_frame([context.view])
    here = cells[(cells["detector"] == detector) & cells["headline"] & (cells["seen"] == False)]  # noqa: E712
    return here.groupby("test")["AUC"].mean()


def test_the_worst_come_first_with_their_names_and_intervals(found: dict[str, Context]) -> None:
    shown = rows(found["cross-generator"])["all test sets"]["CLIP linear"]
    expected = by_test(found["cross-generator"], "clip-linear").sort_values()
    assert len(expected) == 7
    places = ["worst", "2nd worst", "3rd worst", "4th worst", "5th worst"]
    for place, (name, value) in zip(places, expected.items(), strict=False):
        cell = shown[place]
        assert cell.raw == pytest.approx(value, abs=1e-12)
        assert cell.detail.startswith(f"{name}; ")
        low, high = (float(end) for end in cell.detail.split("; ")[1].split(DASH))
        assert low < value < high
        assert (SMALL in cell.marks) == (name == "few")
    assert shown["mean"].raw == pytest.approx(expected.mean(), abs=1e-12)
    assert shown["spread"].raw == pytest.approx(expected.std(), abs=1e-12)
    assert SMALL in shown["mean"].marks
    assert shown["spread"].detail == f"{expected.min():.3f}{DASH}{expected.max():.3f}"


def test_small_sets_are_in_no_row_of_their_own_section(found: dict[str, Context]) -> None:
    sections = rows(found["cross-generator"])
    assert list(sections) == [LARGE, "all test sets"]
    shown = sections[LARGE]["CLIP linear"]
    expected = by_test(found["cross-generator"], "clip-linear").drop("few")
    assert shown["mean"].raw == pytest.approx(expected.mean(), abs=1e-12)
    assert shown["spread"].raw == pytest.approx(expected.std(), abs=1e-12)
    assert not any(SMALL in cell.marks for cell in shown.values())


def test_an_interval_holds_for_all_sets_at_once(found: dict[str, Context]) -> None:
    """It is no narrower than that of the set by itself."""
    context = found["cross-generator"]
    view, joint = context.view, context.bootstrap.of("cross-generator")
    cell = rows(context)["all test sets"]["CLIP linear"]["worst"]
    name, _, interval = cell.detail.partition("; ")
    who = next(each for each in view.contenders if each.detector == "clip-linear")
    alone = [
        (result.model.id, result.cell)
        for result in view.of(who, view.base, view.level, seen=False)
        if result.cell.headline and result.model and result.test.label == name
    ]
    assert cell.raw is not None
    low, high, _ = joint.mean_interval(alone, view.metric, cell.raw)
    shown_low, shown_high = (float(end) for end in interval.split(DASH))
    assert shown_high - shown_low > high - low


def test_luck_is_told_and_a_protocol_without_unseen_sets_says_so(
    found: dict[str, Context],
) -> None:
    (table,) = worst_tables(found["everything"])
    assert "the worst test sets, which were seen" in table.caption
    assert sum("bad luck" in note for note in table.notes) == 1


def test_one_test_set_has_no_worst(tmp_path: Path) -> None:
    folder = make_run(
        tmp_path,
        samples=fake_samples(GENERATORS[:1], {"one": 110}),
        protocols=["everything"],
        detectors=DETECTORS,
    )
    assert not list(worst_tables(contexts(folder)[0]))


def test_a_hole_never_helps(tmp_path: Path) -> None:
    """A detector that lacks a set has no worst sets, though it has values of others."""
    samples = fake_samples(GENERATORS[:3], {"one": 110})
    folder = make_run(tmp_path, samples=samples, protocols=["everything"], detectors=DETECTORS)
    context = contexts(folder)[0]
    view = context.view
    key = next(key for key in view.results if key[0].detector == "mfclip")
    result = view.results[key]
    view.results[key] = type(result)(**(vars(result) | {"record": None, "gap": "it was lost"}))
    shown = rows(context)[""]
    assert shown["MFCLIP"]["worst"].reason == "2 of the 3 cells that count have a value"
    assert shown["CLIP linear"]["worst"].raw is not None
