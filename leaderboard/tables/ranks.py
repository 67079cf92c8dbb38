"""Which detector is better beyond chance."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

from leaderboard.tables.cells import interval_text
from leaderboard.tables.table import DASH, Section, Table, TableCell
from leaderboard.view import (
    FEW_CLUSTERS,
    FEWEST_SAMPLES,
    Contender,
    Context,
    ProtocolView,
    Result,
)
from protocols import ELSEWHERE, Cell, Condition
from results.errors import UndefinedError
from results.rounding import rounded
from results.statistics.bootstrap import RESAMPLES
from results.statistics.joint import Joint, Models, RankedDetectors
from results.statistics.ranking import RankPlace

_COLUMNS = ("rank", "mean", "interval of place", "P(best)", "mean rank", "not told apart from")
_DAMAGED, _UNDAMAGED = "under damage, mean over all conditions", "undamaged images"
_NAMED = 2  # of the detectors not told apart from one, where there are more than three
_Rows = tuple[tuple[str, tuple[TableCell, ...]], ...]


class RankedOver(NamedTuple):
    """The detectors of a protocol ranked over some of its cells.

    Attributes:
        title: Which conditions these are; empty where the protocol damages nothing.
        number: How many cells there are under each condition.
        seen: Whether their forgeries were seen in training; None for what was trained elsewhere.
        ranked: The ranking by what the study calls the detectors; None where there is none.
        reason: Why there is none.
        detectors: What the study calls those that are ranked.
    """

    title: str
    number: int
    seen: bool | None
    ranked: RankedDetectors | None
    reason: str | None
    detectors: tuple[str, ...]


def rankings(context: Context) -> tuple[RankedOver, ...]:
    """Rank the detectors of a protocol by their mean over cells that count.

    These are the unseen cells of the headline level (the seen ones where a protocol has no others)
    that are large enough, and of which every detector has every seed. Where a protocol damages
    images, detectors are ranked by the mean over all damaged conditions, and apart from that by
    undamaged images. What was trained elsewhere has nothing that is known to be unseen, and is
    ranked among its own, over all cells that count.

    Returns:
        What the detectors are ranked over, the most telling first; empty where no cell counts.
    """
    view, joint = context.view, context.bootstrap.of(context.view.name)
    seen = not view.has(seen=False)
    over: list[tuple[str, tuple[Condition, ...]]] = [
        (_UNDAMAGED if view.damaged else "", (view.base,))
    ]
    if view.damaged:
        over.insert(0, (_DAMAGED, view.damaged))
    here = tuple(who for who in view.contenders if not view.is_elsewhere(who))
    elsewhere = tuple(who for who in view.contenders if view.is_elsewhere(who))
    sides: list[tuple[tuple[Contender, ...], bool | None]] = [(here, seen), (elsewhere, None)]
    sides = [side for side in sides if len({who.detector for who in side[0]}) > 1]
    found = []
    for (contenders, side), (title, conditions) in product(sides, over):
        cells = _ranked_cells(view, conditions, seen=side, contenders=contenders)
        if not cells:
            continue
        names = tuple(dict.fromkeys(who.detector for who in contenders))
        ranked, reason = None, None
        try:
            ranked = _ranked(view, joint, cells, names)
        except UndefinedError as error:
            reason = str(error)
        told = (ELSEWHERE if here and side is None else "", title)
        title_of_both = ", ".join(part for part in told if part)
        number = len(cells) // len(conditions)
        found.append(RankedOver(title_of_both, number, side, ranked, reason, names))
    return tuple(found)


def ranks_tables(context: Context) -> Iterator[Table]:
    """Show the ``rankings`` of a protocol.

    Yields:
        A row a detector, the best first; nothing where no cell counts.
    """
    view, found = context.view, context.shared(rankings)
    if not found:
        return
    number, seen = max(each.number for each in found), found[0].seen
    kind = "" if seen is None else "seen " if seen else "unseen "
    over = f"{number} {kind}cell{'' if number == 1 else 's'}"
    under = f" under {len(view.damaged)} damaged conditions and without" if view.damaged else ""
    yield Table(
        name=f"{view.name}-ranks",
        metric=view.metric,
        level=view.level,
        caption=(
            f"{view.protocol.title}: ranks by mean {view.metric} by {view.level} over {over}{under}"
        ),
        corner="detector",
        columns=_COLUMNS,
        sections=tuple(Section(each.title, _section_rows(view, each)) for each in found),
        notes=(
            "Rank: 1 + the detectors whose mean is better beyond chance (Holm over all pairs, "
            "5 %), and no better than that of a detector of better mean. Interval of place: the "
            "places that no difference beyond chance speaks against, of all detectors together. "
            f"P(best): over {RESAMPLES:,} resamples of clusters, the same for all detectors and "
            "cells; with one seed they are about these trained models",
            f"Only cells count with at least {FEWEST_SAMPLES} samples in {FEW_CLUSTERS} clusters "
            "of each class, real images of their own sources, and a value of every detector and "
            "seed",
        ),
    )


def _section_rows(view: ProtocolView, over: RankedOver) -> _Rows:
    """Give a row a detector, or the reason why they are not ranked over some cells."""
    if over.ranked is not None:
        return _rows(view, over.ranked)
    missing = TableCell(DASH, reason=f"not ranked: {over.reason}")
    return tuple((view.detectors[name], (missing,) * len(_COLUMNS)) for name in over.detectors)


def _ranked_cells(
    view: ProtocolView,
    conditions: Sequence[Condition],
    *,
    seen: bool | None,
    contenders: Sequence[Contender],
) -> list[Cell]:
    """List the cells that detectors are ranked over: those that count under all conditions."""
    found: dict[tuple[str, str], list[Result]] = {}
    for condition in conditions:
        for result in view.at(condition, view.level):
            counts = result.cell.seen is seen and result.cell.headline and not result.small
            if counts and result.value(view.metric).value is not None:
                found.setdefault((result.cell.training, result.test.label), []).append(result)
    everywhere = len(contenders) * len(conditions)
    whole = [each for each in found.values() if len(each) == everywhere]
    return [cell for each in whole for cell in {id(r.cell): r.cell for r in each}.values()]


def _ranked(
    view: ProtocolView, joint: Joint, cells: list[Cell], detectors: Sequence[str]
) -> RankedDetectors:
    """Rank detectors over some cells."""
    models = {name: [_models(view, name, cell) for cell in cells] for name in detectors}
    return joint.ranking(
        models, cells, view.metric, higher_is_better=view.headline.higher_is_better
    )


def _models(view: ProtocolView, detector: str, cell: Cell) -> Models:
    """Give a detector's models of a cell's training set, by seed."""
    return {
        contender.seed: model.id
        for (contender, training), model in view.models.items()
        if contender.detector == detector and training == cell.training
    }


def _rows(view: ProtocolView, ranked: RankedDetectors) -> _Rows:
    """Give a row a detector."""
    return tuple(
        (view.detectors[place.name], tuple(_place_cells(view, ranked, place)))
        for place in ranked.ranking.places
    )


def _place_cells(view: ProtocolView, ranked: RankedDetectors, place: RankPlace) -> list[TableCell]:
    """Show one place."""
    mean = ranked.means[place.name]
    spread = "" if mean.sd is None else f"sd {rounded(mean.sd)}; "
    others = [view.detectors[name] for name in ranked.ranking.alike[place.name]]
    all_others = ", ".join(others) or "none"
    few = [*others[:_NAMED], f"{len(others) - _NAMED} more"]
    shown = all_others if len(others) <= _NAMED + 1 else ", ".join(few)
    return [
        TableCell(str(place.rank), raw=float(place.rank)),
        TableCell(rounded(mean.mean), spread + interval_text(mean.low, mean.high), mean.mean),
        TableCell(f"{place.low}{DASH}{place.high}"),
        TableCell(rounded(place.best, 2), raw=place.best),
        TableCell(rounded(place.mean_rank, 2), raw=place.mean_rank),
        TableCell(shown, title=all_others if shown != all_others else "", whole=all_others),
    ]
