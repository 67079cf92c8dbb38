"""How a detector does on the worst group of images that a manifest's own columns name."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from leaderboard.tables.cells import interval_text
from leaderboard.tables.table import DASH, SMALL, Section, Table, TableCell
from leaderboard.view import Context, Result, is_small
from results.errors import UndefinedError
from results.metrics.checking import Floats
from results.metrics.functions import auc
from results.metrics.roc import Ranked
from results.rounding import rounded
from results.run import RunContents, Scored
from results.statistics.bootstrap import AnyDraws, plan_draws, rank_replicates
from results.statistics.clusters import DONOR
from results.statistics.intervals import simultaneous_intervals
from results.store import SAMPLE_COLUMNS
from results.subgroups import Subgroups, by_subgroup

# A column of more values than this names samples, not groups of them.
MOST_GROUPS = 30
Texts = npt.NDArray[np.str_]


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
    sections, cells_of = [], _Groups(contents)
    for contender in view.contenders:
        results = [r for r in view.of(contender, view.base, view.level) if r.cell.headline]
        rows = [
            (
                f"{result.cell.training} → {result.test.label}",
                tuple(cell for name in columns for cell in cells_of.group_cells(result, name)),
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
            "best minus worst group. Groups without both classes are left out. Ranges are 95 % "
            "intervals that hold for all groups of a column at once, since the worst of several is "
            "partly the worst by bad luck: a gap whose range begins at 0 may be luck alone",
        ),
    )


def _own_columns(contents: RunContents) -> list[str]:
    """List the manifest's columns that part samples into groups."""
    samples = contents.samples
    own = [str(name) for name in samples.columns if name not in (*SAMPLE_COLUMNS, DONOR)]
    numbers = {name: samples[name][samples[name] != ""].nunique() for name in own}
    return [name for name in own if 2 <= numbers[name] <= MOST_GROUPS]


class _Groups:
    """The subgroups of a run's cells, with the resamples that all detectors share."""

    def __init__(self, contents: RunContents) -> None:
        """Look at a run."""
        self._contents = contents
        self._draws: dict[tuple[int, str, str], AnyDraws] = {}

    def group_cells(self, result: Result, column: str) -> Iterator[TableCell]:
        """Show the worst group of a column in one cell, and the gap."""
        assert result.model is not None
        contents = self._contents
        scored = contents.scored(result.model.id, result.cell)
        rows = contents.first_rows(result.cell)
        groups = contents.samples[column].iloc[rows].to_numpy(dtype=str)
        try:
            found: Subgroups = by_subgroup(scored.labels, scored.scores, groups, auc)
        except UndefinedError:
            yield from (TableCell(DASH, reason=f"{column}: no group has both classes"),) * 2
            return
        here = groups == found.worst
        n_fake = int(scored.labels[here].sum())
        n_real = int(here.sum()) - n_fake
        counted = contents.cluster_ways.counted
        real, fake = (counted(rows[here & (scored.labels == label)]) for label in (0, 1))
        few = is_small(n_real, real) or is_small(n_fake, fake)
        marks = frozenset({SMALL} if few else ())
        worst = found.values[found.worst].value
        assert worst is not None
        sizes = f"{found.worst}, {n_real} + {n_fake}; {real} + {fake} clusters"
        title = of_worst = of_gap = ""
        try:
            lows, highs = self._ends(result, column, groups, scored, found)
            of_worst = f"; {interval_text(lows.min(), highs.min())}"
            least_gap = max(lows.max() - highs.min(), 0.0)
            of_gap = interval_text(least_gap, highs.max() - lows.min())
        except UndefinedError as error:
            title = f"no interval: {error}"
        yield TableCell(rounded(worst), sizes + of_worst, worst, marks, title=title)
        yield TableCell(rounded(found.gap), of_gap, found.gap, marks, title=title)

    def _ends(
        self, result: Result, column: str, groups: Texts, scored: Scored, found: Subgroups
    ) -> tuple[Floats, Floats]:
        """Give the ends of intervals that hold for the AUC of all groups at once.

        Raises:
            UndefinedError: A group has too few clusters, or how sure it is cannot be told.
        """
        known = {
            name: value.value for name, value in found.values.items() if value.value is not None
        }
        members = {name: np.flatnonzero(groups == name) for name in known}
        parts = [
            here[scored.labels[here] == label] for here in members.values() for label in (0, 1)
        ]
        ways = self._contents.cluster_ways.at(self._contents.first_rows(result.cell))
        key = (id(result.cell.test), result.cell.level, column)
        if key not in self._draws:
            self._draws[key] = plan_draws(ways, parts)
        draws = self._draws[key]
        replicates = [
            rank_replicates(
                draws, scored.labels[here], scored.scores[here], {"": Ranked.auc}, rows=here
            )[""]
            for here in members.values()
        ]
        fewest = [
            min(map(ways.counted, pair)) for pair in zip(parts[::2], parts[1::2], strict=True)
        ]
        return simultaneous_intervals(
            np.array(list(known.values())), np.array(replicates), np.array(fewest)
        )
