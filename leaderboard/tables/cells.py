"""Cells that several tables show: numbers, means with what they cover, differences, ranges."""

from leaderboard.tables.table import DASH, POOLED, SEEN, SMALL, TableCell
from leaderboard.view import Result, Summary
from results.rounding import rounded, signed
from results.schema import CellRecord

UNKNOWN = "trained elsewhere: what it has seen is not known"


def value_cell(result: Result, metric: str, place: str | None = None) -> TableCell:
    """Show one number of one contender with its interval and marks, or why there is none.

    Args:
        result: The cell of the contender.
        metric: One of its metrics.
        place: ``BEST``, ``SECOND`` or None.
    """
    value, record = result.value(metric), result.record
    if record is None or value.value is None:
        return TableCell(DASH, reason=value.reason, title=value.reason or "")
    marks = {
        mark
        for mark, holds in (
            (SEEN, result.cell.seen),
            (SMALL, result.small),
            (POOLED, result.pooled),
        )
        if holds
    }
    marks |= {place} if place else set()
    interval = interval_text(value.low, value.high)
    title = cell_text(result, metric)
    return TableCell(rounded(value.value), interval, value.value, frozenset(marks), title=title)


def cell_text(result: Result, metric: str) -> str:
    """Say all of one number of one contender: what it is of, its interval, its images."""
    what = f"{result.contender.label}, {result.cell.training} to {result.test.label}: "
    value, record = result.value(metric), result.record
    if record is None or value.value is None:
        return f"{what}{value.reason}"
    interval = interval_text(value.low, value.high)
    told = f"{metric} {rounded(value.value)}" + (f" ({interval})" if interval else "")
    counts = f"{sizes_text(record)}; {record.reals}"
    unsure = f"; no interval: {value.no_interval}" if value.no_interval else ""
    return f"{what}{told}; {counts}{unsure}"


def sizes_text(record: CellRecord) -> str:
    """Say how many samples of both classes a cell has, and how many clusters they are."""
    sizes = [("real", record.n_real, record.clusters_real)]
    sizes.append(("forged", record.n_fake, record.clusters_fake))
    return ", ".join(
        f"{n} {name}" + ("" if clusters is None else f" ({clusters} clusters)")
        for name, n, clusters in sizes
    )


def interval_text(low: float | None, high: float | None) -> str:
    """Show the ends of an interval; nothing where there is none."""
    return "" if low is None or high is None else f"{rounded(low)}{DASH}{rounded(high)}"


def summary_cell(summary: Summary) -> TableCell:
    """Show a mean and how many cells it covers."""
    covered = f"{summary.covered}/{summary.total}"
    if summary.value is None:
        return TableCell(DASH, covered if summary.total else "", reason=summary.reason)
    marks = frozenset({SMALL} if summary.small else ())
    return TableCell(rounded(summary.value), covered, summary.value, marks)


def worst_cell(summary: Summary, metric: str) -> TableCell:
    """Show the worst cell and which it is; nothing where the mean would have holes."""
    if summary.value is None or summary.worst is None:
        return summary_cell(summary)
    value = summary.worst.value(metric).value
    assert value is not None
    where = f"{summary.worst.cell.training} → {summary.worst.test.label}"
    marks = frozenset({SMALL} if summary.worst.small else ())
    return TableCell(rounded(value), where, value, marks)


def difference_cell(left: Summary, right: Summary) -> TableCell:
    """Show the difference of two means."""
    if left.value is None or right.value is None:
        return TableCell(DASH, reason="one of the two means has no value")
    difference = left.value - right.value
    marks = frozenset({SMALL} if left.small or right.small else ())
    return TableCell(signed(difference), raw=difference, marks=marks)


def number_range(numbers: list[int] | list[float]) -> str:
    """Show a number, or the smallest and the greatest of several."""
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,}{DASH}{high:,}"
