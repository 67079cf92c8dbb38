"""Metric by metric: the matrix, and what damage does to it."""

from collections.abc import Iterator

from leaderboard.tables.conditions import condition_table
from leaderboard.tables.matrix import matrix_table
from leaderboard.tables.table import Table
from leaderboard.view import Context


def metric_tables(context: Context) -> Iterator[Table]:
    """Give the tables of every level and metric, a metric's own together, the headline first."""
    view = context.view
    for level in view.protocol.levels:
        for metric in view.protocol.metrics:
            if view.is_matrix:
                yield matrix_table(view, metric, level)
            if view.damaged:
                yield condition_table(view, metric, level)
