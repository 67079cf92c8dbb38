"""A protocol summed up as its file states, over the cells that may be compared.

A mean is over headline cells alone: whole sets whose real images are of the sources of their forged
ones. A detector that lacks one of them has no mean, so that a hole never helps.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from leaderboard.tables.cells import (
    UNKNOWN,
    difference_cell,
    interval_text,
    number_range,
    summary_cell,
    worst_cell,
)
from leaderboard.tables.table import DASH, SMALL, Section, Table, TableCell
from leaderboard.view import (
    Contender,
    Context,
    ProtocolView,
    Result,
    Summary,
    headline_results,
    is_better,
    summarise,
)
from protocols import ELSEWHERE, Cell, Condition
from results.errors import UndefinedError
from results.metrics.checking import Floats
from results.metrics.registry import Metric
from results.rounding import rounded, signed
from results.schema import ModelFacts
from results.statistics.intervals import Interval, bootstrap_interval

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
_UNBOUNDED = (-math.inf, math.inf)
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


def summary_tables(context: Context) -> Iterator[Table]:
    """Sum a protocol up: a row a contender, headline metric and level, the protocol's summaries."""
    view = context.view
    shown = [name for name in view.protocol.summaries if _applies(name, view)]
    rows = []
    for contender in view.contenders:
        cells = [_summary(name, context, contender) for name in shown]
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
            *_interval_notes(shown),
            *_track_notes(view),
        ),
    )


def _interval_notes(shown: Sequence[str]) -> list[str]:
    """Say what the intervals are, where numbers have some."""
    notes = []
    if {"worst-unseen", "seen-unseen-drop", *_TERMS} & set(shown):
        notes.append(
            "Ranges in parentheses are 95 % intervals by resampling clusters, for these trained "
            "models and these cells"
        )
    if "worst-unseen" in shown:
        notes.append(
            "The worst of several is partly the worst by bad luck, and its value too low: its "
            "interval holds for all unseen cells at once"
        )
    return notes


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
    return _mean(_areas(view, contender, _of(view.metric)))


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


def relative_robustness(view: ProtocolView, contender: Contender) -> Damage:
    """Average (damaged - chance) / (clean - chance), only over cells that tell much when clean.

    That is 30 % of the way from chance to the metric's best value: an AUC of 0.65. A metric whose
    chance has no one value has none of it.
    """
    if view.headline.chance is None or telling(view.headline) is None:
        return Damage(None, 0, 0)
    total = sum(len(cell) - 1 for cell in _curves(view, contender, view.damaged))
    return _mean(_shares(view, contender, _of(view.metric)))._replace(total=total)


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


def telling(metric: Metric) -> float | None:
    """Give the value that is ``TELLING`` of the way from chance to the best; None without these."""
    if metric.chance is None or not math.isfinite(metric.best):
        return None
    return metric.chance + TELLING * (metric.best - metric.chance)


def corruption_drop(view: ProtocolView, contender: Contender) -> Damage:
    """Average what a cell loses from clean to a damaged condition."""
    return _mean(_drops(view, contender, _of(view.metric)))


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


def _summary(name: str, context: Context, contender: Contender) -> TableCell:
    """Compute one summary of one contender."""
    view = context.view
    if name in _DAMAGE:
        small = any(
            result.small
            for condition in (view.base, *view.damaged)
            for result in headline_results(view.of(contender, condition, view.level))
        )
        damage = _DAMAGE[name](view, contender)
        cell = _damage_cell(name, damage, view.headline, small=small)
        return _with_interval(cell, lambda: _damage_interval(context, contender, name, damage))
    if view.is_elsewhere(contender):
        return TableCell(DASH, reason=UNKNOWN)
    seen, unseen = (_side(view, contender, seen=seen) for seen in (True, False))
    if name == "seen-unseen-drop":
        return _with_interval(
            difference_cell(seen, unseen), lambda: _drop_interval(context, contender)
        )
    if name == "worst-unseen":
        return _with_interval(
            worst_cell(unseen, view.metric), lambda: _worst_interval(context, contender)
        )
    return summary_cell(seen if name == "mean-seen" else unseen)


def _whole(view: ProtocolView, contender: Contender) -> TableCell:
    """Average all cells of what was trained elsewhere, of which none is seen or unseen."""
    if not view.is_elsewhere(contender):
        return TableCell(DASH, reason="trained here: see what was seen and unseen")
    return summary_cell(summarise(view.of(contender, view.base, view.level), view.metric))


def _with_interval(cell: TableCell, interval: Callable[[], Interval]) -> TableCell:
    """Add its interval to a number that there is, or why it has none."""
    if cell.raw is None:
        return cell
    try:
        low, high, _ = interval()
    except UndefinedError as error:
        return replace(cell, title=f"no interval: {error}")
    details = [cell.detail, interval_text(low, high)]
    return replace(cell, detail="; ".join(detail for detail in details if detail))


def _counted(context: Context, contender: Contender, *, seen: bool) -> list[tuple[str, Cell]]:
    """Give models and cells that a mean of seen or unseen cells is over."""
    view = context.view
    results = view.of(contender, view.base, view.level, seen)
    return [(r.model.id, r.cell) for r in results if r.cell.headline and r.model]


def _drop_interval(context: Context, contender: Contender) -> Interval:
    """Give the interval of the drop from seen to unseen cells."""
    view, joint = context.view, context.bootstrap.of(context.view.name)
    sides = [_counted(context, contender, seen=seen) for seen in (True, False)]
    seen, unseen = (
        np.mean([joint.replicates(*each, view.metric) for each in side], axis=0) for side in sides
    )
    clusters = min(joint.fewest(cell, view.metric) for side in sides for _, cell in side)
    of_seen, of_unseen = (_side(view, contender, seen=seen).value for seen in (True, False))
    assert of_seen is not None
    assert of_unseen is not None
    return bootstrap_interval(of_seen - of_unseen, seen - unseen, clusters, bounds=_UNBOUNDED)


def _worst_interval(context: Context, contender: Contender) -> Interval:
    """Give the interval of the worst unseen cell, whichever it is in truth."""
    view, joint = context.view, context.bootstrap.of(context.view.name)
    cells = _counted(context, contender, seen=False)
    results = view.of(contender, view.base, view.level, seen=False)
    values = [r.value(view.metric).value or 0.0 for r in results if r.cell.headline and r.model]
    lows, highs = joint.simultaneous(cells, view.metric, values)
    worst = np.min if view.headline.higher_is_better else np.max
    return Interval(float(worst(lows)), float(worst(highs)), "cluster bootstrap")


def _damage_interval(context: Context, contender: Contender, name: str, damage: Damage) -> Interval:
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
    bounds = view.headline.bounds if name == "severity-area" else _UNBOUNDED
    return bootstrap_interval(damage.value or 0.0, terms.mean(axis=0), clusters, bounds=bounds)


def _of(metric: str) -> Height:
    """Give the value of a metric of each result, where there is one."""
    return lambda result: result.value(metric).value


def _side(view: ProtocolView, contender: Contender, *, seen: bool) -> Summary:
    """Average the seen or unseen cells under the base condition."""
    return summarise(view.of(contender, view.base, view.level, seen), view.metric)


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
