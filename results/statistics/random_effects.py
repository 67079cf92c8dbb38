"""What other test sets would give: a mean over test sets that are themselves a sample of sets."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit, stdtrit

from results.errors import UndefinedError
from results.metrics.checking import Floats
from results.statistics.intervals import LEVEL, UNIT, Bounds

FEWEST_SETS = 3


class OverTestSets(NamedTuple):
    """A metric over test sets, as if these were drawn from all sets of their kind.

    Attributes:
        mean: On the scale of the logit, brought back: about the median set.
        low: Lower end of its 95 % interval, ``high`` the upper.
        next_low: Lower end of the 95 % prediction interval: where one further test set would lie,
            if it were measured without error; ``next_high`` the upper.
        spread: Standard deviation between the true values of sets, of logits.
        sets: How many.
    """

    mean: float
    low: float
    high: float
    next_low: float
    next_high: float
    spread: float
    sets: int


def sampling_covariance(replicates: Floats) -> Floats:
    """Give the covariance that resamples tell of several numbers; sets that share samples covary.

    Args:
        replicates: Of the same draws, shape (m, b), or (m, 3, b) by target, by donor and by both.

    Returns:
        Shape (m, m), no variance of a combination below 0.
    """
    if replicates.ndim == 2:
        return np.atleast_2d(np.cov(replicates))
    target, donor, both = (np.atleast_2d(np.cov(way)) for way in replicates.swapaxes(0, 1))
    values, vectors = np.linalg.eigh(target + donor - both)
    found: Floats = (vectors * values.clip(min=0)) @ vectors.T
    return found


def random_effects(estimates: Floats, covariance: Floats, *, bounds: Bounds = UNIT) -> OverTestSets:
    """Average a metric over test sets of which each has a true value of its own.

    The variance between sets is that of restricted maximum likelihood, given the covariance of
    sampling; the interval of the mean is Student's t with Knapp and Hartung's variance, never less
    than the model's, and the prediction interval has a degree of freedom less.
    Sources: Hartung and Knapp, 2001; Higgins, Thompson and Spiegelhalter, 2009.

    Args:
        estimates: Shape (m,).
        covariance: Of sampling, shape (m, m).
        bounds: The metric's least and greatest value, both finite.

    Raises:
        UndefinedError: There are fewer than 3 sets, or one is at a bound.
    """
    m, width = len(estimates), bounds[1] - bounds[0]
    if m < FEWEST_SETS:
        raise UndefinedError(f"a mean over test sets as such needs {FEWEST_SETS}, there are {m}")
    share = (estimates - bounds[0]) / width
    if not ((share > 0) & (share < 1)).all():
        raise UndefinedError("a test set is at an end of the range, where no logit is")
    slope = 1 / (width * share * (1 - share))
    values, within = logit(share), covariance * np.outer(slope, slope)

    def fit(between: float) -> tuple[float, float, float, float]:
        """Give minus twice the restricted log-likelihood, mean, its variance and the misfit."""
        total = within + between * np.eye(m)
        weighted = np.linalg.solve(total, np.stack([np.ones(m), values], axis=1))
        precision = float(weighted[:, 0].sum())
        mean = float(weighted[:, 1].sum()) / precision
        residual = values - mean
        misfit = float(residual @ np.linalg.solve(total, residual))
        likelihood = float(np.linalg.slogdet(total)[1]) + float(np.log(precision)) + misfit
        return likelihood, mean, 1 / precision, misfit

    # What never varies in any set would have a likelihood without bound.
    least = 1e-9 * max(float(np.trace(within)) / m, float(values.var()), 1e-12)
    most = 10 * (float(values.var(ddof=1)) + least)
    found = minimize_scalar(
        lambda log: fit(float(np.exp(log)))[0],
        bounds=(np.log(least), np.log(most)),
        method="bounded",
        options={"xatol": 1e-6},
    )
    between = float(np.exp(found.x))
    between = least if fit(least)[0] <= fit(between)[0] else between
    _, mean, variance, misfit = fit(between)
    variance *= max(misfit / (m - 1), 1.0)
    reach = stdtrit(m - 1, (1 + LEVEL) / 2) * np.sqrt(variance)
    ahead = stdtrit(m - 2, (1 + LEVEL) / 2) * np.sqrt(variance + between)
    steps = np.array([0.0, -reach, reach, -ahead, ahead])
    mean, low, high, next_low, next_high = (bounds[0] + width * expit(mean + steps)).tolist()
    spread = 0.0 if between == least else float(np.sqrt(between))
    return OverTestSets(mean, low, high, next_low, next_high, spread, m)
