"""Metrics of parts of the samples, and of the real ones of one set against fakes of another."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from results.errors import ResultError, UndefinedError
from results.metrics.checking import Names, checked
from results.metrics.functions import auc
from results.schema import Value

PairMetric = Callable[[npt.ArrayLike, npt.ArrayLike], float]


class Scores(NamedTuple):
    """Labels 0 or 1, shape (n,), and finite scores, shape (n,), of one set."""

    labels: npt.ArrayLike
    scores: npt.ArrayLike


class Subgroups(NamedTuple):
    """A metric by subgroup.

    Attributes:
        values: Of each group in the order of its name, or why it has none.
        worst: The group of the worst value; of equal ones the first.
        gap: The best value minus the worst, without its sign; 0 with one group.
    """

    values: dict[str, Value]
    worst: str
    gap: float


def by_subgroup(
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    groups: npt.ArrayLike,
    metric: PairMetric,
    *,
    higher_is_better: bool = True,
    names: Names = None,
) -> Subgroups:
    """Compute a metric of each value of a column.

    Args:
        labels: 0 or 1, shape (n,).
        scores: Finite, shape (n,).
        groups: The column, text, shape (n,); a sample whose value is "" is in no group.
        metric: Such as ``auc``. A group for which it is undefined carries the reason.
        higher_is_better: Whether the worst value is the least.
        names: The samples' ids for errors.

    Raises:
        ResultError: Shapes differ, a label is not 0 or 1, or a score is not finite.
        UndefinedError: No group has a value.
    """
    is_fake, numbers = checked(labels, scores, names)
    column = np.asarray(groups).astype(str)
    if column.shape != numbers.shape:
        raise ResultError(f"{len(numbers)} scores, but a column of shape {column.shape}")
    values: dict[str, Value] = {}
    for group in np.unique(column[column != ""]):
        here = column == group
        try:
            values[str(group)] = Value(value=metric(is_fake[here], numbers[here]))
        except UndefinedError as error:
            values[str(group)] = Value(value=None, reason=str(error))
    known = {group: value.value for group, value in values.items() if value.value is not None}
    if not known:
        reasons = "; ".join(f"{group}: {value.reason}" for group, value in values.items())
        raise UndefinedError(f"no subgroup has a value ({reasons or 'there are no subgroups'})")
    worst = (min if higher_is_better else max)(known, key=known.__getitem__)
    return Subgroups(values, worst, max(known.values()) - min(known.values()))


def cross_auc(sets: Mapping[str, Scores]) -> dict[tuple[str, str], float]:
    """Compute the AUC of the real samples of each set against the fakes of each.

    Where a set's own AUC is high and those across sets are low, its threshold does not carry over:
    scores shift from set to set.

    Args:
        sets: By name; each may lack a class.

    Returns:
        By (set of the real samples, set of the fakes), of all pairs that have both.

    Raises:
        ResultError: As ``auc``.
    """
    parts = {name: checked(*scores) for name, scores in sets.items()}
    found: dict[tuple[str, str], float] = {}
    for left, (left_fake, left_values) in parts.items():
        real = left_values[~left_fake]
        for right, (right_fake, right_values) in parts.items():
            fake = right_values[right_fake]
            if len(real) and len(fake):
                labels = np.repeat([0, 1], [len(real), len(fake)])
                found[left, right] = auc(labels, np.concatenate([real, fake]))
    return found


def pooled_auc(sets: Mapping[str, Scores]) -> float:
    """Compute the AUC of all samples of all sets together: one threshold for all.

    Raises:
        ResultError: As ``auc``.
        UndefinedError: A class is absent from all sets.
    """
    labels = np.concatenate([np.asarray(labels) for labels, _ in sets.values()])
    return auc(labels, np.concatenate([np.asarray(scores) for _, scores in sets.values()]))
