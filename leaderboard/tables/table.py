"""One table and its three texts: Markdown, LaTeX (booktabs), CSV. HTML is the page's."""

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tabulate import tabulate

from leaderboard.view import FEW_TELLS
from protocols.text import printable
from results.files import csv_text

MOST_ON_A_LINE = 26  # letters
DASH = "\N{EN DASH}"
SEEN, SMALL, POOLED, BEST, SECOND = "seen", "small", "pooled", "best", "second"
REPORTED, REPEATED, DOUBTFUL = "reported", "repeated", "doubtful"

LEGEND = {
    SEEN: "in brackets: the forgeries were seen in training",
    SMALL: f"° {FEW_TELLS}, or a mean over such: not ranked",
    POOLED: "ᵖ the real images are of other sources too: telling sources apart helps; in no mean",
    BEST: "bold: the best detector of this cell",
    SECOND: "underlined: the second best of three or more",
    REPORTED: "† reported: published by others, not measured here; never ranked or averaged",
    REPEATED: "‡ the source prints the same numbers for another cell too",
    DOUBTFUL: "§ doubtful: of as many real as forged images, no scores have this ACC and AUC",
}

LATEX_LEGEND = {
    **LEGEND,
    SMALL: LEGEND[SMALL].replace("°", "$^{\\circ}$"),
    POOLED: LEGEND[POOLED].replace("ᵖ", "$^{p}$"),
    REPORTED: LEGEND[REPORTED].replace("†", "$^{\\dagger}$"),
    REPEATED: LEGEND[REPEATED].replace("‡", "$^{\\ddagger}$"),
    DOUBTFUL: LEGEND[DOUBTFUL].replace("§", "$^{\\S}$"),
}

# Signs after a number: in Markdown and on the page, and in LaTeX's math mode.
SIGNS = {
    SMALL: ("°", "\\circ "),
    POOLED: ("ᵖ", "p"),
    REPORTED: ("†", "\\dagger "),
    REPEATED: ("‡", "\\ddagger "),
    DOUBTFUL: ("§", "\\S "),
}


@dataclass(frozen=True)
class TableCell:
    """One entry of a table.

    Attributes:
        text: What it says; ``DASH`` where there is no value.
        detail: What stands in parentheses after it (on the page: small, below it).
        raw: The number at full precision, for CSV; None where there is none.
        marks: Some of ``SEEN, SMALL, POOLED, BEST, SECOND, REPORTED, REPEATED, DOUBTFUL``.
        reason: Why there is no value.
        title: More about it, shown when a reader points at it.
        whole: The text at its full length, for CSV, where ``text`` shortens it.
    """

    text: str
    detail: str = ""
    raw: float | None = None
    marks: frozenset[str] = frozenset()
    reason: str | None = None
    title: str = ""
    whole: str = ""


@dataclass(frozen=True)
class Section:
    """Rows under one heading; a row is its name and its cells."""

    title: str
    rows: tuple[tuple[str, tuple[TableCell, ...]], ...]


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: Stem of its files.
        metric: What its values are; ``level`` what they are over.
        caption: What the numbers are.
        corner: What the rows are.
        columns: Headings of the columns after the first.
        head: Rows that hold for all sections (how many images).
        sections: The rows, detector by detector.
        notes: Footnotes, beside the legend and the reasons, which come by themselves.
    """

    name: str
    metric: str
    level: str
    caption: str
    corner: str
    columns: tuple[str, ...]
    sections: tuple[Section, ...]
    head: tuple[tuple[str, tuple[TableCell, ...]], ...] = ()
    notes: tuple[str, ...] = field(default=())

    def cells(self) -> Iterator[TableCell]:
        """Give every cell, row by row."""
        for rows in (self.head, *(section.rows for section in self.sections)):
            for _, cells in rows:
                yield from cells

    @property
    def reasons(self) -> list[str]:
        """Why values are missing, each once, in order; numbered from 1 in footnotes."""
        return list(dict.fromkeys(cell.reason for cell in self.cells() if cell.reason))

    @property
    def marks(self) -> list[str]:
        """The marks that occur, in the order of the legend."""
        used = {mark for cell in self.cells() for mark in cell.marks}
        return [mark for mark in LEGEND if mark in used]

    @property
    def wordy(self) -> frozenset[int]:
        """The columns, from 0, of which a cell holds more words than stand well on one line."""
        rows = [cells for section in self.sections for _, cells in section.rows]
        return frozenset(
            at
            for at in range(len(self.columns))
            if any(cells[at].raw is None and len(cells[at].text) > MOST_ON_A_LINE for cells in rows)
        )

    def number(self, cell: TableCell) -> int | None:
        """Give the number of a cell's footnote."""
        return self.reasons.index(cell.reason) + 1 if cell.reason else None


def to_markdown(table: Table) -> str:
    """Write a table in Markdown, one pipe table a section, footnotes below."""
    lines = [f"# {markdown_text(table.caption)}", ""]
    numbers = {reason: i for i, reason in enumerate(table.reasons, 1)}
    headers = [markdown_text(text) for text in (table.corner, *table.columns)]
    for section in table.sections:
        rows = [
            [markdown_text(name), *(_markdown_cell(cell, numbers) for cell in cells)]
            for name, cells in (*table.head, *section.rows)
        ]
        align = ["left", *["right"] * len(table.columns)]
        text = tabulate(rows, headers, tablefmt="pipe", colalign=align, disable_numparse=True)
        lines += [*([f"## {markdown_text(section.title)}", ""] if section.title else []), text, ""]
    notes = [LEGEND[mark] for mark in table.marks]
    notes += [f"[{i}] {markdown_text(reason)}" for reason, i in numbers.items()]
    notes += [markdown_text(note) for note in table.notes]
    lines += [f"- {note}" for note in notes]
    return "\n".join(lines).rstrip("\n") + "\n"


def to_latex(table: Table) -> str:
    """Write a table for a paper: a tabular of booktabs, pasted as it is."""
    numbers = {reason: i for i, reason in enumerate(table.reasons, 1)}
    width = len(table.columns) + 1
    lines = [
        f"% {latex_comment(table.caption)}",
        "% needs \\usepackage{booktabs}",
        f"\\begin{{tabular}}{{l{'r' * len(table.columns)}}}",
        "\\toprule",
        " & ".join(latex_text(text) for text in (table.corner, *table.columns)) + " \\\\",
    ]

    def write(rows: tuple[tuple[str, tuple[TableCell, ...]], ...]) -> None:
        for name, cells in rows:
            texts = [latex_text(name), *(latex_cell(cell, numbers) for cell in cells)]
            lines.append(" & ".join(texts) + " \\\\")

    write(table.head)
    for section in table.sections:
        lines.append("\\midrule")
        if section.title:
            lines.append(
                f"\\multicolumn{{{width}}}{{l}}{{\\textit{{{latex_text(section.title)}}}}} \\\\"
            )
        write(section.rows)
    lines += ["\\bottomrule", "\\end{tabular}"]
    notes = latex_notes(table)
    if notes:
        # In braces, so that what follows the table keeps its size.
        lines += [
            "",
            "{\\par\\smallskip\\footnotesize",
            *(f"{note}.\\\\" for note in notes),
            "\\par}",
        ]
    return "\n".join(lines) + "\n"


def latex_notes(table: Table) -> list[str]:
    """Give what stands below a table: its marks, why values are missing, its own notes."""
    numbers = {reason: i for i, reason in enumerate(table.reasons, 1)}
    notes = [LATEX_LEGEND[mark] for mark in table.marks]
    notes += [f"$^{{{i}}}$ {latex_text(reason)}" for reason, i in numbers.items()]
    return [*notes, *(latex_text(note) for note in table.notes)]


def to_csv(table: Table) -> str:
    """Write a table as CSV: section, row, then values at full precision, empty where missing."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["detector", csv_text(table.corner), *map(csv_text, table.columns)])
    for section in table.sections:
        for name, cells in (*table.head, *section.rows):
            writer.writerow([csv_text(section.title), csv_text(name), *map(_csv_cell, cells)])
    return buffer.getvalue()


WRITERS: dict[str, Callable[[Table], str]] = {"md": to_markdown, "tex": to_latex, "csv": to_csv}


def _csv_cell(cell: TableCell) -> str:
    """Give a number at full precision, or the text of what is no number."""
    if cell.raw is not None:
        return repr(cell.raw)
    return "" if cell.text == DASH else csv_text(cell.whole or _with_detail(cell))


def _with_detail(cell: TableCell) -> str:
    """Give the text with its detail."""
    return f"{cell.text} ({cell.detail})" if cell.detail else cell.text


def _markdown_cell(cell: TableCell, numbers: dict[str, int]) -> str:
    """Write one cell with its marks."""
    if cell.text == DASH:
        return f"{DASH} [{numbers[cell.reason]}]" if cell.reason else DASH
    text = markdown_text(cell.text)
    text = f"**{text}**" if BEST in cell.marks else text
    text = f"<u>{text}</u>" if SECOND in cell.marks else text
    text += f" ({markdown_text(cell.detail)})" if cell.detail else ""
    text = f"*{text}*" if REPORTED in cell.marks else text
    text = f"[{text}]" if SEEN in cell.marks else text
    return text + "".join(sign for mark, (sign, _) in SIGNS.items() if mark in cell.marks)


def latex_cell(cell: TableCell, numbers: dict[str, int], *, with_detail: bool = True) -> str:
    """Write one cell with its marks."""
    if cell.text == DASH:
        return f"--$^{{{numbers[cell.reason]}}}$" if cell.reason else "--"
    text = latex_text(cell.text)
    text = f"\\textbf{{{text}}}" if BEST in cell.marks else text
    text = f"\\underline{{{text}}}" if SECOND in cell.marks else text
    if with_detail and cell.detail:
        text += f" {{\\scriptsize ({latex_text(cell.detail)})}}"
    text = f"\\textit{{{text}}}" if REPORTED in cell.marks else text
    text = f"[{text}]" if SEEN in cell.marks else text
    signs = "".join(sign for mark, (_, sign) in SIGNS.items() if mark in cell.marks)
    return f"{text}$^{{{signs.strip()}}}$" if signs else text


def markdown_text(text: str) -> str:
    """Escape what Markdown would read as markup; a line break would end a table."""
    text = printable(text, keep="\n")
    for sign in "\\`*_[]|#~$":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.replace("&", "&amp;").replace("<", "&lt;").split())


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    DASH: "--",
    "\N{MINUS SIGN}": "$-$",
    "→": r"$\to$",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    # A bracket or star after a line break would be read as its option.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    # A dash in the fonts that LaTeX starts with.
    "|": r"\textbar{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}


def latex_text(text: str) -> str:
    """Escape what LaTeX would read as markup."""
    return " ".join("".join(_LATEX.get(sign, sign) for sign in printable(text, "\n")).split())


def latex_comment(text: str) -> str:
    """Keep a comment on its line."""
    return printable(" ".join(text.split()))


_UNITS = ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k"))


def with_unit(number: float) -> str:
    """Write a number above 0 with three digits and a unit: 27,977 is ``28.0 k``, 769 is ``769``."""
    for unit, letter in _UNITS:
        if number >= 0.9995 * unit:
            return f"{_three(number / unit)}{letter}"
    return f"{number:.0f}" if number == int(number) else _three(number)


def _three(number: float) -> str:
    """Write a number below 1000 with three digits, those after the point kept."""
    return f"{number:.{0 if number >= 99.95 else 1 if number >= 9.995 else 2}f}"
