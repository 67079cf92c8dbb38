"""Metrics: arrays in, a float out.

``labels`` are 0 (real) and 1 (fake), shape (n,). ``scores`` are finite numbers, shape (n,), greater
for fake: logits at image level, mean P(fake) at video level. Rank metrics take logits, never a
float32 sigmoid, which is exactly 1 from logit 17 on and so makes ties that were none.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from results.errors import ResultError

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


class Roc(NamedTuple):
    """Every point of a ROC curve, from (0, 0) to (1, 1), none dropped.

    Attributes:
        fpr: Share of the real images called fake, ascending, shape (k,).
        tpr: Share of the forged images called fake, ascending, shape (k,).
    """

    fpr: Floats
    tpr: Floats


def probability(logits: npt.ArrayLike) -> Floats:
    """Give P(fake) in [0, 1]: the float64 sigmoid of logits of any shape."""
    result: Floats = expit(np.asarray(logits, dtype=np.float64))
    return result


def auc(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Area under the ROC curve: the chance that a forged image scores above a real one, ties 1/2.

    The Mann-Whitney statistic, in whole numbers up to the last division, so that it does not
    depend on the order of the samples.

    Raises:
        ResultError: Shapes differ, a label is not 0 or 1, a score is not finite, or a class is
            absent.
    """
    false, true = _counts(labels, scores)
    twice = int(np.sum(np.diff(false) * (true[1:] + true[:-1])))
    return twice / (2 * int(false[-1]) * int(true[-1]))


def average_precision(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Average precision of *fake*: sum of precision x gain in recall over distinct scores.

    Step-wise, not interpolated; equal scores are one step. Constant scores give the prevalence,
    and so it compares sets of equal prevalence only.

    Raises:
        ResultError: As ``auc``.
    """
    false, true = _counts(labels, scores)
    precision = true[1:] / (true[1:] + false[1:])
    return float(np.sum(np.diff(true) * precision) / true[-1])


def eer(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Equal error rate: where the linearly interpolated full ROC has FPR = 1 - TPR.

    Constant scores give 0.5. (The nearest point of a thinned curve, as much code takes it, gives
    0, a perfect detector.)

    Raises:
        ResultError: As ``auc``.
    """
    fpr, tpr = roc(labels, scores)
    # FPR - FNR rises strictly from -1 to 1, so there is exactly one crossing.
    excess = fpr + tpr - 1
    after = int(np.argmax(excess >= 0))
    before = after - 1
    way = -excess[before] / (excess[after] - excess[before])
    return float(fpr[before] + way * (fpr[after] - fpr[before]))


def accuracy(labels: npt.ArrayLike, scores: npt.ArrayLike, threshold: float = 0.0) -> float:
    """Share of samples on the right side of ``threshold``; a score equal to it is called real.

    Args:
        labels: 0 or 1; one class alone is allowed.
        scores: Logits, or P(fake) with a threshold of 0.5.
        threshold: The greatest score that is called real.

    Raises:
        ResultError: Shapes differ or are empty, a label is not 0 or 1, a score is not finite.
    """
    is_fake, values = _checked(labels, scores)
    return float(np.mean((values > threshold) == is_fake))


def roc(labels: npt.ArrayLike, scores: npt.ArrayLike) -> Roc:
    """Compute the full ROC curve.

    Raises:
        ResultError: As ``auc``.
    """
    false, true = _counts(labels, scores)
    return Roc(false / false[-1], true / true[-1])


def _counts(labels: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[Counts, Counts]:
    """Count real and forged samples at or above each distinct score, from the highest down.

    Returns:
        Both shape (k + 1,) for k distinct scores, starting at 0, ending at the class's size.
    """
    is_fake, values = _checked(labels, scores)
    n_fake = int(is_fake.sum())
    if n_fake in (0, len(values)):
        only, absent = ("forged", "real") if n_fake else ("real", "forged")
        raise ResultError(f"{len(values)} {only} samples and no {absent} ones: one class only")
    order = np.argsort(values, kind="stable")[::-1]
    values = values[order]
    ends = np.append(np.flatnonzero(np.diff(values)), len(values) - 1)
    true = np.cumsum(is_fake[order], dtype=np.int64)[ends]
    false = ends + 1 - true
    return np.insert(false, 0, 0), np.insert(true, 0, 0)


def _checked(
    labels: npt.ArrayLike, scores: npt.ArrayLike
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.floating]]:
    """Refuse what no metric is defined for."""
    classes, values = np.asarray(labels), np.asarray(scores)
    if classes.ndim != 1 or classes.shape != values.shape:
        raise ResultError(
            f"labels and scores must be two lists of one length, got shapes {classes.shape} "
            f"and {values.shape}"
        )
    if not len(values):
        raise ResultError("there are no samples to compute a metric of")
    wrong = (classes != 0) & (classes != 1)
    if wrong.any():
        index = int(wrong.argmax())
        raise ResultError(f"label {index} is {classes[index]}, neither 0 (real) nor 1 (fake)")
    if not np.issubdtype(values.dtype, np.floating):
        values = values.astype(np.float64)
    bad = ~np.isfinite(values)
    if bad.any():
        index = int(bad.argmax())
        raise ResultError(f"score {index} is {values[index]}, not a finite number")
    return classes == 1, values
