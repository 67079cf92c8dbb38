"""A protocol summed up as its file states, over the cells that may be compared.

A mean is over headline cells alone: whole sets whose real images are of the sources of their forged
ones. A detector that lacks one of them has no mean, so that a hole never helps.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from leaderboard.tables.cells import (
    UNKNOWN,
    difference_cell,
    interval_text,
    number_range,
    summary_cell,
    worst_cell,
)
from leaderboard.tables.damage import DAMAGE, UNBOUNDED, Damage, damage_interval, telling
from leaderboard.tables.table import DASH, SMALL, Section, Table, TableCell
from leaderboard.view import (
    Contender,
    Context,
    ProtocolView,
    Summary,
    headline_results,
    summarise,
)
from protocols import ELSEWHERE, Cell
from results.errors import UndefinedError
from results.metrics.registry import Metric
from results.rounding import rounded, signed
from results.schema import ModelFacts
from results.statistics.intervals import Interval, bootstrap_interval

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
    if {"worst-unseen", "seen-unseen-drop", *DAMAGE} & set(shown):
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


def _applies(name: str, view: ProtocolView) -> bool:
    """Tell whether a protocol has the cells that a summary is over."""
    if name in DAMAGE:
        return bool(view.damaged)
    sides = {"mean-seen": (True,), "seen-unseen-drop": (True, False)}.get(name, (False,))
    return all(view.has(seen) for seen in sides)


def _summary(name: str, context: Context, contender: Contender) -> TableCell:
    """Compute one summary of one contender."""
    view = context.view
    if name in DAMAGE:
        small = any(
            result.small
            for condition in (view.base, *view.damaged)
            for result in headline_results(view.of(contender, condition, view.level))
        )
        damage = DAMAGE[name](view, contender)
        cell = _damage_cell(name, damage, view.headline, small=small)
        return _with_interval(cell, lambda: damage_interval(context, contender, name, damage))
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
    return bootstrap_interval(of_seen - of_unseen, seen - unseen, clusters, bounds=UNBOUNDED)


def _worst_interval(context: Context, contender: Contender) -> Interval:
    """Give the interval of the worst unseen cell, whichever it is in truth."""
    view, joint = context.view, context.bootstrap.of(context.view.name)
    cells = _counted(context, contender, seen=False)
    results = view.of(contender, view.base, view.level, seen=False)
    values = [r.value(view.metric).value or 0.0 for r in results if r.cell.headline and r.model]
    lows, highs = joint.simultaneous(cells, view.metric, values)
    worst = np.min if view.headline.higher_is_better else np.max
    return Interval(float(worst(lows)), float(worst(highs)), "cluster bootstrap")


def _side(view: ProtocolView, contender: Contender, *, seen: bool) -> Summary:
    """Average the seen or unseen cells under the base condition."""
    return summarise(view.of(contender, view.base, view.level, seen), view.metric)


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
