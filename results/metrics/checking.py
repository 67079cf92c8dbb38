"""What no metric is defined for is refused, and the sample that is wrong is named."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from results.errors import ResultError, UndefinedError

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Names = Sequence[str] | npt.NDArray[np.str_] | npt.NDArray[np.object_] | None


class Checked(NamedTuple):
    """Samples that a metric can be computed of.

    Attributes:
        is_fake: Shape (n,).
        values: Their scores, finite, of a floating type, shape (n,).
    """

    is_fake: Bools
    values: npt.NDArray[np.floating]


def checked(labels: npt.ArrayLike, scores: npt.ArrayLike, names: Names = None) -> Checked:
    """Check samples of one class or two.

    Args:
        labels: 0 (real) or 1 (fake), shape (n,).
        scores: Finite numbers, shape (n,).
        names: The samples' ids for errors, n of them; without them their positions are told.

    Raises:
        ResultError: Shapes differ, a label is not 0 or 1, or a score is not finite.
        UndefinedError: There are no samples.
    """
    classes, values = np.asarray(labels), np.asarray(scores)
    if classes.ndim != 1 or classes.shape != values.shape:
        raise ResultError(
            f"labels and scores must be two lists of one length, got shapes {classes.shape} "
            f"and {values.shape}"
        )
    if not len(values):
        raise UndefinedError("there are no samples to compute a metric of")
    is_fake: Bools = classes == 1
    wrong = ~is_fake & (classes != 0)
    if wrong.any():
        at = int(wrong.argmax())
        raise ResultError(
            f"{_told('label', at, names)} is {classes[at]}, neither 0 (real) nor 1 (fake)"
        )
    if not np.issubdtype(values.dtype, np.floating):
        values = values.astype(np.float64)
    bad = ~np.isfinite(values)
    if bad.any():
        at = int(bad.argmax())
        raise ResultError(f"{_told('score', at, names)} is {values[at]}, not a finite number")
    return Checked(is_fake, values)


def two_classes(labels: npt.ArrayLike, scores: npt.ArrayLike, names: Names = None) -> Checked:
    """Check samples of which a metric compares the real with the forged; otherwise ``checked``.

    Raises:
        ResultError: As ``checked``.
        UndefinedError: There are no samples, or a class is absent.
    """
    found = checked(labels, scores, names)
    n, n_fake = len(found.is_fake), int(np.count_nonzero(found.is_fake))
    if n_fake in (0, n):
        only, absent = ("forged", "real") if n_fake else ("real", "forged")
        raise UndefinedError(f"{n} {only} samples and no {absent} ones: one class only")
    return found


def checked_probabilities(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike, names: Names = None
) -> Checked:
    """Check samples whose scores are P(fake); otherwise ``checked``.

    Returns:
        ``values`` in [0, 1], float64.

    Raises:
        ResultError: As ``checked``, or a score is outside [0, 1].
        UndefinedError: There are no samples.
    """
    is_fake, values = checked(labels, probabilities, names)
    outside = (values < 0) | (values > 1)
    if outside.any():
        at = int(outside.argmax())
        raise ResultError(
            f"{_told('score', at, names)} is {values[at]}, not a probability between 0 and 1; "
            "logits become one by probability()"
        )
    return Checked(is_fake, values.astype(np.float64))


def _told(what: str, at: int, names: Names) -> str:
    """Name a sample as well as can be."""
    return f"{what} {at}" if names is None else f"the {what} of '{names[at]}'"
