"""Names that strangers chose, in a terminal, tables, pages and CSV: they act on nothing."""

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from rich.console import Console

from benchmark.cli import console
from benchmark.cli.console import SafeConsole, fail, print_table, say
from benchmark.scoring.files import ImageScore, _csv
from leaderboard.site.templating import template_environment
from leaderboard.tables.table import WRITERS, Section, Table, TableCell
from protocols.text import printable
from results.files import atomic_write, csv_table, csv_text

HOSTILE = "\x1b[2Jevil\u202egpj.exe\u2028\x9b31m\udcff"


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    text = io.StringIO()
    for name in ("out_console", "error_console"):
        monkeypatch.setattr(console, name, SafeConsole(file=text, width=200, color_system=None))
    return text


def test_no_name_acts_on_the_terminal(shown: io.StringIO) -> None:
    fail(f"{HOSTILE}\nsecond: {HOSTILE}")
    say(HOSTILE)
    print_table(HOSTILE, [HOSTILE], [[HOSTILE]], HOSTILE)
    text = shown.getvalue()
    assert printable(text, keep="\n") == text
    text.encode()
    assert r"\x1b[2Jevil\u202egpj.exe" in text
    assert text.startswith("error: ")
    assert "second" in text.splitlines()[0]


def test_a_console_without_care_would_pass_it_on() -> None:
    text = io.StringIO()
    Console(file=text).print("\x1b[2J", markup=False)
    assert "\x1b" in text.getvalue()


def a_table(name: str) -> Table:
    cell = TableCell(text=name, detail=name)
    number = TableCell(text="-0.50", raw=-0.5)
    section = Section(title=name, rows=((name, (cell, number)),))
    return Table(
        name="x",
        metric="AUC",
        level="image",
        caption=name,
        corner=name,
        columns=(name, "n"),
        sections=(section,),
        notes=(name,),
    )


@pytest.mark.parametrize("ending", WRITERS)
def test_no_name_acts_on_who_reads_a_table(ending: str) -> None:
    text = WRITERS[ending](a_table(HOSTILE))
    assert printable(text, keep="\n") == text
    text.encode()


def test_no_name_acts_on_who_reads_a_page() -> None:
    page = template_environment().from_string("<b>{{ name }}</b>").render(name=f"<i>{HOSTILE}")
    assert printable(page) == page
    assert page.startswith(r"<b>&lt;i&gt;\x1b[2Jevil\u202e")


FORMULAS = ["=cmd|'/c calc'!A0", "+1+cmd", "-1+cmd", "@SUM(A1)", "\t=1", "\r=1", "-x.jpg"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_text_in_csv_is_no_formula(text: str) -> None:
    written = [
        csv_text(text),
        next(csv.reader([csv_table(pd.DataFrame({"a": [text]})).split("\n", 1)[1]]))[0],
        csv.DictReader(
            [*_csv([ImageScore(path=text, logit=-1.5)], "float32").splitlines()]
        ).__next__()["path"],
        list(csv.reader(WRITERS["csv"](a_table(text)).splitlines()))[1][0],
    ]
    for each in written:
        assert each[0] not in "=+-@\t\r"
        assert text.lstrip("\t\r") in each.replace("\\t", "").replace("\\r", "")


def test_numbers_and_names_in_csv_stay_what_they_are() -> None:
    table = pd.DataFrame(
        {
            "n": pd.array([1, None], "Int64"),
            "x": [-0.5, np.nan],
            "t": ["-0.5", "größe, 模型"],
            "u": ["two\nlines", None],
        }
    )
    assert csv_table(table) == table.to_csv(index=False, lineterminator="\n")
    rows = list(csv.reader(WRITERS["csv"](a_table("plain")).splitlines()))
    assert rows[1][-1] == "-0.5"


def test_a_file_name_that_is_not_utf8_loses_no_score(tmp_path: Path) -> None:
    scores = [ImageScore(path="a.png", logit=1.0), ImageScore(path="b\udcff.png", logit=-2.0)]
    atomic_write(tmp_path / "s.csv", _csv(scores, "float32"))
    read = list(csv.DictReader((tmp_path / "s.csv").read_text("utf-8").splitlines()))
    assert [row["path"] for row in read] == ["a.png", r"b\udcff.png"]
    assert [float(row["logit"]) for row in read] == [1.0, -2.0]


def test_half_a_character_loses_no_file(tmp_path: Path) -> None:
    atomic_write(tmp_path / "x.txt", "a\udcffb")
    assert (tmp_path / "x.txt").read_text("utf-8") == r"a\udcffb"


def test_a_tree_with_a_name_that_is_not_utf8_names_it_safely(tmp_path: Path) -> None:
    from benchmark.data.tree import list_images
    from benchmark.errors import ManifestError

    Image.new("RGB", (4, 4)).save(tmp_path / "a\udcff.png")
    with pytest.raises(ManifestError, match="is not printable UTF-8; rename it"):
        list_images(tmp_path)
