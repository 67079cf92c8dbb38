"""One metric under damage: perturbations x severities, with the difference from clean."""

from collections.abc import Iterable, Sequence

from leaderboard.tables.cells import sizes_text
from leaderboard.tables.matrix import metric_stem, reals_notes
from leaderboard.tables.table import DASH, SMALL, Section, Table, TableCell
from leaderboard.view import ProtocolView, Result, headline_results, summarise
from protocols import Condition
from results.rounding import rounded, signed

NO_SEVERITY = "the protocol does not have this severity"


def condition_table(view: ProtocolView, metric: str, level: str) -> Table:
    """Lay one metric out as perturbations x severities, with the difference from clean.

    Where the protocol has several training or test sets, a value is the mean over those whose real
    images are of the sources of their forged ones.

    Args:
        view: Results of a protocol with clean and damaged conditions.
        metric: One of the protocol's metrics.
        level: One of its levels.
    """
    severities, grid = severity_grid(view.damaged)
    sections = []
    for contender in view.contenders:
        at_clean = view.of(contender, view.base, level)
        clean = summarise(at_clean, metric, strict=False)
        rows = []
        for name, conditions in grid.items():
            cells = [
                _condition_cell(view.of(contender, condition, level), metric, clean.value)
                if condition
                else TableCell(DASH, reason=NO_SEVERITY)
                for condition in conditions
            ]
            rows.append((name, (_condition_cell(at_clean, metric, None), *cells)))
        sections.append(Section(contender.label, tuple(rows)))
    n_cells = max(len(headline_results(view.of(c, view.base, level))) for c in view.contenders)
    mean = f", mean over {n_cells} cells" if n_cells > 1 else ""
    return Table(
        name=f"{metric_stem(view, metric, level)}-conditions",
        metric=metric,
        level=level,
        caption=f"{view.protocol.title}: {metric} by {level} under damage{mean}",
        corner="perturbation",
        columns=("clean", *(str(severity) for severity in severities)),
        sections=tuple(sections),
        notes=(
            "Columns are severities; in parentheses the difference from clean",
            *_size_notes(view.at(view.base, level)),
        ),
    )


def severity_grid(
    conditions: Sequence[Condition],
) -> tuple[list[int], dict[str, list[Condition | None]]]:
    """Lay conditions out as names x severities.

    Returns:
        All severities, and by name the condition at each of them, None where there is none.
    """
    severities = sorted({condition.severity for condition in conditions})
    grid: dict[str, list[Condition | None]] = {}
    for condition in conditions:
        row = grid.setdefault(condition.name, [None] * len(severities))
        row[severities.index(condition.severity)] = condition
    return severities, grid


def _condition_cell(results: list[Result], metric: str, clean: float | None) -> TableCell:
    """Show the mean under a condition and, given that of clean, the difference from it."""
    summary = summarise(results, metric, strict=False)
    if summary.value is None:
        return TableCell(DASH, reason=results[0].value(metric).reason or summary.reason)
    change = "" if clean is None else signed(summary.value - clean)
    marks = frozenset({SMALL} if summary.small else ())
    return TableCell(rounded(summary.value), change, summary.value, marks)


def _size_notes(results: Iterable[Result]) -> list[str]:
    """Say in words how many samples a table without such rows is over."""
    found = list(results)
    sizes = {r.test.label: sizes_text(r.record) for r in found if r.record}
    return [*(f"Test set {test}: {n}" for test, n in sizes.items()), *reals_notes(found)]
