"""What stands beside the headline metric: error rates, thresholds carried over, subgroups."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from leaderboard.tables.cells import summary_cell
from leaderboard.tables.table import DASH, SMALL, Section, Table, TableCell
from leaderboard.view import SMALL as FEW
from leaderboard.view import ProtocolView, Result, Summary, summarise
from results.errors import UndefinedError
from results.metrics.functions import auc
from results.metrics.registry import METRICS, beside
from results.run import RunContents
from results.store import SAMPLE_COLUMNS
from results.subgroups import Subgroups, by_subgroup

# A column of more values than this names samples, not groups of them.
MOST_GROUPS = 30
_Row = tuple[str, tuple[TableCell, ...]]


def beside_table(view: ProtocolView) -> Table | None:
    """Sum the other metrics up: a row a contender, each the mean over cells that count.

    Returns:
        Over unseen cells of the headline level without damage (seen ones where there are no
        others); None where the protocol has no such condition.
    """
    if view.base.name != "clean":
        return None
    seen = not view.has(seen=False)
    metrics = [name for name in beside() if name != view.metric]
    rows: list[_Row] = []
    means: list[Summary] = []
    for contender in view.contenders:
        results = view.of(contender, view.base, view.level, seen)
        own = [summarise(results, metric) for metric in metrics]
        cells = [_mean_cell(results, *pair) for pair in zip(metrics, own, strict=True)]
        rows.append((contender.label, tuple(cells)))
        means += own
    rows, covered = _told_once(rows, means)
    return Table(
        name=f"{view.name}-beside",
        metric=view.metric,
        level=view.level,
        caption=f"{view.protocol.title}: other metrics by {view.level}, mean over "
        f"{'seen' if seen else 'unseen'} cells",
        corner="detector",
        columns=tuple(metrics),
        sections=(Section("", tuple(rows)),),
        notes=(". ".join((covered, *_told_of(metrics))),),
    )


def _told_of(metrics: Sequence[str]) -> Iterator[str]:
    """Say what the names of metrics do not: what they have in common once."""
    notes: dict[str, list[str]] = {}
    for name in metrics:
        notes.setdefault(METRICS[name].note, []).append(name)
    yield from (f"{', '.join(names)}: {note}" for note, names in notes.items() if note)
    lower = [name for name in metrics if not METRICS[name].higher_is_better]
    if lower:
        yield f"Lower is better for {', '.join(lower)}"


def _told_once(rows: list[_Row], means: list[Summary]) -> tuple[list[_Row], str]:
    """Say once how many cells all means are over, where that is one and the same."""
    told = {(mean.covered, mean.total) for mean in means if mean.value is not None}
    if len(told) != 1:
        return rows, "In parentheses: cells in the number / cells"
    bare = [(name, tuple(replace(cell, detail="") for cell in cells)) for name, cells in rows]
    ((covered, total),) = told
    return bare, f"Each mean is over {covered} of {total} cells"


def _mean_cell(results: list[Result], metric: str, mean: Summary) -> TableCell:
    """Show a mean, or why there is none and what the first cell lacks."""
    cell = summary_cell(mean)
    lacking = [r.value(metric).reason for r in results if r.cell.headline]
    first = next((reason for reason in lacking if reason), None)
    return replace(cell, reason=f"{cell.reason}, since {first}") if cell.reason and first else cell


def subgroup_table(view: ProtocolView, contents: RunContents) -> Table | None:
    """Show each detector's worst subgroup by the manifest's own columns, and how far it falls.

    Returns:
        Cells that count of the headline level under the base condition: the AUC of the worst
        group of each column, and the best minus the worst. None where there is no such column.
    """
    columns = _own_columns(contents)
    if not columns:
        return None
    sections = []
    for contender in view.contenders:
        results = [r for r in view.of(contender, view.base, view.level) if r.cell.headline]
        rows = [
            (
                f"{result.cell.training} → {result.test.label}",
                tuple(cell for name in columns for cell in _group_cells(contents, result, name)),
            )
            for result in results
            if result.model
        ]
        if rows:
            sections.append(Section(contender.label, tuple(rows)))
    if not sections:
        return None
    return Table(
        name=f"{view.name}-subgroups",
        metric="AUC by subgroup",
        level=view.level,
        caption=f"{view.protocol.title}: AUC by {view.level} of the worst subgroup",
        corner="trained → tested on",
        columns=tuple(f"{name}: {what}" for name in columns for what in ("worst", "gap")),
        sections=tuple(sections),
        notes=(
            "In parentheses: the worst group, real + forged in it. Gap: best minus worst group. "
            "Groups without both classes are left out",
        ),
    )


def _own_columns(contents: RunContents) -> list[str]:
    """List the manifest's columns that part samples into groups."""
    samples = contents.samples
    own = [str(name) for name in samples.columns if name not in SAMPLE_COLUMNS]
    numbers = {name: samples[name][samples[name] != ""].nunique() for name in own}
    return [name for name in own if 2 <= numbers[name] <= MOST_GROUPS]


def _group_cells(contents: RunContents, result: Result, column: str) -> Iterator[TableCell]:
    """Show the worst group of a column in one cell, and the gap."""
    assert result.model is not None
    scored = contents.scored(result.model.id, result.cell)
    groups = contents.samples[column].iloc[contents.first_rows(result.cell)].to_numpy(dtype=str)
    try:
        found: Subgroups = by_subgroup(scored.labels, scored.scores, groups, auc)
    except UndefinedError:
        yield from (TableCell(DASH, reason=f"{column}: no group has both classes"),) * 2
        return
    here = groups == found.worst
    n_fake = int(scored.labels[here].sum())
    n_real = int(here.sum()) - n_fake
    marks = frozenset({SMALL} if min(n_real, n_fake) < FEW else ())
    worst = found.values[found.worst].value
    yield TableCell(f"{worst:.3f}", f"{found.worst}, {n_real} + {n_fake}", worst, marks)
    yield TableCell(f"{found.gap:.3f}", raw=found.gap, marks=marks)
