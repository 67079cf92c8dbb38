"""A protocol summed up as its file states, over the cells that may be compared.

A mean is over headline cells alone: whole sets whose real images are of the sources of their forged
ones. A detector that lacks one of them has no mean, so that a hole never helps.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from leaderboard.tables.cells import (
    UNKNOWN,
    difference_cell,
    number_range,
    summary_cell,
    worst_cell,
)
from leaderboard.tables.table import DASH, SMALL, Section, Table, TableCell
from leaderboard.view import (
    Contender,
    Context,
    ProtocolView,
    Summary,
    headline_results,
    is_better,
    summarise,
)
from protocols import ELSEWHERE, Condition
from results.metrics.registry import Metric
from results.rounding import rounded, signed
from results.schema import ModelFacts

# Less of the way from chance to the best value is too little for a share of it to mean anything.
TELLING = 0.3
_TITLES = {
    "mean-seen": "seen",
    "mean-unseen": "unseen",
    "worst-unseen": "worst unseen",
    "seen-unseen-drop": "drop from seen to unseen",
    "severity-area": "area under severity",
    "relative-robustness": "relative robustness",
    "corruption-drop": "mean drop under damage",
}
_ELSEWHERE = "mean, trained elsewhere"


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


def summary_tables(context: Context) -> Iterator[Table]:
    """Sum a protocol up: a row a contender, headline metric and level, the protocol's summaries."""
    view = context.view
    shown = [name for name in view.protocol.summaries if _applies(name, view)]
    rows = []
    for contender in view.contenders:
        cells = [_summary(name, view, contender) for name in shown]
        if view.elsewhere:
            cells.append(_whole(view, contender))
        cells += _facts_cells([m for (c, _), m in view.models.items() if c == contender])
        rows.append((contender.label, tuple(cells)))
    yield Table(
        name=f"{view.name}-summary",
        metric=view.metric,
        level=view.level,
        caption=f"{view.protocol.title}: {view.metric} by {view.level}",
        corner="detector",
        columns=(
            *(_TITLES[name] for name in shown),
            *((_ELSEWHERE,) if view.elsewhere else ()),
            "init",
            "parameters",
            "steps",
            "epochs",
        ),
        sections=(Section("", tuple(rows)),),
        notes=(
            "In parentheses: cells in the number / cells. Only cells count whose real images are "
            "of the sources of their forged ones; a detector that lacks one of them has no number",
            *((_damage_notes(view.headline),) if view.damaged else ()),
            *_track_notes(view),
        ),
    )


def _track_notes(view: ProtocolView) -> list[str]:
    """Name the detectors of each track where not all are of one: their recipes differ too."""
    members: dict[str, dict[str, None]] = {}
    for (contender, training), model in view.models.items():
        if training == ELSEWHERE:
            continue
        members.setdefault(model.track, {})[contender.label] = None
    if len(members) < 2:
        return []
    tracks = "; ".join(f"{track}: {', '.join(labels)}" for track, labels in sorted(members.items()))
    return [f"Not all are trained in one track, so that their recipes differ too ({tracks})"]


def severity_area(view: ProtocolView, contender: Contender) -> Damage:
    """Average the area under the curve of the metric over severity, from clean on.

    The trapezoidal area of each perturbation and cell is divided by its last severity, so that a
    detector that loses nothing has its clean value.
    """
    areas = []
    for name in dict.fromkeys(condition.name for condition in view.damaged):
        conditions = [c for c in view.damaged if c.name == name]
        severities = [0, *(condition.severity for condition in conditions)]
        for cell in _curves(view, contender, conditions):
            area = None
            if all(value is not None for value in cell):
                heights = np.array(cell, dtype=np.float64)
                area = float(np.trapezoid(heights, severities) / severities[-1])
            areas.append(area)
    return _mean(areas)


def relative_robustness(view: ProtocolView, contender: Contender) -> Damage:
    """Average (damaged - chance) / (clean - chance), only over cells that tell much when clean.

    That is 30 % of the way from chance to the metric's best value: an AUC of 0.65. A metric whose
    chance has no one value has none of it.
    """
    chance, least = view.headline.chance, telling(view.headline)
    if chance is None or least is None:
        return Damage(None, 0, 0)
    shares: list[float | None] = []
    total = 0
    for clean, *damaged in _curves(view, contender, view.damaged):
        total += len(damaged)
        if clean is None:
            shares.append(None)
        elif clean == least or is_better(view.metric, clean, least):
            shares += [None if v is None else (v - chance) / (clean - chance) for v in damaged]
    return _mean(shares)._replace(total=total)


def telling(metric: Metric) -> float | None:
    """Give the value that is ``TELLING`` of the way from chance to the best; None without these."""
    if metric.chance is None or not math.isfinite(metric.best):
        return None
    return metric.chance + TELLING * (metric.best - metric.chance)


def corruption_drop(view: ProtocolView, contender: Contender) -> Damage:
    """Average what a cell loses from clean to a damaged condition."""
    drops: list[float | None] = []
    for clean, *damaged in _curves(view, contender, view.damaged):
        drops += [None if v is None or clean is None else clean - v for v in damaged]
    return _mean(drops)


_DAMAGE: dict[str, Callable[[ProtocolView, Contender], Damage]] = {
    "severity-area": severity_area,
    "relative-robustness": relative_robustness,
    "corruption-drop": corruption_drop,
}


def _applies(name: str, view: ProtocolView) -> bool:
    """Tell whether a protocol has the cells that a summary is over."""
    if name in _DAMAGE:
        return bool(view.damaged)
    sides = {"mean-seen": (True,), "seen-unseen-drop": (True, False)}.get(name, (False,))
    return all(view.has(seen) for seen in sides)


def _summary(name: str, view: ProtocolView, contender: Contender) -> TableCell:
    """Compute one summary of one contender."""
    if name in _DAMAGE:
        small = any(
            result.small
            for condition in (view.base, *view.damaged)
            for result in headline_results(view.of(contender, condition, view.level))
        )
        return _damage_cell(name, _DAMAGE[name](view, contender), view.headline, small=small)
    if view.is_elsewhere(contender):
        return TableCell(DASH, reason=UNKNOWN)
    seen, unseen = (_side(view, contender, seen=seen) for seen in (True, False))
    if name == "seen-unseen-drop":
        return difference_cell(seen, unseen)
    if name == "worst-unseen":
        return worst_cell(unseen, view.metric)
    return summary_cell(seen if name == "mean-seen" else unseen)


def _whole(view: ProtocolView, contender: Contender) -> TableCell:
    """Average all cells of what was trained elsewhere, of which none is seen or unseen."""
    if not view.is_elsewhere(contender):
        return TableCell(DASH, reason="trained here: see what was seen and unseen")
    return summary_cell(summarise(view.of(contender, view.base, view.level), view.metric))


def _side(view: ProtocolView, contender: Contender, *, seen: bool) -> Summary:
    """Average the seen or unseen cells under the base condition."""
    return summarise(view.of(contender, view.base, view.level, seen), view.metric)


def _curves(
    view: ProtocolView, contender: Contender, conditions: Sequence[Condition]
) -> list[list[float | None]]:
    """Give the values of each cell that counts: clean, then under the conditions."""
    by_cell: dict[tuple[str, object], list[float | None]] = {}
    for condition in (view.base, *conditions):
        for result in headline_results(view.of(contender, condition, view.level)):
            values = by_cell.setdefault((result.cell.training, result.test), [])
            values.append(result.value(view.metric).value)
    return list(by_cell.values())


def _mean(values: Sequence[float | None]) -> Damage:
    """Average where nothing is missing."""
    known = [value for value in values if value is not None]
    whole = bool(known) and len(known) == len(values)
    return Damage(float(np.mean(known)) if whole else None, len(known), len(values))


def _at_least(metric: Metric) -> str:
    """Say which values tell enough."""
    return f"at {'least' if metric.higher_is_better else 'most'} {telling(metric):g}"


def _damage_cell(name: str, damage: Damage, metric: Metric, *, small: bool) -> TableCell:
    """Show a number over the damaged conditions."""
    covered = f"{damage.covered}/{damage.total}"
    if damage.value is None:
        reason = "a cell has no value under damage"
        if not damage.covered:
            reason = "no cell counts"
            least = telling(metric)
            if name == "relative-robustness" and least is None:
                reason = f"chance has no one value of {metric.name}"
            elif name == "relative-robustness" and damage.total:
                reason += f": no {metric.name} on undamaged images is {_at_least(metric)}"
        return TableCell(DASH, covered if damage.total else "", reason=reason)
    text = rounded(damage.value)
    if name == "corruption-drop":
        text = signed(damage.value)
    return TableCell(text, covered, damage.value, frozenset({SMALL} if small else ()))


def _damage_notes(metric: Metric) -> str:
    """Say what the numbers under damage are."""
    reason = "Area under severity: mean height of the curve from clean to the last severity. "
    if telling(metric) is not None:
        side = "above" if metric.higher_is_better else "below"
        reason += (
            f"Relative robustness: share of the clean {metric.name} {side} chance that is left, "
            f"where that is {_at_least(metric)}. "
        )
    return f"{reason}Mean drop: clean minus damaged, over all conditions"


def _facts_cells(models: list[ModelFacts]) -> list[TableCell]:
    """Show what a contender's models are: a range where they differ."""
    if not models:
        return [TableCell(DASH, reason="no model was trained")] * 4
    return [
        TableCell(", ".join(sorted({model.init for model in models}))),
        _parameters_cell(models),
        *_training_cells([model for model in models if model.fit == "gradient"]),
    ]


def _parameters_cell(models: list[ModelFacts]) -> TableCell:
    """Show how many parameters models have; a forest, say, has none that are counted."""
    numbers = [model.parameters for model in models]
    if not any(numbers):
        return TableCell(DASH, reason="it has no weights that are counted")
    return TableCell(number_range(numbers))


def _training_cells(models: list[ModelFacts]) -> list[TableCell]:
    """Show steps and epochs, which only what is trained in steps has."""
    if not models:
        return [TableCell(DASH)] * 2
    return [
        TableCell(number_range([model.steps for model in models])),
        TableCell(number_range([float(rounded(model.epochs, 1)) for model in models])),
    ]
