"""Entries of several training seeds as one row of a board: the mean of their numbers.

Scores are never averaged over seeds. The interval of a mean over seeds is of all seeds and images
that might have been, as in a run's own tables: the variance between seeds is pooled over the
detectors of a table, for that of two or three values is itself a matter of luck.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from scipy.special import stdtrit

from leaderboard.board.schema import BoardEntry, EntryCell, Number, replicates_of
from results.metrics.registry import METRICS
from results.statistics.seeds import SeedSpread, seed_spread

NORMAL_95 = 1.959964
_UPPER = 0.975
Spreads = Mapping[tuple[object, ...], SeedSpread | None]


class SeededCell(EntryCell):
    """A cell of several training seeds.

    Attributes:
        by_seed: Each metric by training seed, in the order of the entry's seeds.
        between: What seeds add to the variance of each metric's mean; of a single seed, what
            another might have changed.
    """

    by_seed: dict[str, tuple[float, ...]]
    between: dict[str, float]

    def of_seeds(self, metric: str) -> tuple[float, ...]:
        """Give a metric by training seed."""
        return self.by_seed[metric]

    def seed_variance(self, metric: str) -> float:
        """Give what training seeds add to the variance of a metric's mean."""
        return self.between[metric]


class SeededEntry(BoardEntry):
    """The entries of one detector that differ by their training seed alone.

    Attributes:
        members: Those entries, by seed.
    """

    members: tuple[BoardEntry, ...]

    @property
    def each_seed(self) -> tuple[BoardEntry, ...]:
        """The entries that it stands for, by training seed."""
        return self.members


def added_variance(spread: SeedSpread | None, values: Sequence[float]) -> float:
    """Give what seeds add to the variance of their mean; 0 where every seed gives the same.

    It is scaled so that 1.96 of its roots reach as far as Student's t of the pooled variance does.
    """
    if spread is None or (len(values) > 1 and np.ptp(values) == 0):
        return 0.0
    reach = float(stdtrit(spread.freedom, _UPPER)) / NORMAL_95
    return spread.variance / len(values) * reach**2


def join_seeds(entries: Iterable[BoardEntry]) -> list[BoardEntry]:
    """Put entries that differ by their training seed alone together.

    They are of one state, protocol version, detector, size, track, start, source and precision,
    and were scored on the same images. The name of what stands for them has no seed, and so has
    that of an entry of a single seed: its address stays when another seed is added.

    Args:
        entries: The newest versions.

    Returns:
        In the order of their first entries. Where a title stands for several, it names the seeds.
    """
    groups: dict[tuple[object, ...], list[BoardEntry]] = {}
    for entry in entries:
        groups.setdefault(_kind(entry), []).append(entry)
    sorted_groups = [sorted(each, key=lambda e: e.seed or 0) for each in groups.values()]
    spreads = _spreads(sorted_groups)
    names = _names(sorted_groups)
    made = [
        _together(group, name, spreads) for group, name in zip(sorted_groups, names, strict=True)
    ]
    return _titled(made)


def seeds_of(entry: BoardEntry) -> tuple[int, ...]:
    """List the training seeds that an entry stands for."""
    return tuple(each.seed for each in entry.each_seed if each.seed is not None)


def is_seedless(entry: BoardEntry) -> bool:
    """Tell whether several training seeds gave the very same scores: nothing is drawn for it."""
    first, *others = entry.each_seed
    has_hashes = bool(first.models) and bool(others)
    return has_hashes and all(each.models == first.models for each in others)


def _stem(entry: BoardEntry) -> str | None:
    """Give an entry's name without its seed; None where no seed can be told in it."""
    if entry.seed is None:
        return None
    found = re.fullmatch(rf"(.+)-{entry.seed}(-in-[a-z0-9]+)?", entry.entry)
    return None if found is None else found[1] + (found[2] or "")


def _kind(entry: BoardEntry) -> tuple[object, ...]:
    """Give what entries of several seeds share."""
    stem = _stem(entry)
    if stem is None or not entry.draws:
        return (entry.place, entry.entry)
    return (
        entry.place, stem, entry.state, entry.title, entry.detector, entry.size, entry.track,
        entry.init, entry.source, entry.precision, entry.draws, entry.protocol_hash,
    )  # fmt: skip


def _names(groups: Sequence[Sequence[BoardEntry]]) -> list[str]:
    """Name each group without a seed; with its seeds where two of a table would be called alike."""
    stems = [_stem(group[0]) or group[0].entry for group in groups]
    met: dict[tuple[str, str], int] = {}
    for group, stem in zip(groups, stems, strict=True):
        met[group[0].place, stem] = met.get((group[0].place, stem), 0) + 1
    return [
        stem
        if met[group[0].place, stem] == 1
        else "-".join([stem, *(str(each.seed) for each in group if each.seed is not None)])
        for group, stem in zip(groups, stems, strict=True)
    ]


def _spreads(groups: Sequence[Sequence[BoardEntry]]) -> Spreads:
    """Pool the variance between seeds over the detectors of a table, cell by cell."""
    values: dict[tuple[object, ...], list[list[float]]] = {}
    for group in groups:
        if len(group) == 1:
            continue
        for where, known in _values(group).items():
            if len(known) == len(group):
                values.setdefault(where, []).append(known)
    return {where: seed_spread(map(np.array, each)) for where, each in values.items()}


def _values(group: Sequence[BoardEntry]) -> dict[tuple[object, ...], list[float]]:
    """Give the values of a group's seeds by table, state, cell and metric."""
    found: dict[tuple[object, ...], list[float]] = {}
    for entry in group:
        for cell in entry.cells:
            for metric, number in cell.metrics.items():
                where = (entry.place, entry.state, *cell.key, metric)
                found.setdefault(where, []).append(number.value)
    return found


def _together(group: Sequence[BoardEntry], name: str, spreads: Spreads) -> BoardEntry:
    """Give the one entry of a group."""
    first = group[0]
    facts = {
        field: getattr(first, field) for field in BoardEntry.model_fields if field != "schema_"
    }
    if len(group) == 1:
        alone = tuple(_alone(cell, (first.place, first.state), spreads) for cell in first.cells)
        return SeededEntry(**{**facts, "entry": name, "cells": alone}, members=tuple(group))
    others = [{cell.key: cell for cell in entry.cells} for entry in group]
    cells = tuple(
        _cell([cells[cell.key] for cells in others], (first.place, first.state), spreads)
        for cell in first.cells
        if all(cell.key in cells for cells in others)  # a hole never helps
    )
    facts |= {"entry": name, "seed": None, "models": {}, "cells": cells}
    return SeededEntry(**facts, members=tuple(group))


def _alone(cell: EntryCell, where: tuple[str, str], spreads: Spreads) -> EntryCell:
    """Add to a cell of a single seed how other detectors of its table vary between seeds."""
    by_seed = {metric: cell.of_seeds(metric) for metric in cell.metrics}
    between = {
        metric: added_variance(spreads.get((*where, *cell.key, metric)), values)
        for metric, values in by_seed.items()
    }
    if not any(between.values()):
        return cell
    facts = {field: getattr(cell, field) for field in EntryCell.model_fields}
    return SeededCell(**facts, by_seed=by_seed, between=between)


def _cell(cells: Sequence[EntryCell], where: tuple[str, str], spreads: Spreads) -> SeededCell:
    """Average one cell over seeds."""
    first = cells[0]
    by_seed = {
        metric: tuple(cell.metrics[metric].value for cell in cells)
        for metric in first.metrics
        if all(metric in cell.metrics for cell in cells)
    }
    between = {
        metric: added_variance(spreads.get((*where, *first.key, metric)), values)
        for metric, values in by_seed.items()
    }
    draws = [cell.replicates.values() for cell in cells if cell.replicates]
    facts = {field: getattr(first, field) for field in EntryCell.model_fields}
    facts |= {
        "headline": all(cell.headline for cell in cells),
        "metrics": {
            metric: _number([cell.metrics[metric] for cell in cells], metric, between[metric])
            for metric in by_seed
        },
        "replicates": replicates_of(np.mean(draws, axis=0)) if len(draws) == len(cells) else None,
    }
    return SeededCell(**facts, by_seed=by_seed, between=between)


def _number(numbers: Sequence[Number], metric: str, between: float) -> Number:
    """Average a number over seeds.

    Its ends are those of the seeds' intervals on the average, as if images shook all seeds alike,
    and farther by what seeds add: it errs on the wide side.
    """
    mean = float(np.mean([number.value for number in numbers]))
    lows = [number.low for number in numbers if number.low is not None]
    highs = [number.high for number in numbers if number.high is not None]
    if len(lows) < len(numbers) or len(highs) < len(numbers):
        return Number(value=mean)
    seeds = NORMAL_95 * np.sqrt(between)
    low = mean - float(np.hypot(mean - np.mean(lows), seeds))
    high = mean + float(np.hypot(np.mean(highs) - mean, seeds))
    known = METRICS.get(metric)
    least, most = known.bounds if known else (-np.inf, np.inf)
    return Number(value=mean, low=max(low, least), high=min(high, most))


def _titled(entries: Sequence[BoardEntry]) -> list[BoardEntry]:
    """Name the seeds where several entries of one table would be titled alike."""
    met: dict[tuple[str, str], set[tuple[int, ...]]] = {}
    for entry in entries:
        if seeds := seeds_of(entry):
            met.setdefault((entry.place, entry.title), set()).add(seeds)
    several = {title for (_, title), seeds in met.items() if len(seeds) > 1}
    return [
        entry.model_copy(update={"title": f"{entry.title}, {seeds_text(entry)}"})
        if entry.title in several and seeds_of(entry)
        else entry
        for entry in entries
    ]


def seeds_text(entry: BoardEntry) -> str:
    """Name the training seeds that an entry stands for; nothing where it has none."""
    seeds = seeds_of(entry)
    if not seeds:
        return ""
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
