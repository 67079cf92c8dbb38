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
from results.metrics.checking import Bools, Floats
from results.statistics.differences import Difference, compare_replicates, holm
from results.statistics.intervals import LEVEL, Replicated
from results.statistics.seeds import SeedSpread, seed_spread

FEWEST_BLOCKS = 8
_ALPHA = 1 - LEVEL
Pair = tuple[str, str]


class RankPlace(NamedTuple):
    """A detector's place.

    Attributes:
        name: The detector.
        mean: Its metric averaged over cells.
        rank: 1 + the number of detectors whose mean is better beyond chance (Holm, 5 %), and no
            better than that of a detector of better mean.
        low: Best place, from 1, that no difference beyond chance speaks against; ``high`` the
            worst. They are 95 % intervals of the places of all detectors together, and hold the
            rank and the place by mean.
        mean_rank: Its rank in a cell, averaged over cells; ties share the mean of their ranks.
        borda: How many detectors it beats, summed over cells; a tie is 1/2.
        best: Share of resamples in which its mean is the best; ties share. Of several seeds, each
            resample has a draw of what other seeds would have given.
    """

    name: str
    mean: float
    rank: int
    low: int
    high: int
    mean_rank: float
    borda: float
    best: float


class Ranking(NamedTuple):
    """Detectors from the best mean to the worst.

    Attributes:
        places: One a detector.
        differences: Of each pair's means, the better first; p not adjusted.
        adjusted: p of each pair, adjusted by Holm's method over all pairs.
        alike: Of each detector all from which it does not differ beyond chance, the best first.
    """

    places: tuple[RankPlace, ...]
    differences: dict[Pair, Difference]
    adjusted: dict[Pair, float]
    alike: dict[str, tuple[str, ...]]


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

    Source of the intervals of places: Mohamad, Goeman and van Zwet, "Simultaneous confidence
    intervals for ranks with application to ranking institutions", 2022.

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
    differences = {(a, b): compare_replicates(means[a], means[b], spread=spread) for a, b in pairs}
    adjusted = holm({pair: difference.p for pair, difference in differences.items()})
    values = np.array([[cell.estimates.mean() for cell in cells[name]] for name in names])
    beyond_chance = np.zeros((len(names), len(names)), np.bool_)
    for a, b in combinations(range(len(names)), 2):
        beyond_chance[a, b] = adjusted[names[a], names[b]] <= _ALPHA
    best = _best(sign * _redrawn([means[name] for name in names], spread))
    return Ranking(
        tuple(_places(names, sign, values, beyond_chance, best)),
        differences,
        adjusted,
        _alike(names, beyond_chance | beyond_chance.T),
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


def _places(
    names: Sequence[str], sign: int, values: Floats, beyond_chance: Bools, best: Floats
) -> list[RankPlace]:
    """Give the places.

    Args:
        names: The detectors, the best mean first.
        sign: 1 if greater is better, else -1.
        values: Shape (detectors, cells).
        beyond_chance: Whether the one is better than the other, shape (detectors, detectors).
        best: Share of resamples in which each is the best, shape (detectors,).
    """
    in_cells = stats.rankdata(-sign * values, axis=0)
    low = 1 + beyond_chance.sum(axis=0)
    high = len(names) - beyond_chance.sum(axis=1)
    # Where a mean is uncertain it is told apart from fewer than a better one is.
    rank = np.maximum.accumulate(low)
    return [
        RankPlace(
            name=name,
            mean=float(values[at].mean()),
            rank=int(rank[at]),
            low=int(low[at]),
            high=int(high[at]),
            mean_rank=float(in_cells[at].mean()),
            borda=float((len(names) - in_cells[at]).sum()),
            best=float(best[at]),
        )
        for at, name in enumerate(names)
    ]


def _alike(names: Sequence[str], differ: Bools) -> dict[str, tuple[str, ...]]:
    """List for each detector the others from which it does not differ."""
    return {
        name: tuple(other for j, other in enumerate(names) if j != i and not differ[i, j])
        for i, name in enumerate(names)
    }


def _redrawn(means: Sequence[Replicated], spread: SeedSpread | None) -> Floats:
    """Give what the means of other samples and, of several seeds, other seeds would be.

    Returns:
        Shape (detectors, draws).
    """
    found = np.array([mean.replicates.mean(axis=0) for mean in means])
    # Of two ways of clustering no one draw is of both: those by target stand for them.
    found = found[:, 0] if found.ndim == 3 else found
    if spread is None:
        return found
    rng = np.random.default_rng(0)
    freedom = spread.freedom
    # Student's t, since the variance itself is estimated: in one resample large for all.
    scale = np.sqrt(spread.variance * freedom / rng.chisquare(freedom, found.shape[1]))
    share = np.array([mean.varies / len(mean.seeds) for mean in means])
    shaken: Floats = found + np.sqrt(share)[:, None] * scale * rng.standard_normal(found.shape)
    return shaken


def _best(replicates: Floats) -> Floats:
    """Give the share of draws in which each detector's value is the greatest; ties share."""
    leads = replicates == replicates.max(axis=0)
    share: Floats = (leads / leads.sum(axis=0)).mean(axis=1)
    return share


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
