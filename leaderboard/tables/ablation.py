"""The table of an ablation: each detector against the reference, paired by seed and cell."""

import statistics
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import pandas as pd

from leaderboard.tables.table import DASH, SMALL, Section, Table, TableCell
from leaderboard.view import Contender, Context, ProtocolView, Result, headline_results
from protocols.samples import taxa
from results.rounding import rounded, signed

NULL_CONTROL = (
    "K counts the distinct prompts of a training set: one for all real images and one for each "
    "kind of forgery. Where K = 2, prompts say no more than the class, so every row on language, "
    "levels and sample-pair attention is a null control there: its differences are chance"
)


class PairedDifference(NamedTuple):
    """Differences to the reference, one a seed, over the cells where both have a value.

    Attributes:
        value: The mean of the detector's own values, over seeds.
        difference: The mean of the differences.
        spread: Their standard deviation over seeds (n - 1); None with one seed.
        seeds: How many seeds they are from.
        small: Whether a cell among them has few samples.
    """

    value: float
    difference: float
    spread: float | None
    seeds: int
    small: bool


def ablation_tables(context: Context) -> Iterator[Table]:
    """Compare every detector with the reference that the study names.

    A difference is taken cell by cell with the reference of the same training seed, averaged over
    cells, and only then over seeds: what seeds and test sets have in common falls out.

    Yields:
        A section for each training set, which says its K; first one over all with K of 3 or more
        where there are several.
    """
    view, reference = context.view, context.contents.facts.reference
    assert reference is not None
    prompts = {
        training.name: prompt_count(context.contents.samples.iloc[training.rows])
        for training in view.expansion.training_sets
        if training.name in view.trainings
    }
    telling = [name for name, k in prompts.items() if k > 2]
    sections = []
    if len(telling) > 1:
        title = f"mean over the {len(telling)} training sets with K of 3 or more"
        sections.append(_section(view, reference, title, telling))
    for name, k in prompts.items():
        control = ": null control of language and attention" if k <= 2 else ""
        sections.append(_section(view, reference, f"trained on {name}, K = {k}{control}", [name]))
    yield Table(
        name=f"{view.name}-ablation",
        metric=view.metric,
        level=view.level,
        caption=f"{view.protocol.title}: {view.metric} against {reference}",
        corner="row",
        columns=tuple(
            heading
            for seen in _sides(view)
            for heading in (
                "seen" if seen else "unseen",
                f"difference, {'seen' if seen else 'unseen'}",
            )
        ),
        sections=tuple(sections),
        notes=(
            "Differences are paired with the reference of the same seed, cell by cell; in "
            "parentheses their standard deviation over seeds and the number of seeds",
            NULL_CONTROL,
        ),
    )


def prompt_count(samples: pd.DataFrame) -> int:
    """Count the distinct prompts K of some samples: all real images share one."""
    return len({taxon if taxon[0] == "fake" else "real" for taxon in taxa(samples)})


def paired_difference(
    left: Iterable[Result], right: Iterable[Result], metric: str
) -> PairedDifference | None:
    """Compare two detectors' results.

    Args:
        left: Results of one detector, of any seeds.
        right: Results of the reference.
        metric: One of the protocol's metrics.

    Returns:
        None where no cell has a value for both with one seed.
    """
    known = {_place(result): result for result in right}
    values: dict[int, list[tuple[float, float]]] = {}
    small = False
    for result in left:
        other = known.get(_place(result))
        mine = result.value(metric).value
        theirs = other.value(metric).value if other else None
        if mine is not None and theirs is not None:
            values.setdefault(result.contender.seed, []).append((mine, mine - theirs))
            small |= result.small
    if not values:
        return None
    means = [[statistics.fmean(column) for column in zip(*v, strict=True)] for v in values.values()]
    own, differences = zip(*means, strict=True)
    return PairedDifference(
        value=statistics.fmean(own),
        difference=statistics.fmean(differences),
        spread=statistics.stdev(differences) if len(differences) > 1 else None,
        seeds=len(differences),
        small=small,
    )


def _sides(view: ProtocolView) -> list[bool]:
    """Give the kinds of cell that there are, the unseen first."""
    return [seen for seen in (False, True) if view.has(seen=seen)]


def _section(view: ProtocolView, reference: str, title: str, trainings: Sequence[str]) -> Section:
    """Give a row to each detector, over some training sets."""
    rows = []
    for detector in dict.fromkeys(contender.detector for contender in view.contenders):
        cells: list[TableCell] = []
        for seen in _sides(view):
            mine, theirs = (
                [r for c in _seeds(view, name) for r in _of(view, c, seen, trainings)]
                for name in (detector, reference)
            )
            cells += _cells(
                paired_difference(mine, theirs, view.metric), is_reference=detector == reference
            )
        name = f"{detector} (reference)" if detector == reference else detector
        rows.append((name, tuple(cells)))
    return Section(title, tuple(rows))


def _seeds(view: ProtocolView, detector: str) -> list[Contender]:
    """List the contenders of one detector."""
    return [contender for contender in view.contenders if contender.detector == detector]


def _of(
    view: ProtocolView, contender: Contender, seen: bool, trainings: Sequence[str]
) -> list[Result]:
    """List a contender's undamaged results that count, over some training sets."""
    found = view.of(contender, view.base, view.level, seen)
    return headline_results([result for result in found if result.cell.training in trainings])


def _place(result: Result) -> tuple[int, str, str]:
    """Name what two detectors are compared on."""
    return result.contender.seed, result.cell.training, result.test.label


def _cells(found: PairedDifference | None, *, is_reference: bool) -> list[TableCell]:
    """Show the mean and the difference."""
    if found is None:
        reason = "no cell has a value for this detector and the reference with one seed"
        return [TableCell(DASH, reason=reason)] * 2
    marks = frozenset({SMALL} if found.small else ())
    value = TableCell(rounded(found.value), raw=found.value, marks=marks)
    if is_reference:
        seeds = "one seed" if found.spread is None else f"n {found.seeds}"
        return [value, TableCell("0", seeds, 0.0)]
    spread = "one seed" if found.spread is None else f"sd {rounded(found.spread)}, n {found.seeds}"
    return [value, TableCell(signed(found.difference), spread, found.difference, marks)]
