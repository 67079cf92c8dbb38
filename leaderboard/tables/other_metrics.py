"""The metrics beside the headline: error rates, and thresholds carried over from validation."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from leaderboard.tables.cells import summary_cell
from leaderboard.tables.table import Section, Table, TableCell
from leaderboard.view import Context, Result, Summary, summarise
from results.metrics.registry import METRICS, beside

_Row = tuple[str, tuple[TableCell, ...]]


def other_metrics_tables(context: Context) -> Iterator[Table]:
    """Sum the other metrics up: a row a contender, each the mean over cells that count.

    Yields:
        Over unseen cells of the headline level without damage (seen ones where there are no
        others).
    """
    view = context.view
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
    rows, covered = _coverage_noted_once(rows, means)
    yield Table(
        name=f"{view.name}-beside",
        metric=view.metric,
        level=view.level,
        caption=f"{view.protocol.title}: other metrics by {view.level}, mean over "
        f"{'seen' if seen else 'unseen'} cells",
        corner="detector",
        columns=tuple(metrics),
        sections=(Section("", tuple(rows)),),
        notes=(". ".join((covered, *_notes_of(metrics))),),
    )


def _notes_of(metrics: Sequence[str]) -> Iterator[str]:
    """Say what the names of metrics do not: what they have in common once."""
    notes: dict[str, list[str]] = {}
    for name in metrics:
        notes.setdefault(METRICS[name].note, []).append(name)
    yield from (f"{', '.join(names)}: {note}" for note, names in notes.items() if note)
    lower = [name for name in metrics if not METRICS[name].higher_is_better]
    if lower:
        yield f"Lower is better for {', '.join(lower)}"


def _coverage_noted_once(rows: list[_Row], means: list[Summary]) -> tuple[list[_Row], str]:
    """Say once how many cells all means are over, where that is one and the same."""
    coverages = {(mean.covered, mean.total) for mean in means if mean.value is not None}
    if len(coverages) != 1:
        return rows, "In parentheses: cells in the number / cells"
    bare = [(name, tuple(replace(cell, detail="") for cell in cells)) for name, cells in rows]
    ((covered, total),) = coverages
    return bare, f"Each mean is over {covered} of {total} cells"


def _mean_cell(results: list[Result], metric: str, mean: Summary) -> TableCell:
    """Show a mean, or why there is none and what the first cell lacks."""
    cell = summary_cell(mean)
    lacking = [r.value(metric).reason for r in results if r.cell.headline]
    first = next((reason for reason in lacking if reason), None)
    return replace(cell, reason=f"{cell.reason}, since {first}") if cell.reason and first else cell
