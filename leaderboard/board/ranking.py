"""What a board shows of one protocol: its columns, its rows, and who is ahead of whom.

A *slice* is one protocol version, level, metric and condition. Entries are ranked among those of
their own state alone, and only where no cell that counts is missing: a hole never helps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import erfc, sqrt
from typing import NamedTuple

import numpy as np

from leaderboard.board.schema import STATES, BoardEntry, EntryCell
from results.metrics.checking import Floats
from results.metrics.registry import METRICS
from results.statistics.differences import holm

_ALPHA = 0.05
_NORMAL_95 = 1.959964


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
        mean: Over the columns that count; None where one of them is a hole.
        low: Lower end of the mean's 95 % interval, ``high`` the upper; None without resamples.
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
    mean: float | None
    low: float | None
    high: float | None
    covered: int
    borda: float | None
    rank: int | None
    alike: tuple[str, ...]


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
    whole = np.isfinite(values).all(axis=1) & bool(counting)
    means = [float(row.mean()) if full else None for row, full in zip(values, whole, strict=True)]
    draws = [
        _mean_draws(entry, row, metric, counting) if full else None
        for entry, row, full in zip(entries, cells, whole, strict=True)
    ]
    order = [at for at in range(len(entries)) if whole[at]]
    order.sort(key=lambda at: -sign * (means[at] or 0.0))
    better = _beyond_chance(order, means, draws, [entry.draws for entry in entries], sign)
    wins = _borda(sign * values)
    rows, ranks = [], {}
    for place, at in enumerate(order):
        ranks[at] = 1 + int(better[:place, place].sum())
    for place in reversed(range(len(order) - 1)):
        ranks[order[place]] = min(ranks[order[place]], ranks[order[place + 1]])
    places = {at: place for place, at in enumerate(order)}
    holes = sorted(
        (at for at in range(len(entries)) if not whole[at]),
        key=lambda at: -int(np.isfinite(values[at]).sum()),
    )
    for at in (*order, *holes):
        mean, spread = means[at], _spread(draws[at])
        alike: tuple[str, ...] = ()
        if at in places:
            here = places[at]
            alike = tuple(
                entries[order[other]].entry
                for other in range(len(order))
                if other != here and not better[min(here, other), max(here, other)]
            )
        has_ends = mean is not None and spread is not None
        rows.append(
            Row(
                entry=entries[at],
                cells=cells[at],
                mean=mean,
                low=(mean or 0.0) - _NORMAL_95 * (spread or 0.0) if has_ends else None,
                high=(mean or 0.0) + _NORMAL_95 * (spread or 0.0) if has_ends else None,
                covered=int(np.isfinite(values[at]).sum()),
                borda=wins[at],
                rank=ranks.get(at),
                alike=alike,
            )
        )
    return rows


def _value(cell: EntryCell | None, metric: str) -> float:
    """Give a cell's metric; NaN is a hole."""
    return np.nan if cell is None else cell.metrics[metric].value


def _mean_draws(
    entry: BoardEntry, row: tuple[EntryCell | None, ...], metric: str, counting: Sequence[int]
) -> Floats | None:
    """Average an entry's resamples over the columns that count; None where one has none."""
    if metric != entry.metrics[0]:
        return None
    found = [row[at] for at in counting]
    if any(cell is None or cell.replicates is None for cell in found):
        return None
    each = [cell.replicates.values() for cell in found if cell and cell.replicates]
    mean: Floats = np.mean(each, axis=0)
    return mean


def _spread(draws: Floats | None) -> float | None:
    """Give the standard error of a mean."""
    return None if draws is None else float(draws.std(ddof=1))


def _beyond_chance(
    order: Sequence[int],
    means: Sequence[float | None],
    draws: Sequence[Floats | None],
    images: Sequence[str],
    sign: float,
) -> "np.ndarray[tuple[int, int], np.dtype[np.bool_]]":
    """Tell for each pair, the better first, whether its means differ beyond chance (Holm, 5 %).

    Entries of other images, or without resamples, are told apart by their means alone.
    """
    number = len(order)
    better = np.zeros((number, number), np.bool_)
    spreads = _difference_spreads([draws[at] for at in order])
    p_values: dict[tuple[int, int], float] = {}
    for one, other in combinations(range(number), 2):
        a, b = order[one], order[other]
        difference = sign * ((means[a] or 0.0) - (means[b] or 0.0))
        spread = spreads[one, other]
        if np.isnan(spread) or images[a] != images[b] or not images[a]:
            better[one, other] = difference > 0
        else:
            p_values[one, other] = p_of(difference, float(spread))
    for pair, p in holm(p_values).items():
        better[pair] = p <= _ALPHA
    return better


def _difference_spreads(draws: Sequence[Floats | None]) -> Floats:
    """Give the standard error of each pair's difference; NaN where one has no resamples."""
    found = np.full((len(draws), len(draws)), np.nan)
    known = [at for at, each in enumerate(draws) if each is not None]
    if known:
        moments = np.atleast_2d(np.cov(np.array([draws[at] for at in known])))
        own = np.diag(moments)
        squares = np.clip(own[:, None] + own[None, :] - 2 * moments, 0, None)
        found[np.ix_(known, known)] = np.sqrt(squares)
    return found


def p_of(difference: float, spread: float) -> float:
    """Give the two-sided p of no difference, of a normal one."""
    if spread <= 0:
        return 1.0 if difference == 0 else 0.0
    return erfc(abs(difference) / spread / sqrt(2))


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
    second = others[0]
    ahead = (first.mean or 0.0) - (second.mean or 0.0)
    draws = [
        _mean_draws(row.entry, row.cells, found.metric, found.counting) for row in (first, second)
    ]
    if draws[0] is None or draws[1] is None or first.entry.draws != second.entry.draws:
        return Lead(first, second, Ahead(ahead))
    spread = _NORMAL_95 * float((draws[0] - draws[1]).std(ddof=1))
    return Lead(first, second, Ahead(ahead, ahead - spread, ahead + spread))


def mean_over(row: Row, metric: str, positions: Sequence[int]) -> float | None:
    """Average an entry's metric over some columns; None where there are none, or one is a hole."""
    values = [_value(row.cells[at], metric) for at in positions]
    return float(np.mean(values)) if values and np.isfinite(values).all() else None
