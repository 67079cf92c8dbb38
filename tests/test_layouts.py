"""Tables as papers print them: pairs, rows and columns swapped, and text that LaTeX takes."""

import shutil
import subprocess
from pathlib import Path

import pytest

from leaderboard.tables.matrix import matrix_table, transposed
from leaderboard.tables.other_metrics import other_metrics_tables
from leaderboard.tables.pairs import pair_table
from leaderboard.tables.registry import TABLES
from leaderboard.tables.subgroups import subgroup_tables
from leaderboard.tables.table import to_csv, to_latex
from leaderboard.view import Context
from results.metrics.functions import auc
from tests.fake_run import contexts, fake_samples, make_run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Context:
    samples = fake_samples()
    samples["hair"] = ["dark" if int(text[-5], 36) % 2 else "fair" for text in samples["sample_id"]]
    samples["note"] = samples["sample_id"]
    samples["camera"] = "one"
    folder = make_run(
        tmp_path_factory.mktemp("run"),
        samples=samples,
        protocols=["cross-forgery"],
        detectors=["mfclip", "xception", "spectrum"],
    )
    return contexts(folder)[0]


def test_accuracy_and_auc_stand_side_by_side(made: Context) -> None:
    view = made.view
    table = pair_table(view, "image")
    assert table is not None
    assert table.columns[:4] == ("AM ACC", "AM AUC", "EFS ACC", "EFS AUC")
    of_auc = dict(matrix_table(view, "AUC", "image").sections[0].rows)["FS"]
    pairs = dict(table.sections[0].rows)["FS"]
    assert [cell.raw for cell in pairs[1::2]] == [cell.raw for cell in of_auc[1:]]
    assert not any(cell.detail for cell in pairs)


def test_a_transposed_table_has_the_same_cells(made: Context) -> None:
    table = matrix_table(made.view, "AUC", "image")
    swapped = transposed(table)
    assert swapped.columns == (*made.view.trainings, "n real", "n forged")
    for section, other in zip(table.sections, swapped.sections, strict=True):
        for row, (_, cells) in enumerate(section.rows):
            assert tuple(line[row] for _, line in other.rows) == cells
    assert to_csv(swapped).count("\n") == 1 + len(table.sections) * len(table.columns)


def test_other_metrics_are_means_over_the_cells_that_count(made: Context) -> None:
    view = made.view
    (table,) = other_metrics_tables(made)
    cells = dict(zip(table.columns, dict(table.sections[0].rows)["Xception"], strict=True))
    each = [
        result.value("FPR@val").value or 0
        for result in view.at(view.base, "image")
        if result.contender.label == "Xception" and result.cell.headline and not result.cell.seen
    ]
    assert cells["FPR@val"].raw == pytest.approx(sum(each) / len(each))
    assert cells["FPR@val"].detail == ""
    assert table.notes[0].startswith(f"Each mean is over {len(each)} of {len(each)} cells.")
    assert cells["TPR@FPR=1%"].reason == (
        f"0 of the {len(each)} cells that count have a value, since TPR at FPR 1 % needs 1000 real "
        "samples, there are 133"
    )


def test_the_worst_subgroup_is_of_the_manifests_own_columns(made: Context) -> None:
    view, contents = made.view, made.contents
    (table,) = subgroup_tables(made)
    assert table.columns == ("hair: worst", "hair: gap")  # one value, or one a sample, is no group
    cell = next(c for c in view.expansion.cells if (c.training, c.test.name) == ("EFS", "FS"))
    model = view.models[view.contenders[0], "EFS"].id
    scored = contents.scored(model, cell)
    hair = contents.samples["hair"].iloc[cell.test.rows].to_numpy()
    values = {g: auc(scored.labels[hair == g], scored.scores[hair == g]) for g in ("dark", "fair")}
    worst, gap = dict(table.sections[0].rows)["EFS → FS"]
    assert worst.raw == min(values.values())
    assert worst.detail.startswith(min(values, key=lambda g: values[g]))
    assert gap.raw == pytest.approx(abs(values["dark"] - values["fair"]))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_every_table_is_taken_by_latex(made: Context, tmp_path: Path) -> None:
    found = [table for entry in TABLES if entry.applies(made) for table in entry.build(made)]
    assert len(found) > 8
    body = "\n\n\\clearpage\n".join(to_latex(table) for table in found)
    text = "\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n"
    (tmp_path / "tables.tex").write_text(f"{text}{body}\\end{{document}}\n", encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "tables.tex"]
    made_of = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert made_of.returncode == 0, made_of.stdout[-2000:]
