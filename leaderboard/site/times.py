"""The page of a run that says where its time went: apart, since no number follows from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from leaderboard.site.templating import sealed, template_environment
from results.host import SittingTimes, StageTime
from results.run import RunContents
from results.stages import LOADING, PHASES, STAGES, bottleneck, rest

TIMES = "time.html"


@dataclass(frozen=True, kw_only=True)
class StageRow:
    """One stage of a phase.

    Attributes:
        name: What it is called.
        text: What is counted in it.
        seconds: Of all sittings and threads together.
        share: Of the phase's wall time; None for the loader's threads, which work beside it.
        count: What it went to; 0 where that is not counted.
    """

    name: str
    text: str
    seconds: float
    share: float | None
    count: int

    @property
    def per_second(self) -> float | None:
        """How many a second; a thread's, where several threads work."""
        return self.count / self.seconds if self.count and self.seconds else None


@dataclass(frozen=True, kw_only=True)
class PhaseRows:
    """One phase over all sittings."""

    title: str
    seconds: float
    rows: Sequence[StageRow]
    bottleneck: str


def phase_rows(sittings: Sequence[SittingTimes]) -> list[PhaseRows]:
    """Add up what the sittings of a run took, phase by phase; one without stages is left out."""
    found = []
    for phase, title in PHASES.items():
        took = [each for each in sittings if each.stages.get(phase)]
        seconds = sum(each.seconds.get(phase, 0.0) for each in took)
        stages: dict[str, StageTime] = {}
        for each in took:
            for name, spent in each.stages[phase].items():
                before = stages.get(name, StageTime(seconds=0, count=0))
                stages[name] = StageTime(
                    seconds=before.seconds + spent.seconds, count=before.count + spent.count
                )
        if stages:
            found.append(_phase(title, seconds, stages))
    return found


def _phase(title: str, seconds: float, stages: Mapping[str, StageTime]) -> PhaseRows:
    """Lay out one phase: what the main thread did, the most first, then the loader's threads."""
    spent = {name: each.seconds for name, each in stages.items()}
    rows = [
        StageRow(
            name=name,
            text=STAGES.get(name, ""),
            seconds=each.seconds,
            share=None if name in LOADING else each.seconds / seconds if seconds else 0.0,
            count=each.count,
        )
        for name, each in stages.items()
    ]
    left = rest(seconds, spent)
    rows.append(
        StageRow(name="rest", text="everything else: start, planning, checks, reading scores",
                 seconds=left, share=left / seconds if seconds else 0.0, count=0)
    )  # fmt: skip
    rows.sort(key=lambda row: (row.share is None, -row.seconds))
    return PhaseRows(title=title, seconds=seconds, rows=rows, bottleneck=bottleneck(seconds, spent))


def render_times(contents: RunContents, sittings: Sequence[SittingTimes]) -> str:
    """Write the page; names in it are escaped, and nothing runs or is loaded."""
    return (
        template_environment()
        .get_template("time.html.j2")
        .render(
            facts=contents.facts,
            phases=phase_rows(sittings),
            sittings=sittings,
            titles=PHASES,
            **sealed(["style.css"], []),
        )
    )
