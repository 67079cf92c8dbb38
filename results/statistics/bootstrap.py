"""The cluster bootstrap: the same resamples of clusters for every metric, detector and cell.

What hangs together (frames of a video, a real and its fakes, images of a person) is drawn together
or not at all. Draw r depends on the seed and r alone, so that detectors compared on the same
samples meet the same draws, which is what pairs them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import Lock
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from results.errors import ResultError, UndefinedError
from results.metrics.checking import Bools, Counts, Floats, Names
from results.metrics.roc import Order, Ranked
from results.statistics.clusters import ClusterWays

RESAMPLES = 1000
FEWEST_CLUSTERS = 5
# Metrics are of the order of 1: what varies by less than this is how sums were rounded.
ROUNDING = 1e-12
_BLOCK_VALUES = 2**17  # of float64: what fits a core's own cache
_KEPT_VALUES = 2**26  # of 16 bits: cells share their weights, whose drawing takes longest

RankMetric = Callable[[Ranked], Floats]
# A metric of sums: of the resamples' sums of some columns, shape (..., m), to shape (...).
SumMetric = Callable[[Floats], Floats]


class Draws:
    """Resamples of clusters.

    Clusters are drawn with replacement within strata: those that occur in the same parts (the real
    ones of a cell, its fakes). So every resample keeps the classes of every cell, and a test set's
    prevalence, which its makers chose, does not vary. Of n clusters of a stratum n - 1 are drawn,
    each with weight n / (n - 1): n draws would vary too little, by half where n is 2, and cells
    that share some of their clusters have many small strata.
    Source: Rao and Wu, "Resampling inference with complex survey data", 1988.

    Attributes:
        clusters: The cluster of each sample, from 0, shape (n,).
        resamples: How many draws.
        seed: Their seed.
        fewest: Number of clusters in the part that has fewest of them.
    """

    def __init__(
        self,
        clusters: Counts,
        parts: Sequence[Bools | Counts],
        *,
        resamples: int = RESAMPLES,
        seed: int = 0,
    ) -> None:
        """Plan the draws.

        Args:
            clusters: The cluster of each sample, from 0, shape (n,).
            parts: Masks (n,) or positions of samples; each keeps members in every draw: the real
                samples and the fakes of every cell that the draws are for.
            resamples: How many draws, at least 100.
            seed: At least 0.

        Raises:
            ResultError: There are too few draws, or a part is empty.
            UndefinedError: A part has fewer than 5 clusters.
        """
        if resamples < 100:
            raise ResultError(f"{resamples} resamples tell no interval: ask for 100 or more")
        self.clusters = clusters
        self.resamples = resamples
        self.seed = seed
        occurs = np.zeros((int(clusters.max(initial=-1)) + 1, len(parts)), np.bool_)
        for number, part in enumerate(parts):
            occurs[clusters[part], number] = True
        numbers = occurs.sum(axis=0)
        self.fewest = int(numbers.min())
        if self.fewest < FEWEST_CLUSTERS:
            raise UndefinedError(
                f"the samples of a class are {self.fewest} independent clusters; an interval "
                f"needs {FEWEST_CLUSTERS}"
            )
        self._strata = _strata(occurs)
        self._rescaling: Floats = np.ones(len(occurs))
        for stratum in self._strata:
            self._rescaling[stratum] = len(stratum) / (len(stratum) - 1)
        self._kept: npt.NDArray[np.uint16] | None = None
        self._drawing = Lock()

    @classmethod
    def of_cell(
        cls,
        labels: npt.ArrayLike,
        clusters: Counts,
        *,
        resamples: int = RESAMPLES,
        seed: int = 0,
    ) -> "Draws":
        """Plan the draws of one cell: its classes are the parts; otherwise as the constructor."""
        return cls(clusters, class_parts(labels), resamples=resamples, seed=seed)

    def weights(self, start: int, stop: int) -> Floats:
        """Give what each cluster weighs in the draws from ``start`` to before ``stop``.

        Returns:
            Shape (stop - start, c) for c clusters; a stratum weighs as many as it has clusters.
        """
        return self._counts(start, stop) * self._rescaling

    def _counts(self, start: int, stop: int) -> Counts:
        """Give how often each cluster is drawn, shape (stop - start, c)."""
        counts = np.zeros((stop - start, len(self._rescaling)), np.int64)
        for row, draw in zip(counts, range(start, stop), strict=True):
            rng = np.random.default_rng((self.seed, draw))
            for stratum in self._strata:
                size = len(stratum)
                row[stratum] = np.bincount(rng.integers(0, size, size - 1), minlength=size)
        return counts

    def blocks(self, width: int) -> Iterator[tuple[slice, Floats]]:
        """Give all weights, block by block, for work of ``width`` values a draw.

        Memory is bounded: what a block of draws fills is about a megabyte, or one draw's, beside
        the counts, which are kept up to 128 MiB.
        """
        number = len(self._rescaling)
        # A count is below the number of clusters, so that it fits where all are kept.
        with self._drawing:  # whoever comes second waits for the draws
            if self._kept is None and number * self.resamples <= _KEPT_VALUES and number < 2**16:
                self._kept = self._counts(0, self.resamples).astype(np.uint16)
        step = max(1, _BLOCK_VALUES // max(width, 1))
        for start in range(0, self.resamples, step):
            stop = min(start + step, self.resamples)
            yield slice(start, stop), self._slice(start, stop)

    def _slice(self, start: int, stop: int) -> Floats:
        """Give weights of counts that are kept, or draw them."""
        if self._kept is None:
            return self.weights(start, stop)
        return self._kept[start:stop] * self._rescaling


class TwoWayDraws(NamedTuple):
    """Draws of samples that are made of two: by target, by donor, and by both together.

    The variance of a number is that by target plus that by donor minus that by both
    (``sampling_variance``), since what two samples share by both ways counts in either.
    Source: Cameron, Gelbach and Miller, "Robust inference with multiway clustering", 2011.
    """

    target: Draws
    donor: Draws
    both: Draws

    @property
    def fewest(self) -> int:
        """Number of clusters in the part that has fewest, by the way that has fewer."""
        return min(self.target.fewest, self.donor.fewest)

    @property
    def resamples(self) -> int:
        """How many draws of each way."""
        return self.target.resamples


AnyDraws = Draws | TwoWayDraws


def plan_draws(
    ways: ClusterWays,
    parts: Sequence[Bools | Counts],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> AnyDraws:
    """Plan the draws by each way of clustering; otherwise as ``Draws``.

    Args:
        ways: Of all samples, shape (n,) each; only the clusters of the parts are drawn.
        parts: As for ``Draws``.
        resamples: As for ``Draws``.
        seed: As for ``Draws``.

    Raises:
        ResultError: As ``Draws``.
        UndefinedError: As ``Draws``.
    """
    chosen = [way for way in ways if way is not None]
    drawn = [Draws(_compact(way, parts), parts, resamples=resamples, seed=seed) for way in chosen]
    return drawn[0] if len(drawn) == 1 else TwoWayDraws(*drawn)


def class_parts(labels: npt.ArrayLike) -> list[Bools]:
    """Part the samples of one cell into its classes, the forged first; an absent one is no part."""
    is_fake: Bools = np.asarray(labels) == 1
    return [part for part in (is_fake, ~is_fake) if part.any()]


def sampling_variance(replicates: Floats) -> float:
    """Give the variance that resamples tell of a number; 0 where they differ by rounding alone.

    Of two ways of clustering it is that by target plus that by donor minus that by both, and at
    least the greater of the first two: the sum, which is estimated, may fall below what one way
    alone tells.

    Args:
        replicates: Shape (b,), or (3, b) by target, by donor and by both.
    """
    variances = np.asarray(replicates.var(axis=-1, ddof=1))
    variances = np.where(variances > ROUNDING**2, variances, 0.0)
    if variances.ndim == 0:
        return float(variances)
    target, donor, both = variances.tolist()
    return float(max(target + donor - both, target, donor))


def rank_replicates(
    draws: AnyDraws,
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    metrics: Mapping[str, RankMetric],
    *,
    rows: Counts | None = None,
    names: Names = None,
) -> dict[str, Floats]:
    """Compute rank metrics of every resample, sorting once.

    Args:
        draws: The resamples.
        labels: 0 or 1, both present, shape (m,).
        scores: Finite, greater for fake, shape (m,).
        metrics: Such as ``{"AUC": Ranked.auc}``.
        rows: Which samples of ``draws.clusters`` these are, shape (m,); None: all, in order.
        names: The samples' ids for errors.

    Returns:
        For each metric shape (draws.resamples,), or (3, draws.resamples) of two ways.

    Raises:
        ResultError: As ``rank``, or the samples are not as many as the clusters'.
        UndefinedError: As ``rank``, or a metric has no value.
    """
    if isinstance(draws, TwoWayDraws):
        each = [
            rank_replicates(way, labels, scores, metrics, rows=rows, names=names) for way in draws
        ]
        return {name: np.stack([found[name] for found in each]) for name in metrics}
    order = Order(labels, scores, _clusters_of(draws, len(np.asarray(labels)), rows), names)
    found = {name: np.empty(draws.resamples) for name in metrics}
    for at, weights in draws.blocks(len(np.asarray(labels))):
        ranked = order.ranked(weights)
        for name, metric in metrics.items():
            found[name][at] = metric(ranked)
    return found


def sum_replicates(
    draws: AnyDraws,
    columns: npt.NDArray[np.bool_ | np.number],
    metrics: Mapping[str, SumMetric],
    *,
    rows: Counts | None = None,
) -> dict[str, Floats]:
    """Compute metrics that depend on sums over samples alone: means, rates, calibration.

    Args:
        draws: The resamples.
        columns: What is summed, shape (m, k).
        metrics: Functions of the sums, shape (b, k) to (b,).
        rows: As in ``rank_replicates``.

    Returns:
        For each metric shape (draws.resamples,), or (3, draws.resamples) of two ways.

    Raises:
        ResultError: The samples are not as many as the clusters'.
    """
    if isinstance(draws, TwoWayDraws):
        each = [sum_replicates(way, columns, metrics, rows=rows) for way in draws]
        return {name: np.stack([found[name] for found in each]) for name in metrics}
    here, of = np.unique(_clusters_of(draws, len(columns), rows), return_inverse=True)
    sums = np.stack([np.bincount(of, column, len(here)) for column in columns.T], axis=1)
    found = {name: np.empty(draws.resamples) for name in metrics}
    for at, weights in draws.blocks(len(here)):
        resampled = weights.take(here, axis=-1) @ sums
        for name, metric in metrics.items():
            found[name][at] = metric(resampled)
    return found


def _clusters_of(draws: Draws, number: int, rows: Counts | None) -> Counts:
    """Give the clusters of some rows, as many as there are samples."""
    of = draws.clusters if rows is None else draws.clusters[rows]
    if len(of) != number:
        raise ResultError(f"{number} samples, but the draws are of the clusters of {len(of)}")
    return of


def _compact(clusters: Counts, parts: Sequence[Bools | Counts]) -> Counts:
    """Number the clusters that occur in a part from 0: no others need to be drawn."""
    here = np.unique(np.concatenate([clusters[part] for part in parts]))
    found: Counts = np.searchsorted(here, clusters).astype(np.int64)
    # Samples of other clusters are in no part and in no cell.
    return np.minimum(found, len(here) - 1)


def _strata(occurs: Bools) -> list[Counts]:
    """Part the clusters by where they occur; one alone in its stratum joins the largest.

    Args:
        occurs: Whether a cluster occurs in a part, shape (c, parts).

    Returns:
        Numbers of clusters; every cluster in one of them.
    """
    _, stratum = np.unique(occurs, axis=0, return_inverse=True)
    sizes = np.bincount(stratum)
    # Alone it would stand in every draw once, as if nothing were uncertain about it.
    stratum[sizes[stratum] == 1] = sizes.argmax()
    return [np.flatnonzero(stratum == number) for number in np.unique(stratum)]
