"""Whether two detectors differ on the same samples, how surely, and what could have been seen."""

from collections.abc import Hashable, Mapping
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr, stdtrit

from results.errors import ResultError, UndefinedError
from results.metrics.checking import Names, two_classes
from results.statistics.bootstrap import ROUNDING, sampling_variance
from results.statistics.intervals import (
    LEVEL,
    Replicated,
    delong_areas,
    pooled_variance,
    seed_variances,
)
from results.statistics.seeds import SeedSpread, seed_spread

# The chance with which a difference is to be seen that is called detectable.
POWER = 0.8
Key = TypeVar("Key", bound=Hashable)


class Difference(NamedTuple):
    """A metric of one detector minus another's on the same samples.

    Attributes:
        value: The difference.
        low: Lower end of its 95 % interval; ``high`` the upper.
        p: Two-sided p-value of no difference; below 0.05 just where the interval excludes 0.
        error: Its standard error; ``freedom`` the degrees of freedom of that.
    """

    value: float
    low: float
    high: float
    p: float
    error: float
    freedom: float


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
    areas, covariance = delong_areas(is_fake, np.stack([first, second]))
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    return _difference(float(areas[0] - areas[1]), float(variance), np.inf)


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
    parts += seed_variances(both, spread or seed_spread(each.estimates for each in both))
    value = float(left.estimates.mean() - right.estimates.mean())
    return _difference(value, *pooled_variance(parts))


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


def equivalence(found: Difference, margin: float) -> float:
    """Test whether two detectors differ by less than ``margin``: two one-sided tests.

    Not to be told apart is no equality: few samples tell nothing apart.
    Source: Schuirmann, "A comparison of the two one-sided tests procedure", 1987.

    Args:
        found: Their difference.
        margin: What is too little to matter, above 0.

    Returns:
        p-value of a difference of ``margin`` or more; below 0.05 just where the interval of 90 %
        lies within it.

    Raises:
        ResultError: ``margin`` is not above 0.
    """
    if not margin > 0:
        raise ResultError(f"a margin of {margin:g} is asked for; it must be above 0")
    if found.error == 0:
        return float(abs(found.value) >= margin)
    return float(stdtr(found.freedom, (abs(found.value) - margin) / found.error))


def detectable(found: Difference) -> float:
    """Give the least true difference that such samples show in 80 % of cases, at 5 %.

    About 2.8 standard errors; it is of the samples and of how alike the two detectors are, and
    says nothing of the difference that was found.
    """
    reach = stdtrit(found.freedom, (1 + LEVEL) / 2) + stdtrit(found.freedom, POWER)
    return float(reach * found.error)


def _difference(value: float, variance: float, freedom: float) -> Difference:
    """Test a difference; two equal ones, which never vary, do not differ."""
    error = float(np.sqrt(max(variance, 0.0)))
    if error <= ROUNDING:
        if abs(value) > ROUNDING:
            raise UndefinedError(
                f"every resample differs by {value:g}: how uncertain that is cannot be told"
            )
        return Difference(0.0, 0.0, 0.0, 1.0, 0.0, freedom)
    reach = float(stdtrit(freedom, (1 + LEVEL) / 2)) * error
    p = float(2 * stdtr(freedom, -abs(value) / error))
    return Difference(value, value - reach, value + reach, p, error, freedom)
