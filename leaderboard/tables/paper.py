"""A table as a paper has it: floats that fit one column or two, measured in the font of LaTeX.

A float is as narrow as its table allows: one column (243 pt) or two (506 pt) of a two-column paper,
with intervals on a second line where there is room and without them where there is not. Rows are
split between detectors, and columns where even two columns of text do not hold them. All that
changes sizes stands inside the float.
"""

import struct
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
from fontTools.ttLib import TTFont

from leaderboard.tables.table import (
    SIGNS,
    Section,
    Table,
    TableCell,
    latex_cell,
    latex_comment,
    latex_notes,
    latex_text,
)
from protocols.text import printable

ONE_COLUMN, TWO_COLUMNS = 243.0, 506.0  # points
_EM_OFFSET = 18  # bytes into a font's table 'head'
MOST_LINES = 54  # of a float: a page holds no more
_SIZE, _DETAIL_SIZE = 8.0, 5.0  # of \\footnotesize and \\tiny in points, where text has 10
_SPACE = 3.0  # \\tabcolsep
_WIDEST_NAME = 100.0
_FONT = "cmr10.ttf"
_BOLD = 1.15  # of the width of plain letters: LaTeX sets bold in a wider face
# Of the width of the same letters at 10 points: Computer Modern's small sizes are drawn wider
# (a digit of cmr8 takes 4.25 points, one of cmr5 3.40).
_DRAWN_WIDER = {8.0: 1.0625, 5.0: 1.361}
_UNKNOWN = 0.75  # of its size: a sign that the font lacks is at most so wide


class _Form(NamedTuple):
    """How a float is laid out: its widest, and whether details stand on a second line."""

    limit: float
    with_details: bool


_FORMS = (
    _Form(ONE_COLUMN, True),
    _Form(TWO_COLUMNS, True),
    _Form(ONE_COLUMN, False),
    _Form(TWO_COLUMNS, False),
)


def to_paper(table: Table) -> str:
    """Write a table as floats for a two-column paper.

    Returns:
        LaTeX that needs booktabs and graphicx; a float a part, each no wider than its environment.
    """
    lines = [f"% {latex_comment(table.caption)}", "% needs \\usepackage{booktabs,graphicx}"]
    parts = [part for block in _column_blocks(table) for part in _row_parts(table, block)]
    for number, (sections, block) in enumerate(parts, 1):
        of = "" if len(parts) == 1 else f" ({number} of {len(parts)})"
        lines += _float(table, sections, block, of, is_last=number == len(parts))
    return "\n".join(lines) + "\n"


def width_of(text: str, size: float = _SIZE, *, bold: bool = False) -> float:
    """Measure a text in the font that LaTeX starts with.

    Args:
        text: As it is read, without markup.
        size: In points.
        bold: Whether it is set in bold.

    Returns:
        Points.
    """
    widths = _widths()
    plain = size * sum(widths.get(sign, _UNKNOWN) for sign in text) * _DRAWN_WIDER.get(size, 1.0)
    return plain * (_BOLD if bold else 1)


def _units(font: TTFont) -> int:
    """Give the units of a font's em.

    They are read where the format has them: fontTools would decode the whole table and warn of
    this font's dates on the terminal.
    """
    assert font.reader is not None
    (units,) = struct.unpack_from(">H", font.reader["head"], _EM_OFFSET)
    return int(units)


@cache
def _widths() -> dict[str, float]:
    """Give the width of each letter of the font as a share of its size."""
    path = Path(mpl.get_data_path(), "fonts", "ttf", _FONT)
    with TTFont(path) as font:
        unit, metrics = _units(font), font["hmtx"]
        names = font.getBestCmap()
        found = {chr(code): metrics[name][0] / unit for code, name in names.items() if code < 127}
    # The font has no space and no dashes of its own at these places.
    return {**found, " ": 1 / 3, "\N{EN DASH}": 0.5, "\N{MINUS SIGN}": 0.78}


def _cell_width(cell: TableCell, *, with_details: bool) -> float:
    """Measure a cell: its text with signs, or the detail below it."""
    signs = sum(mark in cell.marks for mark in SIGNS) + (1 if cell.reason else 0)
    brackets = 0.6 * _SIZE if "seen" in cell.marks else 0
    text = width_of(printable(cell.text), bold="best" in cell.marks) + 4 * signs + brackets
    detail = width_of(f"({printable(cell.detail)})", _DETAIL_SIZE) if cell.detail else 0
    return max(text, detail if with_details else 0)


def _column_widths(table: Table, *, with_details: bool) -> list[float]:
    """Measure the columns: heads that are wider than what stands below them are turned upright."""
    rows = [cells for part in (table.head, *(s.rows for s in table.sections)) for _, cells in part]
    return [
        max([_SIZE, *(_cell_width(cells[at], with_details=with_details) for cells in rows)])
        for at in range(len(table.columns))
    ]


def _name_width(table: Table) -> float:
    """Measure the first column; longer names are broken into lines."""
    names = [name for part in (table.head, *(s.rows for s in table.sections)) for name, _ in part]
    return min(_WIDEST_NAME, max(width_of(printable(name)) for name in (*names, table.corner)))


def _total(table: Table, block: Sequence[int], *, with_details: bool) -> float:
    """Measure a table of some columns; a section's title stands across all of them."""
    widths = _column_widths(table, with_details=with_details)
    titles = (width_of(printable(section.title)) for section in table.sections)
    return max(_name_width(table) + sum(widths[at] + 2 * _SPACE for at in block), *titles, 0.0)


def _form_of(table: Table, block: Sequence[int]) -> _Form:
    """Choose the form that holds some columns."""
    for form in _FORMS:
        if _total(table, block, with_details=form.with_details) <= form.limit:
            return form
    return _FORMS[-1]


def _column_blocks(table: Table) -> list[list[int]]:
    """Part the columns into as few blocks as fit two columns of text without details."""
    widths = _column_widths(table, with_details=False)
    room = TWO_COLUMNS - _name_width(table)
    blocks: list[list[int]] = [[]]
    used = 0.0
    for at, width in enumerate(widths):
        if blocks[-1] and used + width + 2 * _SPACE > room:
            blocks.append([])
            used = 0.0
        blocks[-1].append(at)
        used += width + 2 * _SPACE
    return blocks


def _row_parts(table: Table, block: list[int]) -> Iterator[tuple[list[Section], list[int]]]:
    """Part the rows into floats of no more lines than a page: between sections, else within."""
    height = 2 if _form_of(table, block).with_details else 1
    room = max(4, (MOST_LINES - 8) // height - len(table.head))
    part: list[Section] = []
    used = 0
    for section in table.sections:
        for start in range(0, max(1, len(section.rows)), room):
            piece = Section(section.title, section.rows[start : start + room])
            if part and used + len(piece.rows) + 1 > room:
                yield part, block
                part, used = [], 0
            part.append(piece)
            used += len(piece.rows) + 1
    yield part, block


def _float(
    table: Table, sections: Sequence[Section], block: Sequence[int], of: str, *, is_last: bool
) -> list[str]:
    """Write one float."""
    form = _form_of(table, block)
    kind = "table" if form.limit == ONE_COLUMN else "table*"
    numbers = {reason: i for i, reason in enumerate(table.reasons, 1)}
    first = "l"
    if _name_width(table) >= _WIDEST_NAME:
        first = f"p{{{_WIDEST_NAME:g}pt}}"
    widths = _column_widths(table, with_details=form.with_details)
    lines = [
        f"\\begin{{{kind}}}[t]",
        f"\\caption{{{latex_text(table.caption)}{of}}}",
        f"\\centering\\footnotesize\\setlength{{\\tabcolsep}}{{{_SPACE:g}pt}}",
        f"\\begin{{tabular}}{{@{{}}{first}{'r' * len(block)}@{{}}}}",
        "\\toprule",
        " & ".join([latex_text(table.corner), *(_head(table.columns[a], widths[a]) for a in block)])
        + " \\\\",
    ]
    for name, cells in table.head:
        lines += _row(name, [cells[at] for at in block], numbers, with_details=form.with_details)
    for section in sections:
        lines.append("\\midrule")
        if section.title:
            title = f"\\textit{{{latex_text(section.title)}}}"
            lines.append(f"\\multicolumn{{{len(block) + 1}}}{{@{{}}l}}{{{title}}} \\\\")
        for name, cells in section.rows:
            some = [cells[at] for at in block]
            lines += _row(name, some, numbers, with_details=form.with_details)
    lines += ["\\bottomrule", "\\end{tabular}"]
    if is_last and (notes := latex_notes(table)):
        lines += ["\\par\\smallskip\\raggedright\\scriptsize", *(f"{note}." for note in notes)]
    return [*lines, f"\\end{{{kind}}}"]


def _head(name: str, width: float) -> str:
    """Write a column's head; one that is wider than its column stands upright."""
    text = latex_text(name)
    return text if width_of(printable(name)) <= width else f"\\rotatebox{{90}}{{{text}}}"


def _row(
    name: str, cells: Sequence[TableCell], numbers: dict[str, int], *, with_details: bool
) -> list[str]:
    """Write a row, and below it the details of its cells."""
    texts = [latex_text(name), *(latex_cell(c, numbers, with_detail=False) for c in cells)]
    lines = [" & ".join(texts) + " \\\\"]
    if with_details and any(cell.detail for cell in cells):
        below = [f"{{\\tiny ({latex_text(c.detail)})}}" if c.detail else "" for c in cells]
        lines.append(" & ".join(["", *below]) + " \\\\")
    return lines
