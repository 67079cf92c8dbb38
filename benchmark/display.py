"""The one progress display of a study, in a terminal or a log."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import (
    Progress as Bars,
)

from benchmark.progress import Progress

_PHASES = {
    "check": "Reading images",
    "train": "Training",
    "score": "Scoring",
    "report": "Writing the report",
    "cost": "Measuring",
}


class Display(Progress):
    """Shows a bar for the phase and one for the job, or plain lines where there is no terminal."""

    def __init__(self, console: Console) -> None:
        """Show on ``console``."""
        self._console = console
        self._bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[figures]}"),
            console=console,
            transient=True,
        )
        self._live = console.is_terminal
        self._phase = self._bars.add_task("", total=None, rate="", figures="", visible=False)
        self._job = self._bars.add_task("", total=None, rate="", figures="", visible=False)
        self._title, self._started, self._count = "", 0.0, 0
        self._figures: dict[str, float] = {}

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
        self._bars.stop()

    def phase(self, name: str, jobs: int) -> None:
        """Begin a phase."""
        self._console.print(f"[bold]{_PHASES[name]}[/]" + ("" if jobs else ": nothing left to do"))
        self._bars.reset(self._phase, total=max(jobs, 1), visible=jobs > 1)
        self._bars.update(self._phase, description=_PHASES[name])

    def job(self, title: str, total: int, done: int = 0) -> None:
        """Begin a job."""
        self._title, self._started, self._count = title, time.monotonic(), 0
        self._figures = {}
        self._bars.reset(self._job, total=total, completed=done, visible=True)
        self._bars.update(self._job, description=f"  {title}", rate="", figures="")

    def advance(self, amount: int = 1, **values: float) -> None:
        """Move the job on."""
        self._count += amount
        self._figures |= values
        self._bars.update(self._job, advance=amount, rate=self._rate(), figures=self._told())

    def finish(self) -> None:
        """End the job with one line that stays."""
        seconds = time.monotonic() - self._started
        told = "  ".join(text for text in (self._rate(), f"{seconds:.0f} s", self._told()) if text)
        self._console.print(f"  {self._title}  [dim]{told}[/]", highlight=False)
        self._bars.update(self._job, visible=False)
        self._bars.update(self._phase, advance=1)

    def note(self, text: str) -> None:
        """Print a line."""
        self._console.print(f"  [yellow]{text}[/]", highlight=False)

    def _rate(self) -> str:
        """Say how fast the job goes."""
        seconds = time.monotonic() - self._started
        return f"{self._count / seconds:.0f}/s" if seconds > 0.5 and self._count > 1 else ""

    def _told(self) -> str:
        """Say the job's figures."""
        return "  ".join(f"{name} {value:.3f}" for name, value in self._figures.items())
