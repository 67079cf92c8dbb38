"""Numbers over all damaged conditions of a protocol, and how sure they are."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from leaderboard.view import (
    Contender,
    Context,
    ProtocolView,
    Result,
    headline_results,
    is_better,
)
from protocols import Cell, Condition
from results.metrics.checking import Floats
from results.metrics.registry import Metric
from results.statistics.intervals import Interval, bootstrap_interval

# Less of the way from chance to the best value is too little for a share of it to mean anything.
_TELLING = 0.3
UNBOUNDED = (-math.inf, math.inf)
# A number, or its resamples of any shape; None where there is none.
Term = float | Floats | None
Height = Callable[[Result], Term]


class Damage(NamedTuple):
    """A number over the damaged conditions of one contender.

    Attributes:
        value: None where a needed cell has no value, or none counts.
        covered: Pairs of a cell and a condition (severity curves, for the area) that it is over;
            ``total`` how many there are.
    """

    value: float | None
    covered: int
    total: int


def severity_area(view: ProtocolView, contender: Contender) -> Damage:
    """Average the area under the curve of the metric over severity, from clean on.

    The trapezoidal area of each perturbation and cell is divided by its last severity, so that a
    detector that loses nothing has its clean value.
    """
    return _mean(_areas(view, contender, _of(view.metric)))


def relative_robustness(view: ProtocolView, contender: Contender) -> Damage:
    """Average (damaged - chance) / (clean - chance), only over cells that tell much when clean.

    That is 30 % of the way from chance to the metric's best value: an AUC of 0.65. A metric whose
    chance has no one value has none of it.
    """
    if view.headline.chance is None or telling(view.headline) is None:
        return Damage(None, 0, 0)
    total = sum(len(cell) - 1 for cell in _curves(view, contender, view.damaged))
    return _mean(_shares(view, contender, _of(view.metric)))._replace(total=total)


def corruption_drop(view: ProtocolView, contender: Contender) -> Damage:
    """Average what a cell loses from clean to a damaged condition."""
    return _mean(_drops(view, contender, _of(view.metric)))


def telling(metric: Metric) -> float | None:
    """Give the value ``_TELLING`` of the way from chance to the best; None without these."""
    if metric.chance is None or not math.isfinite(metric.best):
        return None
    return metric.chance + _TELLING * (metric.best - metric.chance)


def damage_interval(context: Context, contender: Contender, name: str, damage: Damage) -> Interval:
    """Give the interval of a number over the damaged conditions."""
    view, joint = context.view, context.bootstrap.of(context.view.name)
    met: list[Cell] = []

    def height(result: Result) -> Term:
        if result.model is None:
            return None
        met.append(result.cell)
        return joint.replicates(result.model.id, result.cell, view.metric)

    terms = np.array(_TERMS[name](view, contender, height), dtype=np.float64)
    clusters = min(joint.fewest(cell, view.metric) for cell in met)
    bounds = view.headline.bounds if name == "severity-area" else UNBOUNDED
    return bootstrap_interval(damage.value or 0.0, terms.mean(axis=0), clusters, bounds=bounds)


def _areas(view: ProtocolView, contender: Contender, height: Height) -> list[Term]:
    """Give the area under each curve."""
    areas: list[Term] = []
    for name in dict.fromkeys(condition.name for condition in view.damaged):
        conditions = [c for c in view.damaged if c.name == name]
        severities = [0, *(condition.severity for condition in conditions)]
        for cell in _curves(view, contender, conditions):
            heights = [height(result) for result in cell]
            area = None
            if all(each is not None for each in heights):
                curve = np.array(heights, dtype=np.float64)
                area = np.trapezoid(curve, severities, axis=0) / severities[-1]
            areas.append(area)
    return areas


def _shares(view: ProtocolView, contender: Contender, height: Height) -> list[Term]:
    """Give the share that is left of each cell that tells much when clean."""
    chance, least = view.headline.chance, telling(view.headline)
    assert chance is not None
    assert least is not None
    shares: list[Term] = []
    for clean, *damaged in _curves(view, contender, view.damaged):
        value, of_clean = clean.value(view.metric).value, height(clean)
        if value is None or of_clean is None:
            shares.append(None)
        elif value == least or is_better(view.metric, value, least):
            of_damaged = [height(result) for result in damaged]
            shares += [
                None if each is None else (each - chance) / (of_clean - chance)
                for each in of_damaged
            ]
    return shares


def _drops(view: ProtocolView, contender: Contender, height: Height) -> list[Term]:
    """Give what each cell loses to each damaged condition."""
    drops: list[Term] = []
    for clean, *damaged in _curves(view, contender, view.damaged):
        of_clean = height(clean)
        of_damaged = [height(result) for result in damaged]
        drops += [None if v is None or of_clean is None else of_clean - v for v in of_damaged]
    return drops


_TERMS: dict[str, Callable[[ProtocolView, Contender, Height], list[Term]]] = {
    "severity-area": _areas,
    "relative-robustness": _shares,
    "corruption-drop": _drops,
}
DAMAGE: dict[str, Callable[[ProtocolView, Contender], Damage]] = {
    "severity-area": severity_area,
    "relative-robustness": relative_robustness,
    "corruption-drop": corruption_drop,
}


def _of(metric: str) -> Height:
    """Give the value of a metric of each result, where there is one."""
    return lambda result: result.value(metric).value


def _curves(
    view: ProtocolView, contender: Contender, conditions: Sequence[Condition]
) -> list[list[Result]]:
    """Give the results of each cell that counts: clean, then under the conditions."""
    by_cell: dict[tuple[str, object], list[Result]] = {}
    for condition in (view.base, *conditions):
        for result in headline_results(view.of(contender, condition, view.level)):
            by_cell.setdefault((result.cell.training, result.test), []).append(result)
    return list(by_cell.values())


def _mean(values: Sequence[Term]) -> Damage:
    """Average where nothing is missing."""
    known = [value for value in values if value is not None]
    whole = bool(known) and len(known) == len(values)
    return Damage(
        float(np.mean(np.array(known, dtype=np.float64))) if whole else None,
        len(known),
        len(values),
    )
