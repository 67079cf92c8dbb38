"""The matrix of a metric: training sets x test sets, detector by detector."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from leaderboard.tables.cells import UNKNOWN, number_range, summary_cell, value_cell
from leaderboard.tables.table import BEST, DASH, SECOND, Section, Table, TableCell
from leaderboard.view import Contender, Context, ProtocolView, Result, Test, is_better, summarise
from protocols import ELSEWHERE

UNSEEN_MEAN = "mean unseen"


def matrix_table(view: ProtocolView, metric: str, level: str) -> Table:
    """Lay one metric out as training sets x test sets, detector by detector.

    Args:
        view: The protocol's results.
        metric: One of the protocol's metrics.
        level: One of its levels.

    Returns:
        The matrix under the base condition; first the mean over unseen cells where the protocol
        has such, and how many of them have a value.
    """
    results = base_results(view, level)
    placed = best_marks(results.values(), metric)
    with_mean = view.has(seen=False)
    sections = []
    for contender in view.contenders:
        rows = []
        for training in view.trainings_of(contender):
            row = [results[contender, training, test] for test in view.tests]
            cells = [value_cell(result, metric, placed.get(result)) for result in row]
            if with_mean:
                unseen = summarise((r for r in row if r.cell.seen is False), metric)
                unknown = TableCell(DASH, reason=UNKNOWN)
                cells.insert(0, unknown if training == ELSEWHERE else summary_cell(unseen))
            rows.append((training, tuple(cells)))
        sections.append(Section(contender.label, tuple(rows)))
    return Table(
        name=metric_stem(view, metric, level),
        metric=metric,
        level=level,
        caption=f"{view.protocol.title}: {metric} by {level}{base_note(view)}",
        corner="trained on",
        columns=(*([UNSEEN_MEAN] if with_mean else []), *(test.label for test in view.tests)),
        head=_counts(view, results.values(), with_mean),
        sections=tuple(sections),
        notes=(*_interval_notes(results.values(), metric), *reals_notes(results.values())),
    )


def transposed_tables(context: Context) -> Iterator[Table]:
    """Give the headline metric's matrix of every level with rows and columns swapped."""
    view = context.view
    for level in view.protocol.levels:
        yield transposed(matrix_table(view, view.metric, level))


def transposed(table: Table) -> Table:
    """Swap rows and columns, section by section; rows that hold for all sections come last.

    A row that a section does not have, of a training set say, is a column without cells there.
    """
    names = list(dict.fromkeys(name for section in table.sections for name, _ in section.rows))
    sections = []
    for section in table.sections:
        held = dict(section.rows)
        lines = [held.get(name) for name in names] + [cells for _, cells in table.head]
        rows = tuple(
            (column, tuple(TableCell("") if cells is None else cells[at] for cells in lines))
            for at, column in enumerate(table.columns)
        )
        sections.append(Section(section.title, rows))
    return replace(
        table,
        name=f"{table.name}-transposed",
        corner=f"tested on / {table.corner}",
        columns=(*names, *(name for name, _ in table.head)),
        head=(),
        sections=tuple(sections),
    )


def base_results(view: ProtocolView, level: str) -> dict[tuple[Contender, str, Test], Result]:
    """Give the results under the base condition, by contender, training set and test set."""
    return {
        (result.contender, result.cell.training, result.test): result
        for result in view.at(view.base, level)
    }


def base_note(view: ProtocolView) -> str:
    """Name the base condition after a caption, where it is not clean."""
    return "" if view.base.name == "clean" else f", {view.base.label}"


def best_marks(results: Iterable[Result], metric: str) -> dict[Result, str]:
    """Find the best contenders of every cell that is large enough to rank, and of three the second.

    Equal values share a place; two that are best leave no second.
    """
    cells: dict[tuple[str, str], list[tuple[float, Result]]] = {}
    for result in results:
        value = result.value(metric).value
        if value is not None and not result.small:
            where = (result.cell.training, result.test.label)
            cells.setdefault(where, []).append((value, result))
    found: dict[Result, str] = {}
    for ranked in cells.values():
        for value, result in ranked:
            better = sum(is_better(metric, other, value) for other, _ in ranked)
            if better == 0 and len(ranked) > 1:
                found[result] = BEST
            elif better == 1 and len(ranked) > 2:
                found[result] = SECOND
    return found


def metric_stem(view: ProtocolView, metric: str, level: str) -> str:
    """Name the files of a metric's table."""
    stem = re.sub(r"[^A-Za-z0-9]+", "-", metric).strip("-")
    return f"{view.name}-{stem}" + (f"-{level}" if len(view.protocol.levels) > 1 else "")


def _counts(
    view: ProtocolView, results: Iterable[Result], with_mean: bool
) -> tuple[tuple[str, tuple[TableCell, ...]], ...]:
    """Give the rows that say how many samples, and clusters of them, each test set has."""
    found = [result for result in results if result.record]
    rows = []
    for name, field, clusters in (
        ("real", "n_real", "clusters_real"),
        ("forged", "n_fake", "clusters_fake"),
    ):
        cells = [TableCell("")] if with_mean else []
        for test in view.tests:
            numbers = [getattr(r.record, field) for r in found if r.test == test]
            counts = [getattr(r.record, clusters) for r in found if r.test == test]
            known = [count for count in counts if count is not None]
            detail = f"{number_range(known)} clusters" if known else ""
            cells.append(TableCell(number_range(numbers), detail) if numbers else TableCell(DASH))
        rows.append((f"n {name}", tuple(cells)))
    return tuple(rows)


def reals_notes(results: Iterable[Result]) -> list[str]:
    """Say which real images each test set has, and what could not be read."""
    statements: dict[str, list[str]] = {}
    missing: dict[str, int] = {}
    for result in results:
        tests = statements.setdefault(result.cell.test.statement, [])
        if result.test.label not in tests:
            tests.append(result.test.label)
        if result.cell.test.n_missing:
            missing[result.test.label] = result.cell.test.n_missing
    notes = [f"Real images of {', '.join(tests)}: {says}" for says, tests in statements.items()]
    if missing:
        counts = ", ".join(f"{test}: {n}" for test, n in missing.items())
        notes.append(f"Samples that could not be read and stand in no number: {counts}")
    return notes


def _interval_notes(results: Iterable[Result], metric: str) -> list[str]:
    """Say what the intervals of a table are, where it has some."""
    values = [result.value(metric) for result in results]
    notes = []
    if any(value.low is not None for value in values):
        notes.append(
            "In parentheses: 95 % interval by resampling clusters (videos, persons, pairs), for "
            "these trained models and thresholds; in simulations it covers 92 to 99 %, near an AUC "
            "of 1 89 % at least (docs/metrics.md). Cells that share real images share their luck"
        )
    if any(value.value in (value.low, value.high) for value in values if value.low is not None):
        notes.append(
            "An interval that ends at its value is one-sided: all clusters were judged rightly, "
            "and their number bounds what else could have been"
        )
    notes += dict.fromkeys(f"No interval: {v.no_interval}" for v in values if v.no_interval)
    return notes
