"""The tables and figures of a page: whatever stands in their registries keeps what a page needs."""

from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

import leaderboard.report
from leaderboard.figures.drawing import FigureKind, Picture, new_figure, picture
from leaderboard.figures.registry import FIGURES, RUN_FIGURES, FigureEntry, FigurePlace
from leaderboard.report import report
from leaderboard.tables.registry import TABLES, TableEntry, TablePlace
from leaderboard.tables.table import Section, Table, TableCell
from leaderboard.view import Context
from results.errors import UndefinedError
from tests.fake_run import contexts, fake_samples, make_run
from tests.test_literature import literature_of

pytestmark = pytest.mark.usefixtures("every_form")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Context]:
    samples = fake_samples()
    samples["hair"] = ["dark" if int(text[-5], 36) % 2 else "fair" for text in samples["sample_id"]]
    run = make_run(
        tmp_path_factory.mktemp("run"),
        samples=samples,
        protocols=["cross-forgery", "cross-dataset", "robustness-basic", "adversarial"],
        detectors=["mfclip", "spectrum"],
        seeds=(0, 1),
        reference="mfclip",
    )
    return contexts(run, literature_of())


@pytest.fixture(scope="module")
def tables(made: list[Context]) -> list[tuple[TableEntry, Context, Table]]:
    return [
        (entry, context, table)
        for context in made
        for entry in TABLES
        if entry.applies(context)
        for table in entry.build(context)
    ]


def test_every_entry_has_a_name_of_its_own_and_every_place_is_used() -> None:
    figures = [(entry.name, entry.place) for entry in FIGURES]
    figures += [(entry.name, entry.place) for entry in RUN_FIGURES]
    tables = [(entry.name, entry.place) for entry in TABLES]
    for entries, places in ((figures, FigurePlace), (tables, TablePlace)):
        assert len(dict(entries)) == len(entries)
        assert {place for _, place in entries} == set(get_args(places))


def test_every_table_is_built_and_has_files_of_its_own(
    tables: list[tuple[TableEntry, Context, Table]],
) -> None:
    # Costs are measured apart: tests/test_run_cost.py has a run with them.
    built = {entry.name for entry, _, _ in tables}
    assert built == {entry.name for entry in TABLES} - {"costs"}
    names = [table.name for _, _, table in tables]
    assert len(set(names)) == len(names)
    assert all(table.name.startswith(context.view.name) for _, context, table in tables)


def test_every_row_of_a_table_fits_its_headings(
    tables: list[tuple[TableEntry, Context, Table]],
) -> None:
    for _, _, table in tables:
        for section in table.sections:
            for name, cells in (*table.head, *section.rows):
                assert len(cells) == len(table.columns), f"{table.name}: {name}"


def test_what_is_of_another_metric_or_level_than_the_headline_is_folded_away(
    tables: list[tuple[TableEntry, Context, Table]],
) -> None:
    places = {table.name: entry.place_of(table, c.view) for entry, c, table in tables}
    assert places["cross-forgery-AUC"] == "shown"
    assert places["cross-forgery-EER"] == "folded"
    assert places["cross-forgery-AUC-transposed"] == "file"


def new_table(context: Context) -> list[Table]:
    view = context.view
    row = ("a row", (TableCell("a value"),))
    return [
        Table(
            f"{view.name}-new", view.metric, view.level, "A new table", "row", ("a column",),
            (Section("", (row,)),),
        )
    ]  # fmt: skip


def new_figure_of(context: Context) -> list[Picture]:
    with new_figure() as figure:
        figure.subplots().plot([0, 1])
        kind = FigureKind("new", caption="How to read a new figure.", heading="A new figure")
        return [picture(figure, f"{context.view.name}-new", kind, "Its title", "a line")]


def undefined(_: Context) -> list[Picture]:
    raise UndefinedError("it needs more than there is")


def test_an_entry_is_all_that_a_table_and_a_figure_need_to_stand_on_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path, protocols=["cross-forgery"], detectors=["spectrum"])
    others = [entry for entry in FIGURES if entry.name != "critical-difference diagram"]
    figures = [
        *others,
        FigureEntry("new figure", new_figure_of, "folded"),
        FigureEntry("another new figure", undefined, "above"),
        FigureEntry("idle figure", undefined, "below", applies=lambda _: False),
    ]
    tables = [*TABLES, TableEntry("new", new_table, "shown")]
    tables += [replace(tables[-1], name="idle", applies=lambda _: False)]
    monkeypatch.setattr(leaderboard.report, "TABLES", tables)
    monkeypatch.setattr(leaderboard.report, "FIGURES", figures)
    page = report(run).read_text(encoding="utf-8")
    assert page.count("A new table</") == 1
    assert (run / "tables" / "cross-forgery-new.csv").is_file()
    assert (run / "figures" / "cross-forgery-new.pdf").is_file()
    assert "<h3>A new figure</h3>" in page
    assert "Its title. How to read a new figure." in page
    assert "No another new figure: it needs more than there is." in page
    assert "idle figure" not in page
    assert "No critical-difference diagram" not in page
