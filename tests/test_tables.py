"""Tables: every value with its n, every dash with its reason, all marks where they belong."""

import csv
import io
import json
import re
from pathlib import Path

import pandas as pd
import pytest

from leaderboard.tables.conditions import condition_table
from leaderboard.tables.long import cells_frame
from leaderboard.tables.matrix import matrix_table
from leaderboard.tables.summary import summary_tables
from leaderboard.tables.table import Section, Table, TableCell, to_csv, to_latex, to_markdown
from leaderboard.view import Context, ProtocolView, is_small
from tests.fake_run import contexts, fake_samples, make_run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Context]:
    run = make_run(tmp_path_factory.mktemp("run"))
    return {context.view.name: context for context in contexts(run)}


@pytest.fixture(scope="module")
def laid_out(made: dict[str, Context]) -> dict[str, ProtocolView]:
    return {name: context.view for name, context in made.items()}


def row(table: Table, section: str, name: str) -> tuple[TableCell, ...]:
    rows = next(found.rows for found in table.sections if found.title == section)
    return dict(rows)[name]


def test_a_matrix_marks_seen_small_and_pooled_cells(laid_out: dict[str, ProtocolView]) -> None:
    table = matrix_table(laid_out["cross-generator"], "AUC", "image")
    cells = dict(zip(table.columns, row(table, "MFCLIP", "DFDC-mixed"), strict=True))
    assert cells["DFDC-mixed"].marks == {"seen", "best"}
    assert cells["SDXL"].marks == {"small", "pooled"}
    assert cells["StarGAN"].marks == {"small"}
    assert [cell.text for cell in dict(table.head)["n forged"]][1:4] == ["115", "23", "23"]


def test_the_mean_over_unseen_cells_leaves_out_the_seen_one_and_those_with_foreign_reals(
    laid_out: dict[str, ProtocolView],
) -> None:
    table = matrix_table(laid_out["cross-generator"], "AUC", "image")
    mean, *cells = row(table, "Xception", "SDXL")
    unseen = [cell for cell in cells if "seen" not in cell.marks]
    fair = [cell.raw for cell in unseen if cell.raw is not None and "pooled" not in cell.marks]
    assert (len(unseen), len(fair)) == (5, 3)
    assert table.columns[0] == "mean unseen", "what a page shows without scrolling"
    assert mean.raw == pytest.approx(sum(fair) / 3)
    assert mean.detail == "3/5"


def test_a_mean_covers_only_cells_that_have_a_value_and_says_how_many(
    laid_out: dict[str, ProtocolView],
) -> None:
    table = matrix_table(laid_out["cross-dataset"], "AUC", "image")
    mean, *cells = row(table, "MFCLIP", "140k")
    assert mean.detail == "2/5"
    reasons = {cell.reason for cell in cells if cell.reason}
    assert reasons == {"one class only, no forged images", "one class only, no real images"}
    gap = row(table, "MFCLIP", "lfw")[1]
    assert gap.reason == "no model: no forged images in split train"


def test_a_small_cell_is_never_best(laid_out: dict[str, ProtocolView]) -> None:
    for view in laid_out.values():
        for metric in view.protocol.metrics:
            cells = list(matrix_table(view, metric, "image").cells())
            assert not any({"small", "best"} <= cell.marks for cell in cells)
    assert any(
        "best" in c.marks for c in matrix_table(laid_out["cross-generator"], "EER", "image").cells()
    )


def test_the_second_best_is_underlined_and_every_large_cell_has_its_interval(
    laid_out: dict[str, ProtocolView],
) -> None:
    table = matrix_table(laid_out["cross-generator"], "AUC", "image")
    column = table.columns.index("StyleGAN")
    cells = [dict(section.rows)["DFDC-mixed"][column] for section in table.sections]
    ordered = sorted(cells, key=lambda cell: -(cell.raw or 0))
    assert [cell.marks & {"best", "second"} for cell in ordered[:3]] == [
        {"best"},
        {"second"},
        set(),
    ]
    assert all(re.fullmatch("0\\.\\d{3}\N{EN DASH}0\\.\\d{3}", cell.detail) for cell in cells)
    assert "<u>" in to_markdown(table)
    assert "\\underline{" in to_latex(table)
    few = dict(table.sections[0].rows)["DFDC-mixed"][table.columns.index("StableDiffusion-2.1")]
    assert few.detail == ""
    assert "No interval: a class is of fewer than 5 independent clusters" in table.notes


def test_samples_are_counted_with_the_clusters_that_they_are(
    laid_out: dict[str, ProtocolView],
) -> None:
    table = matrix_table(laid_out["cross-generator"], "AUC", "image")
    head = dict(table.head)
    column = table.columns.index("StyleGAN")
    assert (head["n real"][column].text, head["n real"][column].detail) == ("133", "34 clusters")
    assert (head["n forged"][column].text, head["n forged"][column].detail) == (
        "127",
        "32 clusters",
    )
    assert "127 (32 clusters)" in to_markdown(table)


def test_many_frames_of_few_videos_are_small() -> None:
    assert not is_small(100, 20)
    assert is_small(99, 99)
    assert is_small(1040, 8)
    assert not is_small(100, None)


def test_the_best_eer_is_the_smallest(laid_out: dict[str, ProtocolView]) -> None:
    table = matrix_table(laid_out["cross-generator"], "EER", "image")
    column = table.columns.index("StyleGAN")
    cells = [dict(section.rows)["DFDC-mixed"][column] for section in table.sections]
    best = [cell for cell in cells if "best" in cell.marks]
    assert [cell.raw for cell in best] == [min(cell.raw for cell in cells if cell.raw is not None)]


def test_damage_is_shown_as_the_difference_from_clean(laid_out: dict[str, ProtocolView]) -> None:
    table = condition_table(laid_out["robustness-basic"], "AUC", "image")
    clean, first, *_ = row(table, "MFCLIP", "real-world/jpeg")
    assert table.columns == ("clean", "1", "3", "5")
    assert clean.raw is not None
    assert first.raw is not None
    assert first.detail == f"{first.raw - clean.raw:+.3f}".replace("-", "\N{MINUS SIGN}")


def test_a_summary_names_the_worst_unseen_cell(made: dict[str, Context]) -> None:
    matrix = matrix_table(made["cross-generator"].view, "AUC", "image")
    values = {
        (training, test): cell.raw
        for training, cells in matrix.sections[1].rows
        for test, cell in zip(matrix.columns[1:], cells[1:], strict=True)
        if not {"seen", "pooled"} & cell.marks and cell.raw is not None
    }
    (table,) = summary_tables(made["cross-generator"])
    worst = dict(zip(table.columns, row(table, "", "Xception"), strict=True))["worst unseen"]
    training, test = min(values, key=lambda key: values[key])
    assert worst.detail.startswith(f"{training} → {test}; 0.")


def test_markdown_keeps_hostile_names_in_their_cells() -> None:
    cell = TableCell("0.5", raw=0.5)
    table = Table(
        "n", "AUC", "image", "a|b <script>", "on", ("x|y\nz",),
        (Section("s", (("*r*", (cell,)), ("$r$ ~~s~~", (cell,)))),),
    )  # fmt: skip
    text = to_markdown(table)
    assert "x\\|y z" in text
    assert "<script>" not in text
    assert "\\*r\\*" in text
    assert "\\$r\\$ \\~\\~s\\~\\~" in text


def test_latex_escapes_names_and_balances_its_braces() -> None:
    cells = (TableCell("0.5", raw=0.5, marks=frozenset({"seen", "small", "pooled", "best"})),)
    table = Table(
        "n", "AUC", "image", "c", "on", ("50%_&#{",),
        (Section("", (("\\[x^~", cells), ("*a|b", cells))),),
    )  # fmt: skip
    text = to_latex(table)
    assert "50\\%\\_\\&\\#\\{" in text
    assert "\\textbackslash{}{[}x\\textasciicircum{}\\textasciitilde{}" in text
    assert "[\\textbf{0.5}]$^{\\circ p}$" in text
    assert "\n{*}a\\textbar{}b & " in text, "a star after a line break is the break's"
    assert text.count("\\begin{tabular}") == text.count("\\end{tabular}") == 1
    body = text.replace("\\{", "").replace("\\}", "")
    assert body.count("{") == body.count("}")


def test_csv_has_values_at_full_precision(laid_out: dict[str, ProtocolView]) -> None:
    table = matrix_table(laid_out["cross-dataset"], "AUC", "image")
    rows = list(csv.DictReader(io.StringIO(to_csv(table))))
    found = next(r for r in rows if (r["detector"], r["trained on"]) == ("MFCLIP", "140k"))
    assert float(found["140k"]) == row(table, "MFCLIP", "140k")[1].raw
    assert found["lfw"] == ""


def test_every_dash_of_a_markdown_table_has_a_footnote(laid_out: dict[str, ProtocolView]) -> None:
    text = to_markdown(matrix_table(laid_out["cross-dataset"], "AUC", "image"))
    assert "\N{EN DASH} [1]" in text
    assert "- [1] one class only, no forged images" in text
    assert "- Real images of 140k: same-source (140k)" in text


def test_the_long_table_has_a_row_for_every_cell_and_contender(
    laid_out: dict[str, ProtocolView],
) -> None:
    frame = cells_frame(list(laid_out.values()))
    assert len(frame) == 4 * (6 * 6 + 3 * 3 + 6 * 6 + 13)
    lacking = frame[frame["AUC"].isna()]
    assert (lacking["reason"] != "").all()
    assert (frame[frame["AUC"].notna()]["reason"] == "").all()
    assert frame["n_real"].dtype == pd.Int64Dtype()


def test_seeds_and_titles_keep_contenders_apart(tmp_path: Path) -> None:
    run = make_run(tmp_path, protocols=["cross-forgery"], detectors=["xception"], seeds=(0, 1))
    view = contexts(run)[0].view
    assert [contender.label for contender in view.contenders] == [
        "Xception, seed 0",
        "Xception, seed 1",
    ]


def test_unreadable_samples_stand_in_a_note(tmp_path: Path) -> None:
    samples = fake_samples()
    samples.loc[samples["sample_id"] == "140k/StyleGAN/test/0.png", "problem"] = "truncated"
    run = make_run(tmp_path, samples=samples, protocols=["cross-generator"], detectors=["mfclip"])
    view = contexts(run)[0].view
    notes = matrix_table(view, "AUC", "image").notes
    assert "Samples that could not be read and stand in no number: StyleGAN: 1" in notes


def test_a_training_set_that_only_some_detectors_have_is_a_dash_with_its_reason(
    tmp_path: Path,
) -> None:
    run = make_run(tmp_path, protocols=["cross-forgery"], detectors=["mfclip", "xception"])
    raw = json.loads((run / "run.json").read_text())
    raw["entries"] = [
        entry
        for entry in raw["entries"]
        if entry["training"] == "EFS" or (entry["training"], entry["detector"]) == ("FS", "mfclip")
    ]
    (run / "run.json").write_text(json.dumps(raw))
    view = contexts(run)[0].view
    table = matrix_table(view, "AUC", "image")
    assert view.trainings == ("EFS", "FS")
    assert row(table, "MFCLIP", "FS")[1].reason is None
    assert row(table, "Xception", "FS")[1].reason == "no model: not part of this run"
