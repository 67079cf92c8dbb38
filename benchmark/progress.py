"""What the engine tells of its progress; the command line shows it, the library is silent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmark.timing import PhaseTimes


@dataclass(frozen=True, kw_only=True)
class ModelWork:
    """What is left to do for one model of a study.

    Attributes:
        title: What it is called.
        steps: Training steps at most, since a training may stop early.
        scores: Scores.
        cells: Cells of the study's protocols that wait for these scores.
        step_seconds: What a step of such a model took on this device before; None: not known.
        score_seconds: What a score of such a model took on this device before; None: not known.
    """

    title: str
    steps: int = 0
    scores: int = 0
    cells: int = 0
    step_seconds: float | None = None
    score_seconds: float | None = None


class Progress:
    """Receives events and shows nothing; subclass it to show them.

    A study is a few phases (check, train, score, report), each of several jobs; a job counts steps
    or images.
    """

    def study(self, work: Mapping[str, ModelWork]) -> None:
        """A study begins, or goes on; ``work`` is what is left to do, by id of the model."""

    def phase(self, name: str, jobs: int) -> None:
        """A phase begins; ``jobs`` jobs are left to do in it."""

    def job(self, title: str, total: int, done: int = 0, models: Sequence[str] = ()) -> None:
        """A job begins; it counts up to ``total``, of which ``done`` were done earlier.

        ``models``: the ids of the models that it trains or scores.
        """

    def advance(self, amount: int = 1, **values: float) -> None:
        """The job moved by ``amount``; ``values`` are figures to show, a loss say."""

    def unit(self, name: str) -> None:
        """The job has finished and stored a part of it: a shard under a condition, say."""

    def finish(self) -> None:
        """The job is done."""

    def note(self, text: str) -> None:
        """Something the user should read, in one line."""

    def took(self, times: PhaseTimes) -> None:
        """A phase has ended: what it took."""


class Several(Progress):
    """Tells all of them what it is told."""

    def __init__(self, *others: Progress) -> None:
        """Tell ``others``, in this order."""
        self._others = others

    def study(self, work: Mapping[str, ModelWork]) -> None:
        """Pass it on."""
        for each in self._others:
            each.study(work)

    def phase(self, name: str, jobs: int) -> None:
        """Pass it on."""
        for each in self._others:
            each.phase(name, jobs)

    def job(self, title: str, total: int, done: int = 0, models: Sequence[str] = ()) -> None:
        """Pass it on."""
        for each in self._others:
            each.job(title, total, done, models)

    def advance(self, amount: int = 1, **values: float) -> None:
        """Pass it on."""
        for each in self._others:
            each.advance(amount, **values)

    def unit(self, name: str) -> None:
        """Pass it on."""
        for each in self._others:
            each.unit(name)

    def finish(self) -> None:
        """Pass it on."""
        for each in self._others:
            each.finish()

    def note(self, text: str) -> None:
        """Pass it on."""
        for each in self._others:
            each.note(text)

    def took(self, times: PhaseTimes) -> None:
        """Pass it on."""
        for each in self._others:
            each.took(times)
