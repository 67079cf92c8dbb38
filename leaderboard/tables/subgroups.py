"""How a detector does on the worst group of images that a manifest's own columns name."""

from collections.abc import Iterator

from leaderboard.tables.table import DASH, SMALL, Section, Table, TableCell
from leaderboard.view import Context, Result, is_small
from results.errors import UndefinedError
from results.metrics.functions import auc
from results.rounding import rounded
from results.run import RunContents
from results.statistics.clusters import DONOR
from results.store import SAMPLE_COLUMNS
from results.subgroups import Subgroups, by_subgroup

# A column of more values than this names samples, not groups of them.
MOST_GROUPS = 30


def subgroup_tables(context: Context) -> Iterator[Table]:
    """Show each detector's worst subgroup by the manifest's own columns, and how far it falls.

    Yields:
        Cells that count of the headline level under the base condition: the AUC of the worst
        group of each column, and the best minus the worst. Nothing where there is no such
        column.
    """
    view, contents = context.view, context.contents
    columns = _own_columns(contents)
    if not columns:
        return
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
        return
    yield Table(
        name=f"{view.name}-subgroups",
        metric="AUC by subgroup",
        level=view.level,
        caption=f"{view.protocol.title}: AUC by {view.level} of the worst subgroup",
        corner="trained → tested on",
        columns=tuple(f"{name}: {what}" for name in columns for what in ("worst", "gap")),
        sections=tuple(sections),
        notes=(
            "In parentheses: the worst group, real + forged in it, and of how many clusters. Gap: "
            "best minus worst group. Groups without both classes are left out",
        ),
    )


def _own_columns(contents: RunContents) -> list[str]:
    """List the manifest's columns that part samples into groups."""
    samples = contents.samples
    own = [str(name) for name in samples.columns if name not in (*SAMPLE_COLUMNS, DONOR)]
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
    rows = contents.first_rows(result.cell)
    counted = contents.cluster_ways.counted
    real, fake = (counted(rows[here & (scored.labels == label)]) for label in (0, 1))
    few = is_small(n_real, real) or is_small(n_fake, fake)
    marks = frozenset({SMALL} if few else ())
    worst = found.values[found.worst].value
    assert worst is not None
    yield TableCell(
        rounded(worst),
        f"{found.worst}, {n_real} + {n_fake}; {real} + {fake} clusters",
        worst,
        marks,
    )
    yield TableCell(rounded(found.gap), raw=found.gap, marks=marks)
