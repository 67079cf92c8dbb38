"""Which detector is better: ranks with what is known of them, and critical differences.

Ranks come from one joint bootstrap of all cells, since cells share images. A critical-difference
diagram is refused where its blocks are not independent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from results.errors import ResultError, UndefinedError
from results.metrics.checking import Floats
from results.statistics.intervals import LEVEL, Difference, Replicated, compare, holm
from results.statistics.seeds import seed_spread

FEWEST_BLOCKS = 8
_ALPHA = 1 - LEVEL
Pair = tuple[str, str]


class Place(NamedTuple):
    """A detector's place.

    Attributes:
        name: The detector.
        mean: Its metric averaged over cells.
        rank: 1 + the number of detectors whose mean is better beyond chance (Holm, 5 %): those of
            one rank are not told apart from the best of them.
        low: Lower end of the 95 % interval of its place by mean, from 1; ``high`` the upper.
        mean_rank: Its rank in a cell, averaged over cells; ties share the mean of their ranks.
        borda: How many detectors it beats, summed over cells; a tie is 1/2.
        best: Share of resamples in which its mean is the best; ties share.
    """

    name: str
    mean: float
    rank: int
    low: float
    high: float
    mean_rank: float
    borda: float
    best: float


class Ranking(NamedTuple):
    """Detectors from the best mean to the worst.

    Attributes:
        places: One a detector.
        differences: Of each pair's means, the better first; p not adjusted.
        adjusted: p of each pair, adjusted by Holm's method over all pairs.
        ties: Neighbours of which no pair differs beyond chance: the largest such groups of two or
            more, which may overlap.
    """

    places: tuple[Place, ...]
    differences: dict[Pair, Difference]
    adjusted: dict[Pair, float]
    ties: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class CriticalDifference:
    """What a critical-difference diagram draws.

    Attributes:
        ranks: Mean rank over blocks of each detector, the best first, from 1.
        distance: Mean ranks this far apart differ at 5 % (Nemenyi).
        p: Friedman's p-value of no difference at all; above 0.05 pairs tell nothing.
        p_values: Nemenyi's p-value of each pair, the better first.
        groups: The bars: neighbours by rank of which no pair differs, two or more, the largest.
        blocks: How many blocks.
    """

    ranks: dict[str, float]
    distance: float
    p: float
    p_values: dict[Pair, float]
    groups: tuple[tuple[str, ...], ...]
    blocks: int


def ranking(cells: Mapping[str, Sequence[Replicated]], *, higher_is_better: bool = True) -> Ranking:
    """Rank detectors over cells.

    Args:
        cells: For each detector the metric in each cell, in one order of cells, all over the same
            draws (``Draws`` of all cells' parts). Seeds are averaged metric by metric; how they
            vary is pooled over all detectors.
        higher_is_better: Whether greater is better.

    Raises:
        ResultError: There are fewer than two detectors, or their cells, seeds or draws differ.
        UndefinedError: Two means differ and no resample differs from that.
    """
    numbers = {len(row) for row in cells.values()}
    if len(cells) < 2 or len(numbers) != 1 or 0 in numbers:
        told = ", ".join(f"{name}: {len(row)}" for name, row in cells.items())
        raise ResultError(f"two detectors or more are ranked over the same cells; cells: {told}")
    sign = 1 if higher_is_better else -1
    means = {name: over_cells(name, row) for name, row in cells.items()}
    names = sorted(means, key=lambda name: -sign * means[name].estimates.mean())
    pairs = list(combinations(names, 2))
    spread = seed_spread(means[name].estimates for name in names)
    differences = {(a, b): compare(means[a], means[b], spread=spread) for a, b in pairs}
    adjusted = holm({pair: difference.p for pair, difference in differences.items()})
    values = np.array([[cell.estimates.mean() for cell in cells[name]] for name in names])
    replicates = np.array([means[name].replicates.mean(axis=0) for name in names])
    beaten_by = {
        name: sum(adjusted[pair] <= _ALPHA for pair in pairs if pair[1] == name) for name in names
    }
    places = _places(names, sign * values, sign * replicates)
    return Ranking(
        tuple(
            place._replace(mean=sign * place.mean, rank=1 + beaten_by[place.name])
            for place in places
        ),
        differences,
        adjusted,
        _runs(names, adjusted),
    )


def critical_difference(
    values: pd.DataFrame,
    clusters: Mapping[str, npt.NDArray[np.int64]],
    *,
    higher_is_better: bool = True,
) -> CriticalDifference:
    """Compare detectors by their ranks over independent blocks, such as datasets.

    Source: Demsar, "Statistical Comparisons of Classifiers over Multiple Data Sets", 2006.

    Args:
        values: The metric, a row a block and a column a detector, all known.
        clusters: The clusters (``results.statistics.clusters``, over all datasets) of each
            block's samples.
        higher_is_better: Whether greater is better.

    Raises:
        ResultError: A block has no clusters named, or a value is missing.
        UndefinedError: There are fewer than 3 detectors or 8 blocks, or two blocks share clusters.
    """
    from scikit_posthocs import posthoc_nemenyi_friedman

    _check_blocks(values, clusters)
    better = -values if higher_is_better else values
    ranks = better.rank(axis=1).mean().sort_values(kind="stable")
    names = [str(name) for name in ranks.index]
    blocks, n = values.shape
    found = posthoc_nemenyi_friedman(better.to_numpy(dtype=np.float64))
    at = {str(name): number for number, name in enumerate(values.columns)}
    p_values = {(a, b): float(found.iloc[at[a], at[b]]) for a, b in combinations(names, 2)}
    reach = stats.studentized_range.ppf(LEVEL, n, np.inf) / np.sqrt(2)
    return CriticalDifference(
        ranks={name: float(rank) for name, rank in zip(names, ranks, strict=True)},
        distance=float(reach * np.sqrt(n * (n + 1) / (6 * blocks))),
        p=float(stats.friedmanchisquare(*values.to_numpy(dtype=np.float64).T).pvalue),
        p_values=p_values,
        groups=_runs(names, p_values),
        blocks=blocks,
    )


def _places(names: Sequence[str], values: Floats, replicates: Floats) -> list[Place]:
    """Give the places but for what is beyond chance.

    Args:
        names: The detectors, the best mean first.
        values: Greater is better, shape (detectors, cells).
        replicates: Of the means, greater is better, shape (detectors, draws).
    """
    in_cells = stats.rankdata(-values, axis=0)
    overall = stats.rankdata(-replicates, axis=0)
    leads = overall == overall.min(axis=0)
    low, high = np.quantile(overall, [_ALPHA / 2, 1 - _ALPHA / 2], axis=1)
    best = (leads / leads.sum(axis=0)).mean(axis=1)
    return [
        Place(
            name=name,
            mean=float(values[at].mean()),
            rank=1,
            low=float(low[at]),
            high=float(high[at]),
            mean_rank=float(in_cells[at].mean()),
            borda=float((len(names) - in_cells[at]).sum()),
            best=float(best[at]),
        )
        for at, name in enumerate(names)
    ]


def over_cells(name: str, row: Sequence[Replicated]) -> Replicated:
    """Average a detector's metric over cells, seed by seed and draw by draw.

    Raises:
        ResultError: The cells' seeds or draws differ.
    """
    if len({(cell.seeds, cell.replicates.shape, cell.clusters) for cell in row}) != 1:
        raise ResultError(f"{name}: its cells are not of the same seeds and draws")
    estimates: Floats = np.mean([cell.estimates for cell in row], axis=0)
    replicates: Floats = np.mean([cell.replicates for cell in row], axis=0)
    first = row[0]
    return Replicated(
        seeds=first.seeds, estimates=estimates, replicates=replicates, clusters=first.clusters
    )


def _runs(names: Sequence[str], p_values: Mapping[Pair, float]) -> tuple[tuple[str, ...], ...]:
    """Find the largest groups of neighbours of which no pair differs."""
    found: list[tuple[int, int]] = []
    for start in range(len(names)):
        stop = start + 1
        while stop < len(names) and all(
            p_values[names[i], names[stop]] > _ALPHA for i in range(start, stop)
        ):
            stop += 1
        if stop - start > 1 and (not found or stop > found[-1][1]):
            found.append((start, stop))
    return tuple(tuple(names[start:stop]) for start, stop in found)


def _check_blocks(values: pd.DataFrame, clusters: Mapping[str, npt.NDArray[np.int64]]) -> None:
    """Refuse blocks that are too few or share samples: their ranks would count one thing twice."""
    blocks, n = values.shape
    if n < 3:
        raise UndefinedError(f"a critical difference needs 3 detectors or more, there are {n}")
    if blocks < FEWEST_BLOCKS:
        raise UndefinedError(
            f"a critical difference needs {FEWEST_BLOCKS} independent blocks, there are {blocks}"
        )
    owner: dict[int, str] = {}
    for block in values.index:
        if block not in clusters:
            raise ResultError(f"block '{block}': its clusters are not given")
        if not np.isfinite(values.loc[block].to_numpy(dtype=np.float64)).all():
            raise ResultError(f"block '{block}': a detector has no value")
        for cluster in np.unique(clusters[block]).tolist():
            if cluster in owner:
                raise UndefinedError(
                    f"blocks '{owner[cluster]}' and '{block}' share images, videos or persons: "
                    "they are not independent"
                )
            owner[cluster] = str(block)
