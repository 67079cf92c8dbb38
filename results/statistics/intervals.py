"""How sure a number is: intervals, comparisons, several seeds.

Intervals are of 95 %. They say what other samples of the same kind would give, not what other
datasets would; cells that share real images share their luck. Scores are never averaged over seeds:
that would be another model, an ensemble.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.special import expit, logit, stdtr, stdtrit

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
from results.statistics.seeds import SeedSpread, seed_spread

LEVEL = 0.95
Bounds = tuple[float, float]
UNIT: Bounds = (0.0, 1.0)
Key = TypeVar("Key", bound=Hashable)


class Interval(NamedTuple):
    """Ends of a 95 % interval, and how it was made."""

    low: float
    high: float
    method: Literal["cluster bootstrap", "DeLong"]


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


class Difference(NamedTuple):
    """A metric of one detector minus another's on the same samples.

    Attributes:
        value: The difference.
        low: Lower end of its 95 % interval; ``high`` the upper.
        p: Two-sided p-value of no difference; below 0.05 just where the interval excludes 0.
    """

    value: float
    low: float
    high: float
    p: float


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
    bounds, and near them it covers more nearly what it says than percentiles do.

    Args:
        estimate: The metric of the samples as they are.
        replicates: The metric of each resample, shape (b,), or (3, b) by two ways of clustering.
        clusters: Fewest clusters of a class (``Draws.fewest``), at least 2.
        bounds: The metric's least and greatest value; unless both are finite, the interval is on
            the metric's own scale.

    Raises:
        UndefinedError: The metric is at a bound, or all resamples give one value.
    """
    variance = sampling_variance(replicates)
    low, high = _ends(estimate, variance, clusters - 1, bounds)
    return Interval(low, high, "cluster bootstrap")


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
        UndefinedError: As ``auc``; there are too few clusters; or the AUC is 0 or 1.
    """
    _, clusters = np.unique(clusters, return_inverse=True)
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
    (area,), ((variance,),) = _delong(is_fake, values[None])
    return Interval(*_ends(float(area), float(variance), np.inf), "DeLong")


def delong_difference(
    labels: npt.ArrayLike, left: npt.ArrayLike, right: npt.ArrayLike, names: Names = None
) -> Difference:
    """Compare the AUC of two detectors on the same independent samples.

    Source: DeLong et al., 1988.

    Args:
        labels: 0 or 1, at least two of each, shape (n,).
        left: Scores of one detector, shape (n,).
        right: Scores of the other, shape (n,); the difference is left - right.
        names: The samples' ids for errors.

    Raises:
        ResultError: As ``auc``.
        UndefinedError: As ``auc``; or a class has one sample.
    """
    is_fake, first = two_classes(labels, left, names)
    _, second = two_classes(labels, right, names)
    areas, covariance = _delong(is_fake, np.stack([first, second]))
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    return _difference(float(areas[0] - areas[1]), float(variance), np.inf)


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
    parts += _of_seeds([found], spread or seed_spread([found.estimates]))
    sd = float(found.estimates.std(ddof=1)) if n > 1 else None
    low, high = _ends(mean, *_pooled(parts), bounds)
    return OverSeeds(mean, sd, low, high, n)


def compare_replicates(
    left: Replicated, right: Replicated, *, spread: SeedSpread | None = None
) -> Difference:
    """Compare two detectors on the same samples, resampled by the same draws.

    Differences are paired by draw. Seeds are not paired: the first of one detector has nothing to
    do with the first of another. The interval and p are those of Student's t with the bootstrap's
    variance plus that of the seeds and Satterthwaite's degrees of freedom. With one seed each they
    are about these two trained models, not about the two ways to train; where one of them has
    several, the other is taken to vary as much.

    Args:
        left: One detector.
        right: The other; the difference is left - right.
        spread: The variance between seeds, pooled over the detectors of a table; None: over these
            two.

    Raises:
        ResultError: The replicates are not of the same draws.
    """
    if left.replicates.shape[1:] != right.replicates.shape[1:] or left.clusters != right.clusters:
        raise ResultError(
            "detectors are compared over the same draws; these have "
            f"{left.replicates.shape[-1]} draws of {left.clusters} clusters and "
            f"{right.replicates.shape[-1]} of {right.clusters}"
        )
    replicates = left.replicates.mean(axis=0) - right.replicates.mean(axis=0)
    parts = [(sampling_variance(replicates), left.clusters - 1)]
    both = [left, right]
    parts += _of_seeds(both, spread or seed_spread(each.estimates for each in both))
    value = float(left.estimates.mean() - right.estimates.mean())
    return _difference(value, *_pooled(parts))


def holm(p_values: Mapping[Key, float]) -> dict[Key, float]:
    """Adjust p-values for being a family, by Holm's step-down method.

    Args:
        p_values: All comparisons that a table makes, each in [0, 1].

    Returns:
        Adjusted p-values under the same keys; the chance of any false claim at or below a level is
        that level.
    """
    keys = sorted(p_values, key=p_values.__getitem__)
    found: dict[Key, float] = {}
    adjusted = 0.0
    for tried, key in enumerate(keys):
        adjusted = max(adjusted, min(1.0, (len(keys) - tried) * p_values[key]))
        found[key] = adjusted
    return {key: found[key] for key in p_values}


def _delong(
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


def _of_seeds(
    detectors: Sequence[Replicated], spread: SeedSpread | None
) -> list[tuple[float, int]]:
    """Give what seeds add to the variance of a mean or difference; nothing with one seed each."""
    if spread is None or all(len(each.seeds) == 1 for each in detectors):
        return []
    share = sum(1 / len(each.seeds) for each in detectors if each.varies)
    return [(spread.variance * share, spread.freedom)]


def _ends(
    value: float, variance: float, freedom: float, bounds: Bounds = UNIT
) -> tuple[float, float]:
    """Give the ends of a t-interval, on the scale of the logit or the value's own."""
    least, width = bounds[0], bounds[1] - bounds[0]
    bounded = bool(np.isfinite(width))
    if variance == 0 or (bounded and not bounds[0] < value < bounds[1]):
        raise UndefinedError(f"nothing speaks against {value:g}: how sure it is cannot be told")
    reach = float(stdtrit(freedom, (1 + LEVEL) / 2) * np.sqrt(variance))
    if not bounded:
        return value - reach, value + reach
    share, steps = (value - least) / width, np.array([-reach, reach]) / width
    low, high = least + width * expit(logit(share) + steps / (share * (1 - share)))
    return float(low), float(high)


def _pooled(parts: list[tuple[float, int]]) -> tuple[float, float]:
    """Add variances up, and give the sum's degrees of freedom (Satterthwaite, 1946)."""
    total = sum(variance for variance, _ in parts)
    if total == 0:
        return 0.0, 1.0
    return total, total**2 / sum(variance**2 / freedom for variance, freedom in parts)


def _difference(value: float, variance: float, freedom: float) -> Difference:
    """Test a difference; two equal ones, which never vary, do not differ."""
    error = float(np.sqrt(max(variance, 0.0)))
    if error == 0:
        if value != 0:
            raise UndefinedError(
                f"every resample differs by {value:g}: how uncertain that is cannot be told"
            )
        return Difference(0.0, 0.0, 0.0, 1.0)
    reach = float(stdtrit(freedom, (1 + LEVEL) / 2)) * error
    p = float(2 * stdtr(freedom, -abs(value) / error))
    return Difference(value, value - reach, value + reach, p)
