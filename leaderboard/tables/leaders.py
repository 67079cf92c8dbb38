"""Who leads under each protocol, by how much and how surely: the first thing a page says."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from leaderboard.tables.cells import interval_text
from leaderboard.tables.ranks import RankedOver, rankings
from leaderboard.tables.table import DASH, Section, Table, TableCell
from leaderboard.view import Context, ProtocolView
from results.rounding import rounded, signed
from results.statistics.differences import Difference
from results.statistics.intervals import OverSeeds

_COLUMNS = ("leads", "mean", "ahead of", "by", "how surely", "over")
_FEWEST_P = 0.001


class ProtocolLead(NamedTuple):
    """Who leads under one protocol.

    Attributes:
        leader: The detector of the best mean; None where nothing is ranked.
        mean: Its mean.
        second: The detector of the next mean.
        ahead: The leader's mean minus that of the next, with interval.
        p: Of no difference, adjusted for all pairs of detectors (Holm).
        alike: The detectors that the leader is not told apart from.
        over: What the means are over.
        reason: Why nothing is ranked.
    """

    leader: str | None
    mean: OverSeeds | None = None
    second: str = ""
    ahead: Difference | None = None
    p: float = 1.0
    alike: tuple[str, ...] = ()
    over: str = ""
    reason: str | None = None

    @property
    def is_clear(self) -> bool:
        """Whether the leader is better than every other detector beyond chance."""
        return self.leader is not None and not self.alike


def lead(context: Context) -> ProtocolLead:
    """Find who leads under a protocol, over the first of its ``rankings``."""
    view = context.view
    if len(view.detectors) < 2:
        return ProtocolLead(None, reason="one detector alone is not ranked")
    found = [each for each in context.shared(rankings) if len(each.detectors) > 1]
    if not found:
        return ProtocolLead(
            None, reason="no cell is large enough, or not all detectors have a value of it"
        )
    first = found[0]
    if first.ranked is None:
        return ProtocolLead(None, reason=f"not ranked: {first.reason}")
    places = first.ranked.ranking.places
    best, second = places[0].name, places[1].name
    return ProtocolLead(
        leader=view.detectors[best],
        mean=first.ranked.means[best],
        second=view.detectors[second],
        ahead=first.ranked.ranking.differences[best, second],
        p=first.ranked.ranking.adjusted[best, second],
        alike=tuple(view.detectors[name] for name in first.ranked.ranking.alike[best]),
        over=_over(view, first),
    )


def _over(view: ProtocolView, first: RankedOver) -> str:
    """Say what a ranking is over."""
    side = "" if first.seen is None else "seen " if first.seen else "unseen "
    cells = f"{first.number} {side}cell{'' if first.number == 1 else 's'}"
    damaged = f", {len(view.damaged)} damaged conditions" if view.damaged and first.title else ""
    return f"{view.metric} by {view.level}, {cells}{damaged}"


def leaders_table(contexts: Sequence[Context]) -> Table:
    """Say in a row a protocol who leads, by how much and how surely."""
    rows = tuple((c.view.protocol.title, tuple(_cells(c.shared(lead)))) for c in contexts)
    return Table(
        name="leaders",
        metric="",
        level="",
        caption="Who leads, by how much, how surely",
        corner="protocol",
        columns=_COLUMNS,
        sections=(Section("", rows),),
        notes=(
            "By: the leader's mean minus the next one's on the same images, with 95 % interval. "
            "How surely: p of no difference from the next one (Holm over all pairs), or the "
            "detectors that it is not told apart from at 5 %",
        ),
    )


def _cells(found: ProtocolLead) -> Iterator[TableCell]:
    """Show who leads under one protocol."""
    if found.leader is None or found.mean is None or found.ahead is None:
        yield from [TableCell(DASH, reason=found.reason)] * len(_COLUMNS)
        return
    mean, ahead = found.mean, found.ahead
    yield TableCell(found.leader)
    yield TableCell(rounded(mean.mean), interval_text(mean.low, mean.high), mean.mean)
    yield TableCell(found.second)
    low, high = signed(ahead.low), signed(ahead.high)
    yield TableCell(signed(ahead.value), f"{low} to {high}", ahead.value)
    yield TableCell(_surely(found))
    yield TableCell(found.over)


def _surely(found: ProtocolLead) -> str:
    """Say how sure a lead is."""
    if found.is_clear:
        p = f"< {_FEWEST_P}" if found.p < _FEWEST_P else f"= {rounded(found.p)}"
        return f"beyond chance, p {p}"
    return f"not told apart from {', '.join(found.alike)}"


def answer(contexts: Sequence[Context]) -> str:
    """Say in a sentence who leads over all protocols of a run."""
    found = [context.shared(lead) for context in contexts]
    ranked = [each for each in found if each.leader]
    if not ranked:
        return f"No detector leads: {found[0].reason}."
    wins = {each.leader: 0 for each in ranked}
    for each in ranked:
        wins[each.leader] += 1
    most = max(wins.values())
    first = [name for name, number in wins.items() if number == most and name]
    clear = sum(each.is_clear for each in ranked if each.leader in first)
    of = f"of {len(ranked)} protocol{'' if len(ranked) == 1 else 's'}"
    if len(first) == 1:
        chance = "all" if clear == most else str(clear) if clear else "none"
        told = "" if most == len(ranked) == 1 else f" in {most} {of}"
        surely = f"beyond chance in {chance}"
        if most == 1:
            surely = "beyond chance" if clear else "though not beyond chance"
        return f"{first[0]} has the best mean{told}, {surely}."
    surely = f"{clear} of these leads beyond chance" if clear else "no lead beyond chance"
    return f"{' and '.join(first)} have the best mean in {most} {of} each, {surely}."
