"""Metrics: arrays in, a float out.

``labels`` are 0 (real) and 1 (fake), shape (n,). ``scores`` are finite numbers, shape (n,), greater
for fake: logits at image level, mean P(fake) at video level. Rank metrics take logits, never a
float32 sigmoid, which is exactly 1 from logit 17 on and so makes ties that were none. ``names`` are
the samples' ids, by which errors name what is wrong; without them they tell its position.

All raise ResultError where shapes differ, a label is not 0 or 1 or a score is not finite, and its
kind UndefinedError, whose message is a reason for tables, where there is no value: no samples, or
one class where both are compared. Several rank metrics of the same samples share one sort by
``results.metrics.roc.rank``; several of one threshold share
``results.metrics.confusion.confusion``.
"""

from itertools import islice
from math import fsum

import numpy as np
import numpy.typing as npt

from results.metrics.calibration import calibration
from results.metrics.checking import Counts, Floats, Names
from results.metrics.confusion import confusion
from results.metrics.roc import Roc, rank


def probability(logits: npt.ArrayLike) -> Floats:
    """Give P(fake) in [0, 1]: the float64 sigmoid of logits of any shape."""
    from scipy.special import expit

    result: Floats = expit(np.asarray(logits, dtype=np.float64))
    return result


def group_means(values: Floats, of: Counts) -> Floats:
    """Average values group by group, as the frames of a video.

    Sums are exact up to their last rounding, so that no bit depends on the order of the values.

    Args:
        values: Finite, shape (n,).
        of: The group of each, from 0, none left out, shape (n,).

    Returns:
        Shape (groups,).
    """
    listed = iter(values[np.argsort(of, kind="stable")].tolist())
    sizes = np.bincount(of)
    sums = [fsum(islice(listed, size)) for size in sizes.tolist()]
    means: Floats = np.array(sums) / sizes
    return means


def auc(labels: npt.ArrayLike, scores: npt.ArrayLike, names: Names = None) -> float:
    """Area under the ROC curve, ties 1/2 (``Ranked.auc``)."""
    return float(rank(labels, scores, names).auc())


def average_precision(
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    names: Names = None,
    *,
    prevalence: float | None = None,
) -> float:
    """Average precision of *fake* (``Ranked.average_precision``).

    Constant scores give the prevalence, and so it compares sets of equal prevalence only, unless
    they are brought to one.

    Args:
        labels: 0 or 1, both present.
        scores: Finite.
        names: The samples' ids.
        prevalence: 0.5 for balanced classes; None: as the samples have it.
    """
    return float(rank(labels, scores, names).average_precision(prevalence))


def eer(labels: npt.ArrayLike, scores: npt.ArrayLike, names: Names = None) -> float:
    """Equal error rate on the interpolated ROC, 0.5 for constant scores (``Ranked.eer``)."""
    return float(rank(labels, scores, names).eer())


def tpr_at_fpr(
    labels: npt.ArrayLike, scores: npt.ArrayLike, fpr: float, names: Names = None
) -> float:
    """TPR where at most a share ``fpr`` of the real ones is called fake (``Ranked.tpr_at_fpr``).

    Undefined also where there are fewer than 10 / ``fpr`` real samples.
    """
    return float(rank(labels, scores, names).tpr_at_fpr(fpr))


def fpr_at_tpr(
    labels: npt.ArrayLike, scores: npt.ArrayLike, tpr: float, names: Names = None
) -> float:
    """FPR where at least a share ``tpr`` of the fakes is found (``Ranked.fpr_at_tpr``)."""
    return float(rank(labels, scores, names).fpr_at_tpr(tpr))


def partial_auc(
    labels: npt.ArrayLike, scores: npt.ArrayLike, fpr: float, names: Names = None
) -> float:
    """Area up to ``fpr``, standardised: 0.5 is chance (``Ranked.partial_auc``)."""
    return float(rank(labels, scores, names).partial_auc(fpr))


def roc(labels: npt.ArrayLike, scores: npt.ArrayLike, names: Names = None) -> Roc:
    """Compute the full ROC curve."""
    return rank(labels, scores, names).roc()


def accuracy(
    labels: npt.ArrayLike, scores: npt.ArrayLike, threshold: float = 0.0, names: Names = None
) -> float:
    """Share of samples on the right side of ``threshold``; a score equal to it is called real.

    Args:
        labels: 0 or 1; one class alone is allowed.
        scores: Logits, or P(fake) with a threshold of 0.5.
        threshold: The greatest score that is called real.
        names: The samples' ids.
    """
    return float(confusion(labels, scores, threshold, names).accuracy())


def balanced_accuracy(
    labels: npt.ArrayLike, scores: npt.ArrayLike, threshold: float = 0.0, names: Names = None
) -> float:
    """Mean of TPR and 1 - FPR at ``threshold``, otherwise as ``accuracy``; takes both classes."""
    return float(confusion(labels, scores, threshold, names).balanced_accuracy())


def f1(
    labels: npt.ArrayLike, scores: npt.ArrayLike, threshold: float = 0.0, names: Names = None
) -> float:
    """F1 of *fake* at ``threshold``, otherwise as ``accuracy``; takes forged samples."""
    return float(confusion(labels, scores, threshold, names).f1())


def tpr(
    labels: npt.ArrayLike, scores: npt.ArrayLike, threshold: float = 0.0, names: Names = None
) -> float:
    """Share of the forged samples above ``threshold``; a set of fakes alone has it."""
    return float(confusion(labels, scores, threshold, names).tpr())


def fpr(
    labels: npt.ArrayLike, scores: npt.ArrayLike, threshold: float = 0.0, names: Names = None
) -> float:
    """Share of the real samples above ``threshold``; a set of real ones alone has it."""
    return float(confusion(labels, scores, threshold, names).fpr())


def log_loss(labels: npt.ArrayLike, probabilities: npt.ArrayLike, names: Names = None) -> float:
    """Mean of -ln P(true class) in nats, of P(fake) in [0, 1] (``Calibration.log_loss``)."""
    return float(calibration(labels, probabilities, names).log_loss())


def brier(labels: npt.ArrayLike, probabilities: npt.ArrayLike, names: Names = None) -> float:
    """Mean squared distance of P(fake) to the label (``Calibration.brier``)."""
    return float(calibration(labels, probabilities, names).brier())


def ece(labels: npt.ArrayLike, probabilities: npt.ArrayLike, names: Names = None) -> float:
    """Expected calibration error of P(fake) in 15 bins (``Calibration.ece``)."""
    return float(calibration(labels, probabilities, names).ece())
