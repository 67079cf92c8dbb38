"""How sure a number is: intervals, also over several seeds.

Intervals are of 95 %. They say what other samples of the same kind would give, not what other
datasets would; cells that share real images share their luck. Scores are never averaged over seeds:
that would be another model, an ensemble.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.special import expit, logit, ndtri, stdtrit

from results.errors import ResultError, UndefinedError
from results.metrics.checking import Counts, Floats, Names, two_classes
from results.metrics.roc import Ranked, rank
from results.statistics.bootstrap import (
    RESAMPLES,
    AnyDraws,
    Draws,
    RankMetric,
    rank_replicates,
    sampling_variance,
)
from results.statistics.clusters import count_clusters
from results.statistics.seeds import SeedSpread, seed_spread

LEVEL = 0.95
# How much longer than the other one arm of an interval may be: more covered no more.
LONGEST = 0.4
Bounds = tuple[float, float]
UNIT: Bounds = (0.0, 1.0)


class Interval(NamedTuple):
    """Ends of a 95 % interval, and how it was made."""

    low: float
    high: float
    method: Literal["cluster bootstrap", "DeLong", "rule of three"]


class OverSeeds(NamedTuple):
    """A metric over training seeds.

    Attributes:
        mean: Of the seeds' values; never the value of their mean score.
        sd: Their standard deviation (n - 1); None with one seed.
        low: Lower end of the 95 % interval of the mean. With one seed it is about samples alone.
        high: Upper end.
        seeds: How many.
    """

    mean: float
    sd: float | None
    low: float
    high: float
    seeds: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Replicated:
    """A metric of one detector, for each training seed, with its bootstrap replicates.

    Attributes:
        seeds: Training seeds, s of them.
        estimates: The metric, shape (s,).
        replicates: The metric of each resample, shape (s, b), or (s, 3, b) by two ways of
            clustering; the same draws for all seeds.
        clusters: Fewest clusters of a class: ``Draws.fewest``.
    """

    seeds: tuple[int, ...]
    estimates: Floats
    replicates: Floats
    clusters: int

    def __post_init__(self) -> None:
        """Raise ResultError where shapes do not fit."""
        expected = (len(self.seeds),)
        if not self.seeds or {expected} != {self.estimates.shape, self.replicates.shape[:1]}:
            raise ResultError(
                f"{len(self.seeds)} seeds, but estimates of shape {self.estimates.shape} and "
                f"replicates of shape {self.replicates.shape}"
            )

    @property
    def varies(self) -> bool:
        """Whether seeds count: not where several give the same in every resample."""
        return len(self.seeds) == 1 or bool(np.ptp(self.replicates, axis=0).any())


def replicate(
    draws: AnyDraws,
    labels: npt.ArrayLike,
    scores: Mapping[int, npt.ArrayLike],
    metric: RankMetric,
    *,
    rows: Counts | None = None,
    names: Names = None,
) -> Replicated:
    """Compute a rank metric of one detector in one cell: its estimates and their replicates.

    Args:
        draws: The resamples, shared by all that is to be compared.
        labels: 0 or 1, both present, shape (m,).
        scores: By training seed, each finite, shape (m,).
        metric: Such as ``Ranked.auc``.
        rows: Which samples of ``draws.clusters`` these are, shape (m,); None: all, in order.
        names: The samples' ids for errors.

    Raises:
        ResultError: As ``rank``, or the samples are not as many as the clusters'.
        UndefinedError: As ``rank``, or the metric has no value.
    """
    estimates, replicates = [], []
    for each in scores.values():
        estimates.append(float(metric(rank(labels, each, names))))
        found = rank_replicates(draws, labels, each, {"": metric}, rows=rows, names=names)
        replicates.append(found[""])
    return Replicated(
        seeds=tuple(scores),
        estimates=np.array(estimates),
        replicates=np.array(replicates),
        clusters=draws.fewest,
    )


def bootstrap_interval(
    estimate: float, replicates: Floats, clusters: int, *, bounds: Bounds = UNIT
) -> Interval:
    """Turn a metric and its replicates into its interval.

    Student's t with the bootstrap's variance, on the scale of the logit: it stays within the
    bounds, and near them it covers more nearly what it says than percentiles do. Its arm on the
    side to which resamples are skewed is longer by their skewness, 0.4 at most, times
    (2 x - 1) ** 4 where x is how far the metric is from one bound to the other: near a bound few
    clusters carry the variance, and samples that lack one of them look better and surer than they
    should. Both numbers are from simulation: ``performance/coverage.py``.

    Args:
        estimate: The metric of the samples as they are.
        replicates: The metric of each resample, shape (b,), or (3, b) by two ways of clustering.
        clusters: Fewest clusters of a class (``Draws.fewest``), at least 2.
        bounds: The metric's least and greatest value; unless both are finite, the interval is on
            the metric's own scale.

    Raises:
        UndefinedError: The metric is at a bound, or all resamples give one value.
    """
    variance, skewness = sampling_variance(replicates), skewness_of(replicates)
    low, high = _ends(estimate, variance, clusters - 1, bounds, skewness=skewness)
    return Interval(low, high, "cluster bootstrap")


def bound_at_end(end: float, clusters: int, bounds: Bounds = UNIT, *, of: int = 1) -> Interval:
    """Bound a share that is 0 or 1, where nothing varies: one-sided, by the rule of three.

    If k clusters of either class are all judged rightly, or all pairs of them stand in the right
    order, a chance of x that one does has had the chance x ** k to show it: an x that makes this
    less than 5 % is excluded. That counts one sample of each cluster.

    Args:
        end: The value, one of the bounds.
        clusters: Fewest clusters of a class.
        bounds: The metric's least and greatest value, both finite.
        of: Of how many numbers at once it shall hold.

    Returns:
        From the bound to the value, or from the value to the bound.
    """
    error = (bounds[1] - bounds[0]) * (1 - ((1 - LEVEL) / of) ** (1 / clusters))
    low, high = (end - error, end) if end == bounds[1] else (end, end + error)
    return Interval(low, high, "rule of three")


def simultaneous_intervals(
    estimates: Floats, replicates: Floats, clusters: Counts, *, bounds: Bounds = UNIT
) -> tuple[Floats, Floats]:
    """Give intervals of several numbers that hold for all of them at once with 95 %.

    The worst of several is the worst by bad luck too; the least of these lower ends and the least
    of the upper ends hold the least true value all the same.

    Args:
        estimates: Shape (m,); one at a bound that never varies is bounded as by
            ``bound_at_end``.
        replicates: Of the same draws, shape (m, b), or (m, 3, b) by two ways of clustering.
        clusters: Fewest clusters of a class of each, at least 2, shape (m,).
        bounds: As in ``bootstrap_interval``.

    Returns:
        Lower and upper ends, each of shape (m,).

    Raises:
        UndefinedError: One within the bounds never varies.
    """
    variances = np.array([sampling_variance(each) for each in replicates])
    by_target = replicates if replicates.ndim == 2 else replicates[:, 0]
    spread = by_target.std(axis=-1, ddof=1)
    varying = variances > 0
    reach = 1.0
    if varying.any():
        away = np.abs(by_target - estimates[:, None])[varying] / spread[varying, None]
        # As many standard errors as the farthest of them lies away in all but 5 % of draws.
        reach = float(np.quantile(away.max(axis=0), LEVEL)) / float(ndtri((1 + LEVEL) / 2))
    ends = []
    for at, estimate in enumerate(estimates.tolist()):
        if not varying[at] and estimate in bounds:
            found = bound_at_end(estimate, int(clusters[at]), bounds, of=len(estimates))
            ends.append((found.low, found.high))
        else:
            variance, freedom = float(variances[at]) * max(reach, 1.0) ** 2, int(clusters[at]) - 1
            skewness = skewness_of(replicates[at])
            ends.append(_ends(estimate, variance, freedom, bounds, skewness=skewness))
    lows, highs = np.array(ends).T
    return lows, highs


def skewness_of(replicates: Floats) -> float:
    """Give the skewness of resamples; of two ways of clustering that of the more skewed.

    Args:
        replicates: Shape (b,), or (3, b) by target, by donor and by both.
    """
    found = 0.0
    for row in np.atleast_2d(replicates)[:2]:
        away = row - row.mean()
        variance = float((away**2).mean())
        # What differs by rounding alone has no shape.
        if variance > (1e-12 * float(np.abs(row).max())) ** 2:
            found = max(found, float((away**3).mean()) / variance**1.5, key=abs)
    return found


def auc_interval(
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    clusters: Counts,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    names: Names = None,
) -> Interval:
    """Give the interval of the AUC: DeLong's where every sample is a cluster, else bootstrap.

    Args:
        labels: 0 or 1, both present, shape (n,).
        scores: Finite, shape (n,).
        clusters: Cluster of each sample, from 0 (``results.statistics.clusters``), shape (n,).
        resamples: How many, at least 100.
        seed: Of the resamples.
        names: The samples' ids for errors.

    Raises:
        ResultError: As ``auc``.
        UndefinedError: As ``auc``; or there are too few clusters.
    """
    _, clusters = np.unique(clusters, return_inverse=True)
    area = float(rank(labels, scores, names).auc())
    if area in UNIT:
        is_fake = np.asarray(labels) == 1
        return bound_at_end(
            area, min(count_clusters(clusters[part]) for part in (is_fake, ~is_fake))
        )
    if len(clusters) == clusters.max(initial=-1) + 1:
        return delong_interval(labels, scores, names)
    draws = Draws.of_cell(labels, clusters, resamples=resamples, seed=seed)
    found = replicate(draws, labels, {0: scores}, Ranked.auc, names=names)
    return bootstrap_interval(float(found.estimates[0]), found.replicates[0], draws.fewest)


def delong_interval(labels: npt.ArrayLike, scores: npt.ArrayLike, names: Names = None) -> Interval:
    """Give the interval of the AUC of independent samples, symmetric on the scale of its logit.

    Source: DeLong et al., 1988, by the midranks of Sun and Xu, 2014.

    Args:
        labels: 0 or 1, at least two of each, shape (n,).
        scores: Finite, shape (n,).
        names: The samples' ids for errors.

    Raises:
        ResultError: As ``auc``.
        UndefinedError: As ``auc``; a class has one sample; or the AUC is 0 or 1.
    """
    is_fake, values = two_classes(labels, scores, names)
    (area,), ((variance,),) = delong_areas(is_fake, values[None])
    return Interval(*_ends(float(area), float(variance), np.inf), "DeLong")


def over_seeds(
    found: Replicated, *, bounds: Bounds = UNIT, spread: SeedSpread | None = None
) -> OverSeeds:
    """Summarise a metric over seeds.

    The interval is of the mean over all seeds and samples that might have been: the variance of the
    seeds' mean plus that of the resamples', with Satterthwaite's degrees of freedom, otherwise as
    ``bootstrap_interval``. What a seed and a sample do together counts in both, so it errs on the
    wide side.

    Args:
        found: One metric of one detector.
        bounds: As in ``bootstrap_interval``.
        spread: The variance between seeds, pooled over the detectors of a table; None: this
            detector's own.

    Raises:
        UndefinedError: The mean is at a bound, or nothing varies.
    """
    mean, n = float(found.estimates.mean()), len(found.seeds)
    parts = [(sampling_variance(found.replicates.mean(axis=0)), found.clusters - 1)]
    parts += seed_variances([found], spread or seed_spread([found.estimates]))
    sd = float(found.estimates.std(ddof=1)) if n > 1 else None
    # Seeds are taken to vary evenly to both sides.
    share = parts[0][0] / max(sum(variance for variance, _ in parts), np.finfo(float).tiny)
    skewness = skewness_of(found.replicates.mean(axis=0)) * share**1.5
    low, high = _ends(mean, *pooled_variance(parts), bounds, skewness=skewness)
    return OverSeeds(mean, sd, low, high, n)


def delong_areas(
    is_fake: npt.NDArray[np.bool_], scores: npt.NDArray[np.floating]
) -> tuple[Floats, Floats]:
    """Compute the AUC of some scores of the same samples, and their covariance.

    Args:
        is_fake: Shape (n,).
        scores: Shape (d, n).

    Returns:
        Shapes (d,) and (d, d).
    """
    n_fake, n_real = int(is_fake.sum()), int((~is_fake).sum())
    if min(n_fake, n_real) < 2:
        raise UndefinedError("one sample alone in a class does not tell how such samples vary")
    overall = stats.rankdata(scores, axis=1)
    # The share of the other class that each sample is on the right side of.
    fakes = (overall[:, is_fake] - stats.rankdata(scores[:, is_fake], axis=1)) / n_real
    reals = 1 - (overall[:, ~is_fake] - stats.rankdata(scores[:, ~is_fake], axis=1)) / n_fake
    covariance = np.cov(fakes).reshape(len(scores), -1) / n_fake
    covariance = covariance + np.cov(reals).reshape(len(scores), -1) / n_real
    return fakes.mean(axis=1), covariance


def seed_variances(
    detectors: Sequence[Replicated], spread: SeedSpread | None
) -> list[tuple[float, int]]:
    """Give what seeds add to the variance of a mean or difference; nothing with one seed each."""
    if spread is None or all(len(each.seeds) == 1 for each in detectors):
        return []
    share = sum(1 / len(each.seeds) for each in detectors if each.varies)
    return [(spread.variance * share, spread.freedom)]


def _ends(
    value: float, variance: float, freedom: float, bounds: Bounds = UNIT, *, skewness: float = 0.0
) -> tuple[float, float]:
    """Give the ends of a t-interval, on the scale of the logit or the value's own."""
    least, width = bounds[0], bounds[1] - bounds[0]
    bounded = bool(np.isfinite(width))
    if variance == 0 or (bounded and not bounds[0] < value < bounds[1]):
        raise UndefinedError(f"nothing speaks against {value:g}: how sure it is cannot be told")
    reach = float(stdtrit(freedom, (1 + LEVEL) / 2) * np.sqrt(variance))
    if not bounded:
        return value - reach, value + reach
    share = (value - least) / width
    skewness = float(np.clip(skewness, -LONGEST, LONGEST)) * (2 * share - 1) ** 4
    steps = reach / width * np.array([-1 - max(-skewness, 0.0), 1 + max(skewness, 0.0)])
    low, high = least + width * expit(logit(share) + steps / (share * (1 - share)))
    return float(low), float(high)


def pooled_variance(parts: list[tuple[float, int]]) -> tuple[float, float]:
    """Add variances up, and give the sum's degrees of freedom (Satterthwaite, 1946)."""
    total = sum(variance for variance, _ in parts)
    if total == 0:
        return 0.0, 1.0
    return total, total**2 / sum(variance**2 / freedom for variance, freedom in parts)
