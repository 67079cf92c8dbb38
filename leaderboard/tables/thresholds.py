"""Whether one threshold could serve all test sets: AUC over sets together and across pairs."""

from collections.abc import Iterator, Mapping
from statistics import fmean
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from leaderboard.tables.table import SMALL, Section, Table, TableCell
from leaderboard.view import Context, Result, is_small
from results.rounding import rounded
from results.run import RunContents
from results.statistics.clusters import ClusterWays
from results.subgroups import Scores, cross_auc, pooled_auc

_COLUMNS = ("mean of the sets", "all sets together", "lowest across two")


class _Set(NamedTuple):
    """A test set as one model scored it: rows of the samples, labels and scores, each (n,)."""

    rows: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    scores: npt.NDArray[np.floating]

    @property
    def reals(self) -> npt.NDArray[np.int64]:
        """Rows of the real samples."""
        rows: npt.NDArray[np.int64] = self.rows[self.labels == 0]
        return rows

    @property
    def fakes(self) -> npt.NDArray[np.int64]:
        """Rows of the forged samples."""
        rows: npt.NDArray[np.int64] = self.rows[self.labels == 1]
        return rows


def pooled_auc_tables(context: Context) -> Iterator[Table]:
    """Compare each model's AUC of all test sets together with those of the sets by themselves.

    Yields:
        Training sets, detector by detector, at the headline level under the base condition, over
        cells that count. Nothing where no model has two test sets of different real images:
        there the sets alone say it all.
    """
    view, contents = context.view, context.contents
    sections = []
    for contender in view.contenders:
        by_training: dict[str, dict[str, _Set]] = {}
        for result in view.of(contender, view.base, view.level):
            if result.model and result.cell.headline and result.value("AUC").value is not None:
                found = by_training.setdefault(result.cell.training, {})
                found[result.test.label] = _set(contents, result)
        shown = {
            training: _cells(sets, contents.cluster_ways) for training, sets in by_training.items()
        }
        rows = tuple((training, cells) for training, cells in shown.items() if cells)
        if rows:
            sections.append(Section(contender.label, rows))
    if not sections:
        return
    yield Table(
        name=f"{view.name}-across",
        metric="AUC across sets",
        level=view.level,
        caption=f"{view.protocol.title}: AUC by {view.level} of all test sets together",
        corner="trained on",
        columns=_COLUMNS,
        sections=tuple(sections),
        notes=(
            "All sets together: every sample once, so that one threshold serves all. Lowest "
            "across two: real samples of one set against fakes of another. Well below the mean of "
            "the sets, scores shift from set to set, and a threshold does not carry over",
        ),
    )


def _set(contents: RunContents, result: Result) -> _Set:
    """Take one cell's samples."""
    assert result.model is not None
    scored = contents.scored(result.model.id, result.cell)
    return _Set(contents.first_rows(result.cell), scored.labels, scored.scores)


def _cells(sets: Mapping[str, _Set], ways: ClusterWays) -> tuple[TableCell, ...]:
    """Show one model's row; empty where all its sets have the same real samples."""
    pairs = cross_auc({name: Scores(each.labels, each.scores) for name, each in sets.items()})
    crossed = [(a, b) for a, b in pairs if not np.array_equal(sets[a].reals, sets[b].reals)]
    if not crossed:
        return ()
    left, right = min(crossed, key=pairs.__getitem__)
    mean = fmean(pairs[name, name] for name in sets)
    together, lowest = pooled_auc(_each_once(sets)), pairs[left, right]
    reals, fakes = sets[left].reals, sets[right].fakes
    few = is_small(len(reals), ways.counted(reals)) or is_small(len(fakes), ways.counted(fakes))
    return (
        TableCell(rounded(mean), raw=mean),
        TableCell(rounded(together), raw=together),
        TableCell(
            rounded(lowest),
            f"real of {left}, fake of {right}",
            lowest,
            frozenset({SMALL} if few else ()),
        ),
    )


def _each_once(sets: Mapping[str, _Set]) -> dict[str, Scores]:
    """Leave out of each set what a set before it has: sets may share their real samples."""
    found: dict[str, Scores] = {}
    met = np.empty(0, np.int64)
    for name, each in sets.items():
        fresh = ~np.isin(each.rows, met)
        found[name] = Scores(each.labels[fresh], each.scores[fresh])
        met = np.union1d(met, each.rows)
    return found
