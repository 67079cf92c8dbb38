"""Runs over the folds of one dataset: the mean of their numbers, never of their scores.

Scores of models of different folds are on different scales, so no metric is computed from all of
them together. Each fold has its own value, and the table shows the mean and the deviation.
"""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from leaderboard.errors import LeaderboardError
from leaderboard.tables.table import DASH, SEEN, SMALL, Section, Table, TableCell
from leaderboard.view import ProtocolView, Result, views
from results.evaluation import evaluate_contents
from results.faults import checked_contents
from results.rounding import rounded


class _Row(NamedTuple):
    """A row of the table: its training set and detector."""

    training: str
    detector: str


def folds_tables(runs: Sequence[str | Path]) -> list[Table]:
    """Average each cell over folds, and over seeds within a fold.

    Args:
        runs: A run for each fold.

    Returns:
        A table for each protocol, its headline metric under the base condition: training sets by
        section, detectors by row, test sets by column. A cell says over how many folds it is.

    Raises:
        LeaderboardError: There are no runs.
        ResultError: A run cannot be read.
    """
    if not runs:
        raise LeaderboardError("there are no runs of folds to average")
    by_protocol: dict[str, list[ProtocolView]] = {}
    for view in (view for run in runs for view in _views(Path(run))):
        by_protocol.setdefault(view.name, []).append(view)
    return [_table(laid_out, len(runs)) for laid_out in by_protocol.values()]


def _table(laid_out: Sequence[ProtocolView], folds: int) -> Table:
    """Average one protocol, of which each fold has a view."""
    first = laid_out[0]
    values: dict[_Row, dict[str, list[list[Result]]]] = {}
    for view in laid_out:
        for key, by_test in _of_fold(view).items():
            for test, results in by_test.items():
                values.setdefault(key, {}).setdefault(test, []).append(results)
    tests = sorted({test.label for view in laid_out for test in view.tests})
    sections: dict[str, list[tuple[str, tuple[TableCell, ...]]]] = {}
    for key, found in values.items():
        cells = tuple(_cell(found.get(test, []), first.metric, folds) for test in tests)
        sections.setdefault(f"trained on {key.training}", []).append((key.detector, cells))
    return Table(
        name=f"{first.name}-folds",
        metric=first.metric,
        level=first.level,
        caption=f"{first.protocol.title}: {first.metric} by {first.level}, mean over folds",
        corner="row",
        columns=tuple(tests),
        sections=tuple(Section(title, tuple(rows)) for title, rows in sections.items()),
        notes=(
            "In parentheses: standard deviation over folds, folds with a value / folds. Every "
            "image is tested in one fold; a fold's value is of its own model, averaged over seeds",
        ),
    )


def _views(run: Path) -> list[ProtocolView]:
    """Lay out one fold."""
    contents = checked_contents(run)
    return views(contents, evaluate_contents(contents))


def _of_fold(view: ProtocolView) -> dict[_Row, dict[str, list[Result]]]:
    """Gather a fold's results that have a value, all seeds of a detector together."""
    found: dict[_Row, dict[str, list[Result]]] = {}
    for result in view.at(view.base, view.level):
        if result.value(view.metric).value is not None:
            key = _Row(result.cell.training, result.contender.detector)
            found.setdefault(key, {}).setdefault(result.test.label, []).append(result)
    return found


def _cell(folds: Sequence[Sequence[Result]], metric: str, total: int) -> TableCell:
    """Show the mean of the folds' values."""
    if not folds:
        return TableCell(DASH, reason="no fold has a value for this detector and test set")
    each = [statistics.fmean(_values(results, metric)) for results in folds]
    marks = set()
    if all(result.cell.seen for results in folds for result in results):
        marks.add(SEEN)
    if any(result.small for results in folds for result in results):
        marks.add(SMALL)
    mean = statistics.fmean(each)
    spread = f"sd {rounded(statistics.stdev(each))}, " if len(each) > 1 else ""
    return TableCell(rounded(mean), f"{spread}{len(each)}/{total}", mean, frozenset(marks))


def _values(results: Sequence[Result], metric: str) -> list[float]:
    """Give the values of one fold, all of which there are."""
    values = [result.value(metric).value for result in results]
    return [value for value in values if value is not None]
