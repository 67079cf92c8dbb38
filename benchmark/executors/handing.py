"""Handing out: every piece of work to one worker at a time, among all who fill one run.

Those who work on one run know of each other by locks alone. Whoever is about to train a model holds
its lock in the store; whoever scores part of the images by a model holds that lock in the run. What
somebody else holds is left to him, and what he leaves behind, should he die, is free again.
"""

import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmark.errors import BenchmarkError
from benchmark.executors import Executor, Share
from benchmark.executors.gaps import GapNotes
from benchmark.executors.tasks import Done, ScoreTask, Task, TrainTask
from benchmark.locks import Locks
from benchmark.progress import Progress
from benchmark.scoring.store import ScoreStore
from benchmark.scoring.units import Group, Unit
from benchmark.timing import add
from benchmark.training.jobs import TrainJob
from protocols.gaps import Gap

# What a lost worker was at is tried so often; then it is the work that kills its workers.
MOST_TRIES = 3
# A claim of parts to score should take so long: less would leave the device idle between two, more
# would leave other workers too little.
_SHORT_SECONDS, _LONG_SECONDS = 10.0, 40.0


@dataclass(frozen=True, kw_only=True)
class Hands:
    """Who hands out, to whom, and what all workers of the run know of each other.

    Attributes:
        executor: Carries tasks out.
        claims: The locks of the run.
        scores: The scores of the run.
        ids: The id of each row of the samples table.
        gaps: Models that some worker of the run could not train or score.
        share: Which part is begun with.
        progress: Told of what is done.
    """

    executor: Executor
    claims: Locks
    scores: ScoreStore
    ids: npt.NDArray[np.object_]
    gaps: GapNotes
    share: Share
    progress: Progress


@dataclass(kw_only=True)
class Outcome:
    """What came of handing out.

    Attributes:
        gaps: By model id, why there is no model or no score.
        busy: What others are at: model ids, or names of claims.
    """

    gaps: dict[str, Gap] = field(default_factory=dict)
    busy: list[str] = field(default_factory=list)


def hand_out_training(jobs: Sequence[TrainJob], hands: Hands) -> Outcome:
    """Have models trained that the store does not have.

    Returns:
        Gaps, and as ``busy`` the ids of models that others train.
    """
    outcome = Outcome()

    def tasks() -> Iterator[Task]:
        for job in hands.share.ordered(jobs):
            if (gap := hands.gaps.of(job.id)) is not None:
                outcome.gaps[job.id] = gap
            else:
                yield TrainTask(job.id)

    several = hands.executor.size > 1  # of a single worker each model is a job of its own
    if several:
        title = f"{len(jobs)} models, {hands.executor.size} at a time"
        hands.progress.job(title, len(jobs), models=[job.id for job in jobs])
    for task, done in _carried_out(tasks(), hands):
        assert isinstance(task, TrainTask)
        if done.busy:
            outcome.busy.append(task.model)
        if several and not done.busy:
            hands.progress.advance(1)
        _note_gaps(done, outcome, hands)
    if several:
        hands.progress.finish()
    return outcome


def hand_out_scoring(groups: Iterable[Group], hands: Hands) -> Outcome:
    """Have units scored and written into the run.

    Args:
        groups: From ``benchmark.scoring.units.plan_groups``, of models that are there.
        hands: With the ``scores`` of which it was read what is left.

    Returns:
        Gaps, and as ``busy`` the names of the claims that others hold.
    """
    outcome, several = Outcome(), hands.executor.size > 1
    for number, group in enumerate(groups, start=1):
        title = f"{len(group.models)} models" + (f", group {number}" if number > 1 else "")
        hands.progress.job(title, group.scores, models=group.models)
        claims = _Claims(group, hands, outcome)
        for task, done in _carried_out(claims.tasks(), hands):
            assert isinstance(task, ScoreTask)
            claims.settle(task)
            if several:
                hands.progress.advance(task.group.scores)
            _note_gaps(done, outcome, hands)
        hands.progress.finish()
    return outcome


def _note_gaps(done: Done, outcome: Outcome, hands: Hands) -> None:
    """Keep why models are left out, for the other workers too."""
    for model, gap in done.gaps.items():
        outcome.gaps.setdefault(model, gap)
        hands.gaps.note(model, gap)


def _carried_out(tasks: Iterator[Task], hands: Hands) -> Iterator[tuple[Task, Done]]:
    """Give each task with what came of it, as they are done.

    Raises:
        BenchmarkError: A task says so, or loses one worker after the other.
    """
    executor, tries = hands.executor, Counter[int]()
    running: dict[Future[Done], Task] = {}
    again: deque[Task] = deque()
    while True:
        while len(running) < max(executor.size, 1):  # machines may all be gone for a while
            task = again.popleft() if again else next(tasks, None)
            if task is None:
                break
            running[executor.submit(task)] = task
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            task = running.pop(future)
            try:
                done = future.result()
            except executor.lost as error:
                tries[id(task)] += 1
                _refuse_deadly(task, tries[id(task)], error)
                hands.progress.note(
                    f"a worker was lost that {task.name} ({_brief(error)}): it is done again"
                )
                again.append(task)
                continue
            add(done.spent)
            for note in done.notes:
                hands.progress.note(note)
            if done.error:
                raise BenchmarkError(done.error)
            yield task, done


def _refuse_deadly(task: Task, tries: int, error: Exception) -> None:
    """Raise BenchmarkError where a task has lost too many workers."""
    if tries >= MOST_TRIES:
        raise BenchmarkError(
            f"{tries} workers were lost one after the other that {task.name} ({_brief(error)}): "
            "the system may have ended them for want of memory, so use fewer workers or a smaller "
            "size; what is done stays, and the same command goes on"
        ) from error


def _brief(error: Exception) -> str:
    """Give the first line of an error, or its kind."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__


class _Part(NamedTuple):
    """A shard of a dataset under all conditions that a group is to be scored under."""

    dataset: str
    shard: int
    units: tuple[Unit, ...]

    @property
    def models(self) -> list[str]:
        """The models that need it."""
        return list(dict.fromkeys(model for unit in self.units for model in unit.rows))


class _Claims:
    """The parts of a group's images, claimed one after the other, and let go of when scored."""

    def __init__(self, group: Group, hands: Hands, outcome: Outcome) -> None:
        """Claim nothing yet; what others hold is added to ``outcome``."""
        self._group, self._hands, self._outcome = group, hands, outcome
        self._held: dict[int, tuple[list[str], float, int]] = {}
        self._size = 1

    def tasks(self) -> Iterator[Task]:
        """Claim and give what is still free: more at a time where it goes quickly."""
        left = deque(self._hands.share.ordered(_parts(self._group)))
        while left:
            units: list[Unit] = []
            names: list[str] = []
            taken = 0
            while left and taken < self._size:
                found, held = self._claimed(left.popleft())
                names += held
                if found:
                    units += found
                    taken += 1
            if units:
                task = ScoreTask(Group(models=self._group.models, units=tuple(units)))
                self._held[id(task)] = (names, time.monotonic(), taken)
                yield task
            else:
                self._free(names)

    def settle(self, task: Task) -> None:
        """Let go of what a task that is done had claimed, and set the size of later claims."""
        names, began, taken = self._held.pop(id(task))
        self._free(names)
        seconds = time.monotonic() - began
        if seconds < _SHORT_SECONDS and taken >= self._size:
            self._size *= 2
        elif seconds > _LONG_SECONDS:
            self._size = max(1, self._size // 2)

    def _claimed(self, part: _Part) -> tuple[list[Unit], list[str]]:
        """Claim a part by each model that nobody else scores on it; give what is left of it."""
        free, names = set(), []
        for model in part.models:
            name = f"score {model} {part.dataset} {part.shard}"
            if model in self._outcome.gaps:
                continue
            if (gap := self._hands.gaps.of(model)) is not None:
                self._outcome.gaps[model] = gap
            elif self._hands.claims.take(name):
                free.add(model)
                names.append(name)
            else:
                self._outcome.busy.append(name)
        scored = self._hands.scores.scored_since(part.dataset, part.shard) if free else {}
        units = [self._without(unit, free, scored) for unit in part.units]
        return [unit for unit in units if unit.rows], names

    def _without(
        self, unit: Unit, free: set[str], scored: Mapping[tuple[str, str], frozenset[str]]
    ) -> Unit:
        """Keep of a unit what is claimed and was not scored meanwhile."""
        rows = {}
        for model, wanted in unit.rows.items():
            known = scored.get((model, unit.condition.key), frozenset())
            if model in free and not known.issuperset(self._hands.ids[wanted]):
                rows[model] = wanted
        return replace(unit, rows=rows)

    def _free(self, names: Iterable[str]) -> None:
        """Let go of claims."""
        for name in names:
            self._hands.claims.free(name)


def _parts(group: Group) -> list[_Part]:
    """Cut the units of a group by their images."""
    found: dict[tuple[str, int], list[Unit]] = {}
    for unit in group.units:
        found.setdefault((unit.dataset, unit.shard), []).append(unit)
    return [_Part(dataset, shard, tuple(units)) for (dataset, shard), units in found.items()]
