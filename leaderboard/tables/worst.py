"""The test sets on which each detector does worst, beside its mean and how far its sets differ."""

import math
import statistics
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from leaderboard.tables.cells import interval_text
from leaderboard.tables.table import DASH, SMALL, Section, Table, TableCell
from leaderboard.view import FEW_TELLS, Contender, Context, Result, summarise
from results.errors import UndefinedError
from results.metrics.checking import Floats
from results.rounding import rounded
from results.statistics.intervals import simultaneous_intervals
from results.statistics.joint import Joint

MOST = 5  # of the worst sets
_PLACES = ("worst", "2nd worst", "3rd worst", "4th worst", "5th worst")
_LARGE = f"without test sets of {FEW_TELLS}"


class TestSet(NamedTuple):
    """One contender on one test set: its cells, one for each training set that did not see it."""

    label: str
    results: Sequence[Result]
    value: float

    @property
    def small(self) -> bool:
        """Whether a class of it is small."""
        return any(result.small for result in self.results)


def worst_tables(context: Context) -> Iterator[Table]:
    """Show on which test sets each contender does worst, the worst first.

    Yields:
        Cells that count of the headline level under the base condition, those of one test set
        averaged over training sets: unseen ones where the protocol has them. First the test sets
        that are large enough, then, where some are not, all. Nothing where there is one set alone.
    """
    view = context.view
    found = {contender: _sets(context, contender) for contender in view.contenders}
    most = max((len(sets) for sets in found.values() if not isinstance(sets, str)), default=0)
    if most < 2:
        return
    columns = ("mean", "spread", *_PLACES[: min(most, MOST)])
    whole = tuple((who.label, _cells(context, sets, columns)) for who, sets in found.items())
    sections = [Section("", whole)]
    if any(each.small for sets in found.values() for each in _known(sets)):
        large = {who: _large(sets) for who, sets in found.items()}
        enough = max(len(_known(sets)) for sets in large.values()) >= 2
        rows = tuple((who.label, _cells(context, sets, columns)) for who, sets in large.items())
        sections = [Section("all test sets", whole)]
        sections = [Section(_LARGE, rows), *sections] if enough else sections
    side = "unseen test sets" if view.has(seen=False) else "test sets, which were seen"
    yield Table(
        name=f"{view.name}-worst",
        metric=view.metric,
        level=view.level,
        caption=f"{view.protocol.title}: {view.metric} by {view.level}, the worst {side}",
        corner="detector",
        columns=columns,
        sections=tuple(sections),
        notes=(
            "A test set's value is its mean over the training sets that count for it. Spread: "
            "standard deviation of the test sets' values, and their range. Ranges beside the "
            "worst are 95 % intervals that hold for all of a detector's test sets at once: the "
            "worst of several is partly the worst by bad luck, and its value is too low",
        ),
    )


def _sets(context: Context, contender: Contender) -> list[TestSet] | str:
    """List the test sets of one contender from the worst on, or say why there is no such list."""
    view = context.view
    seen = None if view.is_elsewhere(contender) else not view.has(seen=False)
    results = view.of(contender, view.base, view.level, seen)
    if lacking := summarise(results, view.metric).reason:
        return lacking
    by_test: dict[str, list[Result]] = {}
    for result in (each for each in results if each.cell.headline):
        by_test.setdefault(result.test.label, []).append(result)
    sets = [
        TestSet(label, each, math.fsum(_values(each, view.metric)) / len(each))
        for label, each in by_test.items()
    ]
    return sorted(sets, key=lambda each: each.value, reverse=not view.headline.higher_is_better)


def _values(results: Sequence[Result], metric: str) -> list[float]:
    """Give the values of cells that have one, as all do that a mean is over."""
    values = [result.value(metric).value for result in results]
    return [value for value in values if value is not None]


def _known(sets: list[TestSet] | str) -> list[TestSet]:
    """Give the sets that there are."""
    return [] if isinstance(sets, str) else sets


def _large(sets: list[TestSet] | str) -> list[TestSet] | str:
    """Keep the sets that are large enough."""
    if isinstance(sets, str):
        return sets
    return [each for each in sets if not each.small] or "no test set is large enough"


def _cells(
    context: Context, sets: list[TestSet] | str, columns: Sequence[str]
) -> tuple[TableCell, ...]:
    """Show one contender's row."""
    if isinstance(sets, str):
        return (TableCell(DASH, reason=sets),) * len(columns)
    values = [each.value for each in sets]
    marks = frozenset({SMALL} if any(each.small for each in sets) else ())
    mean, joint = math.fsum(values) / len(values), context.bootstrap.of(context.view.name)
    cells = [
        TableCell(rounded(mean), f"{len(values)} sets", mean, marks),
        _spread_cell(values, marks),
    ]
    intervals, title = [""] * len(sets), ""
    try:
        lows, highs = _intervals(context, joint, sets)
        intervals = [interval_text(*ends) for ends in zip(lows, highs, strict=True)]
    except UndefinedError as error:
        title = f"no interval: {error}"
    for each, interval in zip(sets[: len(columns) - 2], intervals, strict=False):
        detail = "; ".join(text for text in (each.label, interval) if text)
        own = frozenset({SMALL} if each.small else ())
        cells.append(TableCell(rounded(each.value), detail, each.value, own, title=title))
    fewer = TableCell(DASH, reason="it has no more test sets")
    return (*cells, *(fewer,) * (len(columns) - len(cells)))


def _spread_cell(values: Sequence[float], marks: frozenset[str]) -> TableCell:
    """Show how far the test sets differ."""
    if len(values) < 2:
        return TableCell(DASH, reason="one test set has no spread")
    spread = statistics.stdev(values)
    return TableCell(rounded(spread), interval_text(min(values), max(values)), spread, marks)


def _intervals(context: Context, joint: Joint, sets: Sequence[TestSet]) -> tuple[Floats, Floats]:
    """Give the ends of intervals that hold for all sets at once.

    Raises:
        UndefinedError: One of them has no replicates, or how sure it is cannot be told.
    """
    metric = context.view.metric
    replicates = [
        np.mean([joint.replicates(r.model.id, r.cell, metric) for r in each.results if r.model], 0)
        for each in sets
    ]
    fewest = [min(joint.fewest(r.cell, metric) for r in each.results) for each in sets]
    return simultaneous_intervals(
        np.array([each.value for each in sets]),
        np.array(replicates),
        np.array(fewest),
        bounds=context.view.headline.bounds,
    )
