"""Curves that figures draw, as arrays."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from results.checking import Floats
from results.metrics import roc
from results.ranked import Roc

_GRID = 501


def mean_roc(cells: Sequence[tuple[npt.ArrayLike, npt.ArrayLike]]) -> Roc:
    """Average ROC curves vertically: the mean TPR at each FPR, of models on equal footing.

    Scores of different models are never pooled into one curve.

    Args:
        cells: Labels and scores of each, both classes present.

    Returns:
        The full curve of a single cell; otherwise 501 points at equal steps of FPR after (0, 0).
    """
    curves = [roc(labels, scores) for labels, scores in cells]
    if len(curves) == 1:
        return curves[0]
    grid = np.linspace(0, 1, _GRID)
    mean: Floats = np.mean([_heights(curve, grid) for curve in curves], axis=0)
    return Roc(np.insert(grid, 0, 0.0), np.insert(mean, 0, 0.0))


def _heights(curve: Roc, grid: Floats) -> Floats:
    """Read a curve at FPRs; where it rises straight up, its upper end counts."""
    left = np.searchsorted(curve.fpr, grid, side="right") - 1
    right = np.minimum(left + 1, len(curve.fpr) - 1)
    width = curve.fpr[right] - curve.fpr[left]
    way = np.divide(grid - curve.fpr[left], width, out=np.zeros_like(grid), where=width > 0)
    heights: Floats = curve.tpr[left] + way * (curve.tpr[right] - curve.tpr[left])
    return heights
