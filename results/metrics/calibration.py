"""How far P(fake) can be taken at its word.

All three depend on sums over samples alone, so that resamples cost a matrix product.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from results.metrics.checking import Floats, Names, checked_probabilities

BINS = 15
_SLICE = 2**16


class Calibration(NamedTuple):
    """Sums over samples, each of shape (...).

    Attributes:
        number: How many samples.
        surprise: Sum of -ln P(true class), in nats.
        squares: Sum of (P(fake) - label) squared.
        excess: Sum of P(fake) - label in each of 15 bins of equal width, shape (..., 15).
    """

    number: Floats
    surprise: Floats
    squares: Floats
    excess: Floats

    @classmethod
    def of_sums(cls, sums: Floats) -> "Calibration":
        """Take sums over the columns of ``misfits``, shape (..., 18)."""
        return cls(sums[..., 0], sums[..., 1], sums[..., 2], sums[..., 3:])

    def log_loss(self) -> Floats:
        """Mean of -ln P(true class), in nats, at most 36.04 (``misfits``)."""
        return np.asarray(self.surprise / self.number)

    def brier(self) -> Floats:
        """Mean squared distance of P(fake) to the label, in [0, 1]."""
        return np.asarray(self.squares / self.number)

    def ece(self) -> Floats:
        """Expected calibration error of P(fake), in [0, 1].

        The distance of mean P(fake) to the share of fakes, averaged over bins by their samples. It
        is biased upwards with few samples, and a resample's is more so.
        Source: Naeini et al., 2015, with Guo et al.'s 15 bins, 2017.
        """
        return np.asarray(np.abs(self.excess).sum(axis=-1) / self.number)


def misfits(labels: npt.ArrayLike, probabilities: npt.ArrayLike, names: Names = None) -> Floats:
    """Tell what each sample adds to ``Calibration``.

    Args:
        labels: 0 or 1; one class alone is allowed, shape (n,).
        probabilities: P(fake) in [0, 1], shape (n,). For the logarithm they are kept float64's
            epsilon away from 0 and 1, as in scikit-learn: a single error of a saturated detector
            is 36 nats, not infinite.
        names: The samples' ids for errors.

    Returns:
        Shape (n, 18).

    Raises:
        ResultError: Shapes differ, a label is not 0 or 1, or a value is no probability.
        UndefinedError: There are no samples.
    """
    is_fake, p = checked_probabilities(labels, probabilities, names)
    epsilon = np.finfo(np.float64).eps
    truth = np.where(is_fake, p, 1 - p)
    found = np.zeros((len(p), 3 + BINS))
    found[:, 0] = 1
    found[:, 1] = -np.log(np.clip(truth, epsilon, 1 - epsilon))
    found[:, 2] = (p - is_fake) ** 2
    bins = np.minimum((p * BINS).astype(np.int64), BINS - 1)
    found[np.arange(len(p)), 3 + bins] = p - is_fake
    return found


def calibration(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike, names: Names = None
) -> Calibration:
    """Sum over all samples, a slice at a time; otherwise as ``misfits``."""
    is_fake, p = checked_probabilities(labels, probabilities, names)
    starts = range(0, len(p), _SLICE)
    parts = (misfits(is_fake[at : at + _SLICE], p[at : at + _SLICE]) for at in starts)
    return Calibration.of_sums(np.sum([part.sum(axis=0) for part in parts], axis=0))
