"""Tables as papers print them: pairs, rows and columns swapped, and text that LaTeX takes."""

import shutil
import subprocess
from pathlib import Path

import pytest

from leaderboard.tables.matrix import matrix_table, pair_table, protocol_tables, transposed
from leaderboard.tables.ranks import ranks_table
from leaderboard.tables.subgroups import beside_table, subgroup_table
from leaderboard.tables.table import Table, to_csv, to_latex
from leaderboard.view import ProtocolView, views
from results.evaluation import evaluate_contents
from results.metrics.functions import auc
from results.run import RunContents
from results.statistics.joint import Bootstrap
from tests.fake_run import fake_samples, make_run

Made = tuple[ProtocolView, RunContents]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
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
    contents = RunContents(folder)
    return views(contents, evaluate_contents(contents))[0], contents


def test_accuracy_and_auc_stand_side_by_side(made: Made) -> None:
    view, _ = made
    table = pair_table(view, "image")
    assert table is not None
    assert table.columns[:4] == ("AM ACC", "AM AUC", "EFS ACC", "EFS AUC")
    of_auc = dict(matrix_table(view, "AUC", "image").sections[0].rows)["FS"]
    pairs = dict(table.sections[0].rows)["FS"]
    assert [cell.raw for cell in pairs[1::2]] == [cell.raw for cell in of_auc[1:]]
    assert not any(cell.detail for cell in pairs)


def test_a_transposed_table_has_the_same_cells(made: Made) -> None:
    table = matrix_table(made[0], "AUC", "image")
    swapped = transposed(table)
    assert swapped.columns == (*made[0].trainings, "n real", "n forged")
    for section, other in zip(table.sections, swapped.sections, strict=True):
        for row, (_, cells) in enumerate(section.rows):
            assert tuple(line[row] for _, line in other.rows) == cells
    assert to_csv(swapped).count("\n") == 1 + len(table.sections) * len(table.columns)


def test_other_metrics_are_means_over_the_cells_that_count(made: Made) -> None:
    view, _ = made
    table = beside_table(view)
    assert table is not None
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


def test_the_worst_subgroup_is_of_the_manifests_own_columns(made: Made) -> None:
    view, contents = made
    table = subgroup_table(view, contents)
    assert table is not None
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
def test_every_table_is_taken_by_latex(made: Made, tmp_path: Path) -> None:
    view, contents = made
    found: list[Table | None] = [*protocol_tables(view), ranks_table(view, Bootstrap(contents))]
    found += [pair_table(view, "image"), beside_table(view), subgroup_table(view, contents)]
    found.append(transposed(matrix_table(view, "AUC", "image")))
    body = "\n\n\\clearpage\n".join(to_latex(table) for table in found if table)
    text = "\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n"
    (tmp_path / "tables.tex").write_text(f"{text}{body}\\end{{document}}\n", encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "tables.tex"]
    made_of = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert made_of.returncode == 0, made_of.stdout[-2000:]
