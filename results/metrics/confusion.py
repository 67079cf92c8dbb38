"""Decisions at a threshold: a score above it is called fake, one equal to it real.

A threshold is 0 for logits and 0.5 for P(fake), or is chosen on validation samples and carried over
to test sets, where it says something of sets of one class too.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from results.errors import UndefinedError
from results.metrics.checking import Bools, Floats, Names, checked
from results.metrics.roc import rank

Numbers = npt.NDArray[np.number]


class Confusion(NamedTuple):
    """How many samples of each class are called what; each of shape (...).

    Attributes:
        found: Forged and called fake.
        missed: Forged and called real.
        alarmed: Real and called fake.
        passed: Real and called real.
    """

    found: Numbers
    missed: Numbers
    alarmed: Numbers
    passed: Numbers

    @classmethod
    def of_sums(cls, sums: Numbers) -> "Confusion":
        """Take sums over the columns of ``outcomes``, shape (..., 4)."""
        return cls(*np.moveaxis(sums, -1, 0))

    def accuracy(self) -> Floats:
        """Share of samples on the right side of the threshold; depends on the prevalence."""
        right = self.found + self.passed
        return np.asarray(right / (right + self.missed + self.alarmed))

    def tpr(self) -> Floats:
        """Share of the forged samples that are called fake.

        Raises:
            UndefinedError: There are no forged samples.
        """
        return np.asarray(self.found / _some(self.found + self.missed, "forged"))

    def fpr(self) -> Floats:
        """Share of the real samples that are called fake.

        Raises:
            UndefinedError: There are no real samples.
        """
        return np.asarray(self.alarmed / _some(self.alarmed + self.passed, "real"))

    def balanced_accuracy(self) -> Floats:
        """Mean of TPR and 1 - FPR: the accuracy if both classes were as many.

        Raises:
            UndefinedError: A class is absent.
        """
        return np.asarray((self.tpr() + 1 - self.fpr()) / 2)

    def f1(self) -> Floats:
        """Harmonic mean of precision and recall of *fake*; depends on the prevalence.

        Raises:
            UndefinedError: There are no forged samples.
        """
        _some(self.found + self.missed, "forged")
        return np.asarray(2 * self.found / (2 * self.found + self.missed + self.alarmed))


def outcomes(
    labels: npt.ArrayLike, scores: npt.ArrayLike, threshold: float, names: Names = None
) -> Bools:
    """Tell each sample's outcome, in the order of ``Confusion``.

    Args:
        labels: 0 or 1; one class alone is allowed, shape (n,).
        scores: Finite, shape (n,).
        threshold: The greatest score that is called real.
        names: The samples' ids for errors.

    Returns:
        Shape (n, 4), one of four is true.

    Raises:
        ResultError: Shapes differ, a label is not 0 or 1, or a score is not finite.
        UndefinedError: There are no samples.
    """
    is_fake, values = checked(labels, scores, names)
    # A float64 scalar: a threshold between two neighbouring float32 would be rounded to one.
    called = values > np.float64(threshold)
    return np.stack([is_fake & called, is_fake & ~called, ~is_fake & called, ~is_fake & ~called], 1)


def confusion(
    labels: npt.ArrayLike, scores: npt.ArrayLike, threshold: float, names: Names = None
) -> Confusion:
    """Count the outcomes of all samples; otherwise as ``outcomes``."""
    return Confusion.of_sums(np.count_nonzero(outcomes(labels, scores, threshold, names), axis=0))


def best_threshold(labels: npt.ArrayLike, scores: npt.ArrayLike, names: Names = None) -> float:
    """Choose the threshold of greatest balanced accuracy, on validation samples.

    It lies midway between two scores. Of equally good ones it is the highest.

    Args:
        labels: 0 or 1, both present, shape (n,).
        scores: Finite, shape (n,).
        names: The samples' ids for errors.

    Raises:
        ResultError: As ``outcomes``.
        UndefinedError: There are no samples, or a class is absent.
    """
    ranked = rank(labels, scores, names)
    # Compared in whole numbers: equally good is not a matter of rounding.
    gain = ranked.true * ranked.n_real - ranked.false * ranked.n_fake
    called = int(np.argmax(gain))
    levels = ranked.distinct.astype(np.float64)
    if called == 0:
        return float(levels[0])
    if called == len(levels):
        return float(np.nextafter(levels[-1], -np.inf))
    return float((levels[called - 1] + levels[called]) / 2)


def _some(number: Numbers, what: str) -> Numbers:
    """Refuse to divide by the size of an absent class."""
    if np.min(number) == 0:
        raise UndefinedError(f"one class only: there are no {what} samples")
    return number
