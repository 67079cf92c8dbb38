"""Means over the cells that count: how sure they are, and whether two of them differ."""

from collections.abc import Sequence
from itertools import combinations
from math import erfc, sqrt
from typing import NamedTuple

import numpy as np

from leaderboard.board.schema import BoardEntry, EntryCell
from leaderboard.board.seeds import NORMAL_95, added_variance
from results.metrics.checking import Floats
from results.statistics.differences import holm
from results.statistics.seeds import SeedSpread, seed_spread

_ALPHA = 0.05


class CellMean(NamedTuple):
    """The mean of an entry over the cells that count.

    Attributes:
        value: The mean, over its training seeds too.
        images: What the resamples are of; nothing is paired where that differs.
        draws: The mean in each resample; None where a cell has none.
        by_seed: The mean of each training seed.
        between: What seeds add to the variance; of one seed, what another might have changed.
    """

    value: float
    images: str
    draws: Floats | None
    by_seed: tuple[float, ...]
    between: float = 0.0

    @property
    def error(self) -> float | None:
        """The standard error; None without resamples."""
        if self.draws is None:
            return None
        of_seeds = self.between if len(self.by_seed) > 1 else 0.0
        return sqrt(float(self.draws.var(ddof=1)) + of_seeds)

    @property
    def ends(self) -> tuple[float, float] | tuple[None, None]:
        """The 95 % interval; None without resamples."""
        if self.error is None:
            return None, None
        return self.value - NORMAL_95 * self.error, self.value + NORMAL_95 * self.error

    def is_paired(self, other: "CellMean") -> bool:
        """Tell whether both have resamples of the same images."""
        has_draws = self.draws is not None and other.draws is not None
        return has_draws and self.images == other.images != ""


def cell_mean(
    entry: BoardEntry, row: Sequence[EntryCell | None], metric: str, counting: Sequence[int]
) -> CellMean | None:
    """Average an entry's metric over the columns that count; None where one is a hole."""
    found = [cell for at in counting if (cell := row[at]) is not None]
    if not found or len(found) < len(counting):
        return None
    draws = None
    kept = [cell.replicates for cell in found if cell.replicates is not None]
    if metric == entry.metrics[0] and len(kept) == len(found):
        draws = np.mean([each.values() for each in kept], axis=0)
    by_seed = np.mean([cell.of_seeds(metric) for cell in found], axis=0)
    value = float(np.mean([cell.metrics[metric].value for cell in found]))
    return CellMean(value, entry.draws, draws, tuple(by_seed.tolist()))


def with_seeds(means: Sequence[CellMean | None]) -> list[CellMean | None]:
    """Add what seeds add to the variance of each mean, pooled over all of them."""
    spread: SeedSpread | None = seed_spread(np.array(mean.by_seed) for mean in means if mean)
    return [mean and mean._replace(between=added_variance(spread, mean.by_seed)) for mean in means]


def difference_error(one: CellMean, other: CellMean) -> float:
    """Give the standard error of the difference of two means that are paired."""
    assert one.draws is not None
    assert other.draws is not None
    variance = float((one.draws - other.draws).var(ddof=1))
    return sqrt(variance + _between(one, other))


def _between(one: CellMean, other: CellMean) -> float:
    """Give what seeds add to the variance of a difference; nothing with one seed each."""
    is_of_seeds = max(len(one.by_seed), len(other.by_seed)) > 1
    return one.between + other.between if is_of_seeds else 0.0


def beyond_chance(
    means: Sequence[CellMean], sign: float
) -> "np.ndarray[tuple[int, int], np.dtype[np.bool_]]":
    """Tell for each pair, the better first, whether its means differ beyond chance (Holm, 5 %).

    Entries of other images, or without resamples, are told apart by their means alone.
    """
    number = len(means)
    better = np.zeros((number, number), np.bool_)
    variances = _difference_variances([mean.draws for mean in means])
    p_values: dict[tuple[int, int], float] = {}
    for one, other in combinations(range(number), 2):
        a, b = means[one], means[other]
        difference = sign * (a.value - b.value)
        if a.is_paired(b):
            error = sqrt(variances[one, other] + _between(a, b))
            p_values[one, other] = _p_of(difference, error)
        else:
            better[one, other] = difference > 0
    for pair, p in holm(p_values).items():
        better[pair] = p <= _ALPHA
    return better


def _difference_variances(draws: Sequence[Floats | None]) -> Floats:
    """Give the variance of each pair's difference over draws; NaN where one has no resamples."""
    found = np.full((len(draws), len(draws)), np.nan)
    known = [at for at, each in enumerate(draws) if each is not None]
    if known:
        moments = np.atleast_2d(np.cov(np.array([draws[at] for at in known])))
        own = np.diag(moments)
        found[np.ix_(known, known)] = np.clip(own[:, None] + own[None, :] - 2 * moments, 0, None)
    return found


def _p_of(difference: float, spread: float) -> float:
    """Give the two-sided p of no difference, of a normal one."""
    if spread <= 0:
        return 1.0 if difference == 0 else 0.0
    return erfc(abs(difference) / spread / sqrt(2))
