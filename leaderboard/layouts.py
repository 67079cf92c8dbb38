"""A matrix as papers print it: accuracy and AUC side by side, and rows and columns swapped."""

from dataclasses import replace

from leaderboard.cells import value_cell
from leaderboard.table import Section, Table
from leaderboard.tables import places
from leaderboard.view import ProtocolView

PAIR = ("ACC", "AUC")
SWAPPED = "transposed"


def pair_table(view: ProtocolView, level: str) -> Table | None:
    """Lay accuracy and AUC out side by side: training sets x test sets, detector by detector.

    Args:
        view: The protocol's results.
        level: One of its levels.

    Returns:
        The matrix under the base condition; None where a cell does not have both metrics.
    """
    results = {
        (result.contender, result.cell.training, result.test): result
        for result in view.at(view.base, level)
    }
    records = [result.record for result in results.values() if result.record]
    if not all(metric in record.metrics for record in records for metric in PAIR):
        return None
    best = {metric: places(results.values(), metric) for metric in PAIR}
    sections = []
    for contender in view.contenders:
        rows = []
        for training in view.trainings:
            row = [results[contender, training, test] for test in view.tests]
            cells = [value_cell(r, metric, best[metric].get(r)) for r in row for metric in PAIR]
            # Two numbers a column are what papers have room for; the AUC's table has intervals.
            rows.append((training, tuple(replace(cell, detail="") for cell in cells)))
        sections.append(Section(contender.label, tuple(rows)))
    under = "" if view.base.name == "clean" else f", {view.base.label}"
    return Table(
        name=f"{view.name}-{'-'.join(PAIR)}"
        + (f"-{level}" if len(view.protocol.levels) > 1 else ""),
        metric=" and ".join(PAIR),
        level=level,
        caption=f"{view.protocol.title}: {' and '.join(PAIR)} by {level}{under}",
        corner="trained on",
        columns=tuple(f"{test.label} {metric}" for test in view.tests for metric in PAIR),
        sections=tuple(sections),
        notes=("ACC: share on the right side of P(fake) 0.5; it depends on the share of fakes",),
    )


def transposed(table: Table) -> Table:
    """Swap rows and columns, section by section; rows that hold for all sections come last."""
    head = [(name, cells) for name, cells in table.head]
    sections = []
    for section in table.sections:
        lines = [*section.rows, *head]
        rows = tuple(
            (column, tuple(cells[at] for _, cells in lines))
            for at, column in enumerate(table.columns)
        )
        sections.append(Section(section.title, rows))
    names = {tuple(name for name, _ in section.rows) for section in table.sections}
    if len(names) > 1:
        raise ValueError(f"{table.name}: its sections do not have the same rows")
    return replace(
        table,
        name=f"{table.name}-{SWAPPED}",
        corner=f"tested on / {table.corner}",
        columns=(*next(iter(names), ()), *(name for name, _ in head)),
        head=(),
        sections=tuple(sections),
    )
