"""What a board shows of one protocol: its columns, its rows, and who is ahead of whom.

A *slice* is one protocol version, level, metric and condition. Entries are ranked among those of
their own state alone, and only where no cell that counts is missing: a hole never helps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from leaderboard.board.means import (
    CellMean,
    beyond_chance,
    cell_mean,
    difference_error,
    with_seeds,
)
from leaderboard.board.schema import STATES, BoardEntry, EntryCell
from leaderboard.board.seeds import NORMAL_95
from results.metrics.checking import Floats
from results.metrics.registry import METRICS


@dataclass(frozen=True)
class Column:
    """A cell of a slice that some entry has: a training set tested on a test set."""

    training: str
    test: str
    role: str
    seen: bool | None
    headline: bool

    @property
    def label(self) -> str:
        """Its heading."""
        return f"{self.training} → {self.test}"


@dataclass(frozen=True, kw_only=True)
class Row:
    """An entry in a slice.

    Attributes:
        cells: By column; None is a hole.
        over_cells: The mean over the columns that count; None where one of them is a hole.
        covered: Columns that count in which it has a value.
        borda: Share of the comparisons with others of its state, column by column, that it wins;
            a tie is half, a hole loses. None where it has no other to be compared with.
        rank: 1 + the entries of its state whose mean is better beyond chance, and no better than
            that of a better mean; of means without resamples, 1 + those that are greater. None
            where it has no mean.
        alike: Entries of its state that it is not told apart from.
    """

    entry: BoardEntry
    cells: tuple[EntryCell | None, ...]
    over_cells: CellMean | None
    covered: int
    borda: float | None
    rank: int | None
    alike: tuple[str, ...]

    @property
    def mean(self) -> float | None:
        """The mean over the columns that count; None where one of them is a hole."""
        return self.over_cells and self.over_cells.value

    @property
    def low(self) -> float | None:
        """Lower end of the mean's 95 % interval; None without resamples."""
        return self.over_cells and self.over_cells.ends[0]

    @property
    def high(self) -> float | None:
        """Upper end of the mean's 95 % interval; None without resamples."""
        return self.over_cells and self.over_cells.ends[1]

    @property
    def deviation(self) -> float | None:
        """Standard deviation of the mean between training seeds; None of a single one."""
        if self.over_cells is None or len(self.over_cells.by_seed) < 2:
            return None
        return float(np.std(self.over_cells.by_seed, ddof=1))


@dataclass(frozen=True, kw_only=True)
class Slice:
    """One protocol version at one level, by one metric, under one condition.

    Attributes:
        columns: All cells that an entry has, in the order they are met.
        counting: Positions of the columns that means are over: unseen headline cells; the seen
            ones where there are no others. Empty where each is small or not comparable.
        rows: By state from the best known to the least, ranked ones first.
    """

    protocol: str
    version: int
    level: str
    metric: str
    condition: str
    condition_name: str
    severity: int
    columns: tuple[Column, ...]
    counting: tuple[int, ...]
    rows: tuple[Row, ...]

    @cached_property
    def is_headline(self) -> bool:
        """Whether its metric is the protocol's first, which alone has resamples."""
        return self.rows[0].entry.metrics[0] == self.metric

    @property
    def place(self) -> str:
        """The table that it is a view of; ``title`` is its heading."""
        return self.rows[0].entry.place

    @property
    def title(self) -> str:
        """The heading of its table."""
        return self.rows[0].entry.place_title

    @property
    def chance(self) -> float | None:
        """What guessing gives."""
        known = METRICS.get(self.metric)
        return known.chance if known else None


def slices(entries: Sequence[BoardEntry]) -> list[Slice]:
    """Lay out all slices of some entries: the first of each table is its headline.

    Models that were trained elsewhere have cells of their own, and so a table of their own.

    Args:
        entries: The newest versions.
    """
    protocols: dict[tuple[str, int, bool], list[BoardEntry]] = {}
    for entry in entries:
        key = (entry.protocol, entry.protocol_version, entry.is_elsewhere)
        protocols.setdefault(key, []).append(entry)
    found = []
    # What was measured comes first: a board of one's own opens with one's own numbers.
    in_order = sorted(
        protocols.items(),
        key=lambda item: (not any(entry.is_measured for entry in item[1]), item[0]),
    )
    for (name, version, _), some in in_order:
        first = max(some, key=lambda entry: len(entry.cells))
        conditions: dict[str, tuple[str, int]] = {}
        for entry in (first, *some):
            for cell in entry.cells:
                conditions.setdefault(cell.condition, (cell.condition_name, cell.severity))
        ordered = sorted(conditions, key=lambda key: conditions[key][0] != "clean")
        levels = sorted(first.levels, key=lambda level: level != "video")
        for level in levels:
            for metric in first.metrics:
                for condition in ordered:
                    made = _slice(
                        some,
                        protocol=name,
                        version=version,
                        level=level,
                        metric=metric,
                        condition=condition,
                    )
                    if made is not None:
                        found.append(made)
    return found


def _slice(
    entries: Sequence[BoardEntry],
    *,
    protocol: str,
    version: int,
    level: str,
    metric: str,
    condition: str,
) -> Slice | None:
    """Lay out one slice; None where no entry has a cell of it."""
    columns: dict[tuple[str, str, str], Column] = {}
    of_entry: list[dict[tuple[str, str, str], EntryCell]] = []
    sample: EntryCell | None = None
    for entry in entries:
        mine = {}
        for cell in entry.cells:
            if cell.level != level or cell.condition != condition or metric not in cell.metrics:
                continue
            key = (cell.training, cell.role, cell.test)
            mine[key] = cell
            sample = sample or cell
            known = columns.get(key)
            if known is None:
                columns[key] = Column(cell.training, cell.test, cell.role, cell.seen, cell.headline)
        of_entry.append(mine)
    if sample is None:
        return None
    shown = list(columns.values())
    unseen = [at for at, c in enumerate(shown) if c.headline and c.seen is False]
    counting = unseen or [at for at, c in enumerate(shown) if c.headline]
    cells = [tuple(mine.get(key) for key in columns) for mine in of_entry]
    rows: list[Row] = []
    for state in reversed(STATES):
        here = [at for at, entry in enumerate(entries) if entry.state == state and any(cells[at])]
        rows += _ranked([entries[at] for at in here], [cells[at] for at in here], metric, counting)
    return Slice(
        protocol=protocol, version=version, level=level, metric=metric, condition=condition,
        condition_name=sample.condition_name, severity=sample.severity, columns=tuple(shown),
        counting=tuple(counting), rows=tuple(rows),
    )  # fmt: skip


def _ranked(
    entries: Sequence[BoardEntry],
    cells: Sequence[tuple[EntryCell | None, ...]],
    metric: str,
    counting: Sequence[int],
) -> list[Row]:
    """Rank the entries of one state."""
    values = np.array([[_value(row[at], metric) for at in counting] for row in cells], float)
    values = values.reshape(len(entries), len(counting))
    known = METRICS.get(metric)
    sign = 1.0 if known is None or known.higher_is_better else -1.0
    means = with_seeds(
        [cell_mean(each, row, metric, counting) for each, row in zip(entries, cells, strict=True)]
    )
    ordered = sorted(
        ((at, mean) for at, mean in enumerate(means) if mean),
        key=lambda each: -sign * each[1].value,
    )
    order = [at for at, _ in ordered]
    better = beyond_chance([mean for _, mean in ordered], sign)
    wins = _borda(sign * values)
    ranks = {at: 1 + int(better[:place, place].sum()) for place, at in enumerate(order)}
    for place in reversed(range(len(order) - 1)):
        ranks[order[place]] = min(ranks[order[place]], ranks[order[place + 1]])
    holes = sorted(
        (at for at in range(len(entries)) if means[at] is None),
        key=lambda at: -int(np.isfinite(values[at]).sum()),
    )
    alike = {
        at: tuple(
            entries[order[other]].entry
            for other in range(len(order))
            if other != here and not better[min(here, other), max(here, other)]
        )
        for here, at in enumerate(order)
    }
    return [
        Row(
            entry=entries[at],
            cells=cells[at],
            over_cells=means[at],
            covered=int(np.isfinite(values[at]).sum()),
            borda=wins[at],
            rank=ranks.get(at),
            alike=alike.get(at, ()),
        )
        for at in (*order, *holes)
    ]


def _value(cell: EntryCell | None, metric: str) -> float:
    """Give a cell's metric; NaN is a hole."""
    return np.nan if cell is None else cell.metrics[metric].value


def _borda(values: Floats) -> list[float | None]:
    """Give the share of comparisons that each row wins; greater is better, NaN loses.

    None where there is nothing to compare: one row, or no column.
    """
    number = len(values)
    if number < 2 or not values.shape[1]:
        return [None] * number
    filled = np.where(np.isfinite(values), values, -np.inf)
    wins = np.zeros(number)
    for row in range(number):
        others = np.delete(filled, row, axis=0)
        lost = ~np.isfinite(filled[row])
        beats = (filled[row] > others) + 0.5 * (filled[row] == others)
        wins[row] = np.where(lost, 0.0, beats).sum()
    return [float(win) for win in wins / ((number - 1) * values.shape[1])]


class Ahead(NamedTuple):
    """How far one mean is ahead of another; without resamples of the same images no interval."""

    value: float
    low: float | None = None
    high: float | None = None


class Lead(NamedTuple):
    """Who leads: ``second`` and ``ahead`` are None where nobody else has a rank."""

    first: Row
    second: Row | None = None
    ahead: Ahead | None = None


def lead_of(found: Slice) -> Lead | None:
    """Give who leads the best known state of a slice; None where nothing has a rank."""
    ranked = [row for row in found.rows if row.rank is not None]
    if not ranked:
        return None
    first = ranked[0]
    others = [row for row in ranked[1:] if row.entry.state == first.entry.state]
    if not others:
        return Lead(first)
    one, other = first.over_cells, others[0].over_cells
    assert one is not None
    assert other is not None
    ahead = one.value - other.value
    if not one.is_paired(other):
        return Lead(first, others[0], Ahead(ahead))
    reach = NORMAL_95 * difference_error(one, other)
    return Lead(first, others[0], Ahead(ahead, ahead - reach, ahead + reach))


def mean_over(row: Row, metric: str, positions: Sequence[int]) -> float | None:
    """Average an entry's metric over some columns; None where there are none, or one is a hole."""
    values = [_value(row.cells[at], metric) for at in positions]
    return float(np.mean(values)) if values and np.isfinite(values).all() else None
