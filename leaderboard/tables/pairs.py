"""Accuracy and AUC side by side, as papers print them."""

from collections.abc import Iterator
from dataclasses import replace

from leaderboard.tables.cells import value_cell
from leaderboard.tables.matrix import base_note, base_results, best_marks, metric_stem
from leaderboard.tables.table import Section, Table
from leaderboard.view import Context, ProtocolView
from results.metrics.registry import METRICS

PAIR = ("ACC", "AUC")


def pair_tables(context: Context) -> Iterator[Table]:
    """Give ``pair_table`` of every level that has both metrics."""
    for level in context.view.protocol.levels:
        table = pair_table(context.view, level)
        if table:
            yield table


def pair_table(view: ProtocolView, level: str) -> Table | None:
    """Lay accuracy and AUC out side by side: training sets x test sets, detector by detector.

    Args:
        view: The protocol's results.
        level: One of its levels.

    Returns:
        The matrix under the base condition; None where a cell does not have both metrics.
    """
    results = base_results(view, level)
    records = [result.record for result in results.values() if result.record]
    if not all(metric in record.metrics for record in records for metric in PAIR):
        return None
    best = {metric: best_marks(results.values(), metric) for metric in PAIR}
    sections = []
    for contender in view.contenders:
        rows = []
        for training in view.trainings_of(contender):
            row = [results[contender, training, test] for test in view.tests]
            cells = [value_cell(r, metric, best[metric].get(r)) for r in row for metric in PAIR]
            # Two numbers a column are what papers have room for; the AUC's table has intervals.
            rows.append((training, tuple(replace(cell, detail="") for cell in cells)))
        sections.append(Section(contender.label, tuple(rows)))
    return Table(
        name=metric_stem(view, "-".join(PAIR), level),
        metric=" and ".join(PAIR),
        level=level,
        caption=f"{view.protocol.title}: {' and '.join(PAIR)} by {level}{base_note(view)}",
        corner="trained on",
        columns=tuple(f"{test.label} {metric}" for test in view.tests for metric in PAIR),
        sections=tuple(sections),
        notes=tuple(f"{name}: {METRICS[name].title}" for name in PAIR if METRICS[name].note),
    )
