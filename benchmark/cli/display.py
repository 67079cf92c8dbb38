"""The one progress display of a study, in a terminal or a log."""

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import (
    Progress as Bars,
)
from rich.table import Column

from benchmark.cli.tally import Tally, duration
from benchmark.progress import ModelWork, Progress
from benchmark.timing import PhaseTimes
from results.stages import LOADING, PHASES, bottleneck, rest

_PHASES = {
    "draw": "Embedded synthetic set",
    "check": "Reading images",
    "crop": "Cutting out faces",
    "train": "Training",
    "score": "Scoring",
    "report": "Writing the report",
    "cost": "Measuring",
}
_UNITS = {"check": "datasets", "train": "models", "score": "groups of models", "cost": "detectors"}
# A narrower terminal has no bar and no rate: counts, times and figures come first.
_WIDE = 110
# In a log, where no bar moves, a long job says so now and then.
_QUIET_SECONDS = 60.0


def _columns(width: int) -> list[ProgressColumn]:
    """Choose columns for a terminal; the description alone gives way, so that times stay whole."""
    name = Column(no_wrap=True, overflow="ellipsis", ratio=1)
    columns: list[ProgressColumn] = [
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False, table_column=name),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TimeElapsedColumn(table_column=Column(no_wrap=True)),
        TimeRemainingColumn(table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[figures]}", markup=False),
    ]
    if width >= _WIDE:
        columns[2:2] = [BarColumn(bar_width=24)]
        columns[4:4] = [TextColumn("{task.fields[rate]}", markup=False)]
    return columns


class Display(Progress):
    """Shows a bar for the phase and one for the job, or plain lines where there is no terminal."""

    def __init__(self, console: Console) -> None:
        """Show on ``console``."""
        self._console = console
        self._bars = Bars(*_columns(console.width), console=console, transient=True, expand=True)
        self._live = console.is_terminal
        self._phase = self._bars.add_task("", total=None, rate="", figures="", visible=False)
        self._job = self._bars.add_task("", total=None, rate="", figures="", visible=False)
        self._title, self._started, self._count = "", 0.0, 0
        self._jobs, self._number, self._total = 0, 0, 0
        self._spoke = 0.0
        self._figures: dict[str, float] = {}
        self._tally, self._tallied = Tally(), 0.0

    def __enter__(self) -> Self:
        """Begin to show."""
        if self._live:
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the terminal as it was."""
        if self._live:
            self._bars.stop()

    def study(self, work: Mapping[str, ModelWork]) -> None:
        """Begin to count what is done of the whole."""
        self._tally.study(work)

    def phase(self, name: str, jobs: int) -> None:
        """Begin a phase."""
        self._tally.phase(name, jobs)
        count = f": {jobs} {_UNITS.get(name, 'jobs')}" if jobs > 1 else ""
        count = count if jobs else ": nothing left to do"
        self._console.print(f"[bold]{_PHASES[name]}[/]{count}", highlight=False)
        self._jobs, self._number = jobs, 0
        self._bars.reset(self._phase, total=max(jobs, 1), visible=jobs > 1 or self._is_study)
        self._bars.update(self._phase, description=_PHASES[name])

    def job(self, title: str, total: int, done: int = 0, models: Sequence[str] = ()) -> None:
        """Begin a job."""
        self._tally.job(title, total, done, models)
        self._number += 1
        place = f"{self._number} of {self._jobs}: " if self._jobs > 1 else ""
        self._title, self._count, self._total = f"{place}{title}", 0, total
        self._started = self._spoke = time.monotonic()
        self._figures = {}
        self._bars.reset(self._job, total=total, completed=done, visible=True)
        self._bars.update(self._job, description=f"  {self._title}", rate="", figures="")

    def advance(self, amount: int = 1, **values: float) -> None:
        """Move the job on."""
        self._tally.advance(amount, **values)
        self._count += amount
        self._figures |= values
        self._bars.update(self._job, advance=amount, rate=self._rate(), figures=self._result())
        self._tell_whole()
        if not self._live and time.monotonic() - self._spoke > _QUIET_SECONDS:
            self._spoke = time.monotonic()
            done = f"{self._bars.tasks[1].completed:.0f}"
            self._say(f"{done} of {self._total}" if self._total else done)
            if self._is_study:
                self._print(f"  The whole: {self._tally.line}")

    def finish(self) -> None:
        """End the job with one line that stays."""
        self._tally.finish()
        self._say()
        self._bars.update(self._job, visible=False)
        self._bars.update(self._phase, advance=1)

    def note(self, text: str) -> None:
        """Print a line."""
        self._console.print(
            f"  [yellow]{escape(text)}[/]", highlight=False, soft_wrap=not self._live
        )

    def took(self, times: PhaseTimes) -> None:
        """Print where the time of a phase went, and what holds it up."""
        if not times.stages:
            return
        spent = {name: each.seconds for name, each in times.stages.items()}
        own = {name: seconds for name, seconds in spent.items() if name not in LOADING}
        own["rest"] = rest(times.seconds, spent)
        beside = [f"{name} {duration(spent[name])}" for name in LOADING if name in spent]
        shares = ", ".join(
            f"{name} {100 * seconds / max(times.seconds, 1e-9):.0f} %"
            for name, seconds in sorted(own.items(), key=lambda each: -each[1])
        )
        loaders = f"; loader threads, all together: {', '.join(beside)}" if beside else ""
        title = PHASES.get(times.phase, times.phase)
        self._print(f"{title} took {duration(times.seconds)}: {shares}{loaders}")
        self._print(f"  {bottleneck(times.seconds, spent)}")

    @property
    def _is_study(self) -> bool:
        """Whether it is known what there is to do in all."""
        return any(work.steps or work.scores for work in self._tally.work.values())

    def _tell_whole(self) -> None:
        """Show how far the study is, once a second: it takes a moment to add up."""
        now = time.monotonic()
        if self._live and self._is_study and now - self._tallied >= 1:
            self._tallied = now
            self._bars.update(self._phase, figures=self._tally.line)

    def _print(self, line: str) -> None:
        """Print a line of text."""
        self._console.print(escape(line), highlight=False, soft_wrap=not self._live)

    def _say(self, first: str = "") -> None:
        """Print how the job stands."""
        seconds = f"{time.monotonic() - self._started:.0f} s"
        line = "  ".join(text for text in (first, self._rate(), seconds, self._result()) if text)
        self._console.print(
            f"  {escape(self._title)}  [dim]{line}[/]", highlight=False, soft_wrap=not self._live
        )

    def _rate(self) -> str:
        """Say how fast the job goes."""
        seconds = time.monotonic() - self._started
        if seconds <= 0.5 or self._count < 2:
            return ""
        rate = self._count / seconds
        return f"{rate:.0f}/s" if rate >= 10 else f"{rate:.1f}/s"

    def _result(self) -> str:
        """Say the job's figures."""
        return "  ".join(f"{name} {value:.3f}" for name, value in self._figures.items())
