"""Tables for a paper: they fit their column, split where they must, and leak no size.

They are compiled where pdflatex is installed; `.ci/run` installs no TeX, so that it skips there.
"""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from leaderboard.tables import paper
from leaderboard.tables.paper import ONE_COLUMN, TWO_COLUMNS, to_paper, width_of
from leaderboard.tables.registry import TABLES
from leaderboard.tables.table import BEST, SEEN, Section, Table, TableCell, to_latex
from tests.fake_run import contexts, make_run

PREAMBLE = (
    "\\documentclass[twocolumn]{article}\\usepackage{booktabs,graphicx}"
    "\\setlength{\\columnsep}{20pt}\\setlength{\\textwidth}{506pt}\\begin{document}\n"
)


def made(columns: int, rows: int, sections: int = 1, detail: str = "0.801-0.849") -> Table:
    marks: tuple[frozenset[str], ...] = (frozenset({BEST}), frozenset({SEEN}), frozenset())
    cells = tuple(TableCell(f"0.{800 + at}", detail, 0.8, marks[at % 3]) for at in range(columns))
    return Table(
        name="t", metric="AUC", level="image", caption="AUC of all & more", corner="trained on",
        columns=tuple(f"Generator-{at}" for at in range(columns)),
        sections=tuple(
            Section(f"Detector {s}", tuple((f"set {r}", cells) for r in range(rows)))
            for s in range(sections)
        ),
        notes=("A note",),
    )  # fmt: skip


def floats(text: str) -> list[tuple[str, str]]:
    return re.findall(r"\\begin\{(table\*?)\}(.*?)\\end\{\1\}", text, re.DOTALL)


def plain(text: str) -> str:
    """Take the markup away, as a reader sees it."""
    text = re.sub(r"\\(textbf|textit|underline|scriptsize|tiny|rotatebox\{90\})\s?", "", text)
    return re.sub(r"[{}$]|\\circ|\^", "", text).replace("--", "\N{EN DASH}").strip()


def measured(body: str) -> float:
    """Measure a float's tabular anew, from what is written."""
    inside = re.split(r"\\toprule|\\bottomrule", body)[1]
    lines = [line for line in inside.split("\\\\") if "&" in line]
    columns = list(
        zip(*([cell.strip() for cell in line.split("&")] for line in lines), strict=True)
    )
    total = 0.0
    for at, cells in enumerate(columns):
        wide = [
            0.0 if "rotatebox" in cell
            else width_of(plain(cell), 5.0 if "tiny" in cell else 8.0, bold="textbf" in cell)
            for cell in cells
        ]  # fmt: skip
        total += max(wide) if at else min(100.0, max(wide))
    return total + 6.0 * (len(columns) - 1)


@pytest.mark.parametrize(("columns", "kind"), [(3, "table"), (10, "table*"), (14, "table*")])
def test_a_table_is_as_narrow_as_its_columns_allow(columns: int, kind: str) -> None:
    ((found, body),) = floats(to_paper(made(columns, 4)))
    assert found == kind
    assert measured(body) <= {"table": ONE_COLUMN, "table*": TWO_COLUMNS}[kind]


def test_details_stand_below_where_there_is_room_and_are_left_out_where_not() -> None:
    assert "{\\tiny (0.801" in to_paper(made(3, 4))
    assert "tiny" not in to_paper(made(14, 4))


def test_what_no_page_is_wide_enough_for_is_split_by_columns_and_loses_none() -> None:
    text = to_paper(made(40, 3))
    found = floats(text)
    assert len(found) > 1
    assert all(measured(body) <= TWO_COLUMNS for _, body in found)
    for at in range(40):
        assert len(re.findall(rf"Generator-{at}\b", text)) == 1
    assert f"(1 of {len(found)})" in text


def test_what_is_longer_than_a_page_is_split_between_detectors() -> None:
    found = floats(to_paper(made(3, 9, sections=12)))
    assert len(found) > 1
    assert all(body.count("\\\\") <= 56 for _, body in found)
    assert all(body.count("Detector") == len(re.findall("midrule", body)) for _, body in found)
    assert sum(body.count("A note.") for _, body in found) == 1


def test_a_title_that_is_wider_than_its_columns_takes_two_columns_of_text() -> None:
    table = made(3, 4)
    long = replace(
        table, sections=(Section("trained on " + 12 * "a set, ", table.sections[0].rows),)
    )
    assert [kind for kind, _ in floats(to_paper(table))] == ["table"]
    assert [kind for kind, _ in floats(to_paper(long))] == ["table*"]


def test_no_size_leaks_from_a_table() -> None:
    outside = re.sub(
        r"\\begin\{(table\*?)\}.*?\\end\{\1\}", "", to_paper(made(3, 2)), flags=re.DOTALL
    )
    assert all(line.startswith("%") for line in outside.splitlines() if line)
    depth = 0
    for line in to_latex(made(3, 2)).splitlines():
        if "footnotesize" in line:
            assert depth + line.partition("\\footnotesize")[0].count("{") > 0
        depth += line.count("{") - line.count("}")
    assert depth == 0


def test_reading_the_font_says_nothing_on_the_terminal(caplog: pytest.LogCaptureFixture) -> None:
    paper._widths.cache_clear()
    assert width_of("0") > 0
    assert caplog.messages == []


def test_widths_are_those_of_the_font() -> None:
    assert width_of("0000", 10.0) == pytest.approx(20.0, abs=0.1), "a digit is half its size"
    assert width_of("0000", 8.0) == pytest.approx(17.0, abs=0.1), "cmr8"
    assert width_of("0000", 5.0) == pytest.approx(13.6, abs=0.1), "cmr5"
    assert width_of("m") > 2 * width_of("i")
    assert width_of("0.8", bold=True) > width_of("0.8")


@pytest.fixture(scope="module")
def of_run(tmp_path_factory: pytest.TempPathFactory) -> list[Table]:
    run = make_run(
        tmp_path_factory.mktemp("run"), protocols=["cross-generator"],
        detectors=["mfclip", "xception", "spectrum"],
    )  # fmt: skip
    (context,) = contexts(run)
    return [table for entry in TABLES if entry.applies(context) for table in entry.build(context)]


def test_every_table_of_a_run_fits(of_run: list[Table]) -> None:
    assert len(of_run) > 8
    for table in of_run:
        for kind, body in floats(to_paper(table)):
            limit = ONE_COLUMN if kind == "table" else TWO_COLUMNS
            assert measured(body) <= limit, table.name


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex on this machine")
def test_every_table_of_a_run_compiles_without_an_overfull_box(
    of_run: list[Table], tmp_path: Path
) -> None:
    detailed = made(5, 6, sections=2, detail="DFDC-mixed to StyleGAN; 0.322-0.559")
    after = "\\makeatletter\\typeout{SIZE \\f@size}\\makeatother\\clearpage"
    text = PREAMBLE + "\n".join(to_paper(table) + after for table in (*of_run, detailed))
    (tmp_path / "t.tex").write_text(text + "\\end{document}\n", encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull \\hbox" not in done.stdout
    assert re.findall(r"SIZE (\S+)", done.stdout) == ["10"] * (len(of_run) + 1), "no size leaks"
