"""Samples in the order of their scores: one sort for all rank metrics, and for all resamples.

What is counted has leading axes: none for the samples as they are, (b,) for b weighted resamples.
Each metric is written once, for both.
"""

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from results.errors import ResultError, UndefinedError
from results.metrics.checking import Bools, Checked, Counts, Floats, Names, two_classes

# TPR at FPR x needs this many real samples above the threshold, or it is the noise of a few.
EXPECTED_ABOVE = 10
_PROBES = 32
_SHARES = np.arange(_PROBES)


class Roc(NamedTuple):
    """Every point of a ROC curve, from (0, 0) to (1, 1), none dropped.

    Attributes:
        fpr: Share of the real images called fake, ascending, shape (k,).
        tpr: Share of the forged images called fake, ascending, shape (k,).
    """

    fpr: Floats
    tpr: Floats


class Ranked:
    """How many real and forged samples score at or above each distinct score.

    Every metric returns float64 of the counts' leading axes. Counts are whole numbers; of resamples
    they are sums of weights, float64.

    Attributes:
        false: Real samples, from the highest score down, shape (..., k + 1) for k distinct scores;
            starts at 0 and ends at the class's size, which is above 0.
        true: Forged samples, likewise.
        distinct: The distinct scores, descending, shape (k,).
    """

    def __init__(
        self, false: Counts | Floats, true: Counts | Floats, distinct: npt.NDArray[np.floating]
    ) -> None:
        """Take counts as they are, each in one piece; ``rank`` makes them of scores."""
        self.false = false
        self.true = true
        self.distinct = distinct

    @property
    def n_real(self) -> Counts | Floats:
        """Size of the class, shape (...)."""
        return self.false[..., -1]

    @property
    def n_fake(self) -> Counts | Floats:
        """Size of the class, shape (...)."""
        return self.true[..., -1]

    def roc(self) -> Roc:
        """Give the full ROC curve, shape (..., k + 1)."""
        return Roc(self.false / self.n_real[..., None], self.true / self.n_fake[..., None])

    def auc(self) -> Floats:
        """Area under the ROC curve: the chance that a fake scores above a real one, ties 1/2.

        The Mann-Whitney statistic, in whole numbers up to the last division, so that it does not
        depend on the order of the samples.
        """
        heights = self.true[..., 1:] + self.true[..., :-1]
        twice = np.vecdot(np.diff(self.false), heights)
        return np.asarray(twice / (2 * self.n_real * self.n_fake))

    def average_precision(self, prevalence: float | None = None) -> Floats:
        """Average precision of *fake*: sum of precision x gain in recall over distinct scores.

        Step-wise, not interpolated; equal scores are one step.

        Args:
            prevalence: The share of fakes in (0, 1) that precision is computed for, as if each
                class were weighted to it; None: as the samples have it.

        Raises:
            ResultError: ``prevalence`` is not in (0, 1).
        """
        false, true = self.false[..., 1:], self.true[..., 1:]
        weight = np.ones(true.shape[:-1])
        if prevalence is not None:
            _check_share("prevalence", prevalence)
            weight = self.n_fake / self.n_real * ((1 - prevalence) / prevalence)
        called = true + weight[..., None] * false
        # Scores above which no resampled sample stands call nothing fake, and gain no recall.
        precision = np.divide(true, called, out=called, where=called > 0)
        return np.asarray(np.vecdot(np.diff(self.true), precision) / self.n_fake)

    def eer(self) -> Floats:
        """Equal error rate: where the linearly interpolated full ROC has FPR = 1 - TPR.

        Constant scores give 0.5. (The nearest point of a thinned curve, as much code takes it,
        gives 0, a perfect detector.)
        """

        def excess(at: Counts) -> Floats:
            fpr, tpr = self._point(at)
            return fpr + tpr - 1

        # FPR - FNR rises from -1 to 1, so there is exactly one crossing.
        after = self._first(lambda at: excess(at) >= 0)
        low, high = excess(after - 1), excess(after)
        before, beyond = self._point(after - 1).fpr, self._point(after).fpr
        return np.asarray(before - low / (high - low) * (beyond - before))

    def tpr_at_fpr(self, fpr: float) -> Floats:
        """Greatest TPR of a threshold that calls at most a share ``fpr`` of the real ones fake.

        A point that a threshold reaches, not interpolated.

        Args:
            fpr: In (0, 1).

        Raises:
            ResultError: ``fpr`` is not in (0, 1).
            UndefinedError: There are fewer than 10 / ``fpr`` real samples. Of resamples this is not
                asked: what they were drawn from decides.
        """
        _check_share("FPR", fpr)
        least = round(EXPECTED_ABOVE / fpr)
        if self.n_real.ndim == 0 and self.n_real < least:
            raise UndefinedError(
                f"TPR at FPR {fpr * 100:g} % needs {least} real samples, there are {self.n_real}"
            )
        above = self._first(lambda at: self._point(at).fpr > fpr)
        return self._point(above - 1).tpr

    def fpr_at_tpr(self, tpr: float) -> Floats:
        """Least FPR of a threshold that finds at least a share ``tpr`` of the fakes.

        A point that a threshold reaches, not interpolated.

        Args:
            tpr: In (0, 1).

        Raises:
            ResultError: ``tpr`` is not in (0, 1).
        """
        _check_share("TPR", tpr)
        return self._point(self._first(lambda at: self._point(at).tpr >= tpr)).fpr

    def partial_auc(self, fpr: float) -> Floats:
        """Area under the ROC curve up to ``fpr``, standardised to 0.5 for chance, 1 for the best.

        Source: McClish, "Analyzing a portion of the ROC curve", 1989; as scikit-learn's
        ``roc_auc_score(max_fpr=...)``.

        Args:
            fpr: In (0, 1).

        Raises:
            ResultError: ``fpr`` is not in (0, 1).
        """
        _check_share("FPR", fpr)
        x, y = self.roc()
        width = np.diff(np.minimum(x, fpr))
        whole = np.vecdot(width, y[..., 1:] + y[..., :-1]) / 2
        # The segment that crosses ``fpr`` was taken too high: up to its end, not to the crossing.
        after = self._first(lambda at: self._point(at).fpr > fpr)
        before, beyond = self._point(after - 1), self._point(after)
        part = (fpr - before.fpr) / (beyond.fpr - before.fpr)
        surplus = (fpr - before.fpr) * (beyond.tpr - before.tpr) * (1 - part) / 2
        least = fpr**2 / 2
        return np.asarray((1 + (whole - surplus - least) / (fpr - least)) / 2)

    def _point(self, at: Counts) -> Roc:
        """Give points of each curve at ``at``: one each, shape (...), or m, shape (..., m)."""
        starts, n_real, n_fake = self._starts, self.n_real, self.n_fake
        if at.ndim > starts.ndim:
            starts, n_real, n_fake = starts[..., None], n_real[..., None], n_fake[..., None]
        index = starts + at
        return Roc(self.false.take(index) / n_real, self.true.take(index) / n_fake)

    @cached_property
    def _starts(self) -> Counts:
        """Where each curve begins among the counts of all, shape (...)."""
        *leading, width = self.false.shape
        return np.arange(0, self.false.size, width).reshape(leading)

    def _first(self, holds: Callable[[Counts], Bools]) -> Counts:
        """Find where ``holds`` begins on each curve; from there on it holds to the end.

        Asked at 32 points at once, 20,000 scores take three rounds: with few draws in a block the
        rounds cost more than the points.
        """
        shape = self.false.shape
        low, high = np.zeros(shape[:-1], np.int64), np.full(shape[:-1], shape[-1] - 1)
        while (low < high).any():
            width = high - low
            probes = low[..., None] + width[..., None] * _SHARES // _PROBES
            before = _PROBES - np.add.reduce(holds(probes), axis=-1)  # where it does not hold
            high = np.where(before < _PROBES, low + width * before // _PROBES, high)
            low = np.where(before > 0, low + width * (before - 1) // _PROBES + 1, low)
        return low


def rank(labels: npt.ArrayLike, scores: npt.ArrayLike, names: Names = None) -> Ranked:
    """Sort samples by score, once.

    Args:
        labels: 0 (real) or 1 (fake), shape (n,).
        scores: Finite, greater for fake, shape (n,). float32 takes half of float64's memory.
        names: The samples' ids for errors.

    Raises:
        ResultError: Shapes differ, a label is not 0 or 1, or a score is not finite.
        UndefinedError: There are no samples, or a class is absent.
    """
    found = two_classes(labels, scores, names)
    values, fakes = _packed(found) if found.values.dtype == np.float32 else _merged(found)
    ends = _ends(values)
    np.cumsum(fakes, out=fakes)
    true = np.zeros(len(ends) + 1, np.int64)
    np.take(fakes, ends, out=true[1:])
    false = np.zeros_like(true)
    np.subtract(ends, true[1:], out=false[1:])
    false[1:] += 1
    return Ranked(false, true, values[ends])


class Order:
    """Where the samples stand by score, so that resamples are ranked without sorting again."""

    def __init__(
        self, labels: npt.ArrayLike, scores: npt.ArrayLike, of: Counts, names: Names = None
    ) -> None:
        """Sort samples.

        Args:
            labels: As in ``rank``.
            scores: As in ``rank``.
            of: Which of the weights a sample takes (its cluster), from 0, shape (n,).
            names: As in ``rank``.

        Raises:
            ResultError: As ``rank``.
            UndefinedError: As ``rank``.
        """
        is_fake, values = two_classes(labels, scores, names)
        order = np.argsort(-values, kind="stable")
        is_fake, of, values = is_fake[order], of[order], values[order]
        ends = _ends(values)
        self._distinct = values[ends]
        self._fake, self._real = of[is_fake], of[~is_fake]
        self._n_true = np.append(0, np.cumsum(is_fake)[ends])
        self._n_false = np.append(0, ends + 1) - self._n_true

    def ranked(self, weights: Counts | Floats) -> Ranked:
        """Rank resamples.

        Args:
            weights: What each cluster weighs in each resample, at least 0, shape (b, c). In each
                resample both classes weigh something.

        Returns:
            Sums of weights of shape (b, k + 1), float64.
        """
        false = _added_up(weights, self._real, self._n_false)
        return Ranked(false, _added_up(weights, self._fake, self._n_true), self._distinct)


def _added_up(weights: Counts | Floats, of: Counts, at: Counts) -> Floats:
    """Add the weights of one class's samples up, from the highest score down, as far as ``at``."""
    sums = np.zeros((len(weights), len(of) + 1))
    np.cumsum(weights.take(of, axis=-1), axis=-1, out=sums[:, 1:])
    return sums.take(at, axis=-1)


def _packed(samples: Checked) -> tuple[npt.NDArray[np.float32], Counts]:
    """Sort float32 scores downwards, each in one whole number with its class as the last bit.

    Numbers sort several times faster than their positions do.

    Returns:
        The scores, and 1 for each fake among them; both of shape (n,).
    """
    keys = _ordered((-samples.values).view(np.int32)).astype(np.int64)
    keys <<= 1
    keys |= samples.is_fake
    keys.sort()
    fakes = keys & 1
    keys >>= 1
    return -_ordered(keys.astype(np.int32)).view(np.float32), fakes


def _ordered(bits: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Turn a float32's bits into a whole number of the same order, in place; or back."""
    bits ^= (bits >> 31) & np.int32(0x7FFFFFFF)
    return bits


def _merged(samples: Checked) -> tuple[npt.NDArray[np.floating], Counts]:
    """Do what ``_packed`` does for scores of any type, class by class."""
    is_fake, values = samples
    real, fake = np.sort(-values[~is_fake]), np.sort(-values[is_fake])
    both = np.concatenate([real, fake])
    # Merging two sorted lists is one pass of the stable sort.
    order = np.argsort(both, kind="stable")
    return -both[order], (order >= len(real)).astype(np.int64)


def _check_share(what: str, share: float) -> None:
    """Refuse a share, and percent taken for one, that no curve is read at."""
    if not 0 < share < 1:
        raise ResultError(f"a {what} of {share:g} is asked for; it must lie between 0 and 1")


def _ends(values: npt.NDArray[np.floating]) -> Counts:
    """Find the last position of each distinct value of sorted ``values``."""
    last = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=last[:-1])
    return np.flatnonzero(last)
