"""What is handed out: a model to train, or some units to score; and a worker who does it."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import torch

from benchmark.environment import environment
from benchmark.errors import BenchmarkError, ModelGapError
from benchmark.locks import Locks
from benchmark.progress import Progress
from benchmark.scoring.loading import attacked_on
from benchmark.scoring.own import bound
from benchmark.scoring.ready import Form
from benchmark.scoring.score import score
from benchmark.scoring.store import ScoreStore
from benchmark.scoring.units import Group, Surrogates
from benchmark.timing import Key, Spent, counters, since
from benchmark.training.engine import Engine
from benchmark.training.jobs import TrainJob
from benchmark.training.store import ModelStore
from benchmark.training.train import train
from detectors.base import Detector
from detectors.errors import DetectorError
from detectors.parts.frozen import FrozenFeatures
from protocols.errors import ProtocolError
from protocols.gaps import Gap
from results.errors import ResultError
from results.store import read_run

LOCKS = ".lock"
"""The lock file of a run's folder and of a store of models."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Work:
    """All that tasks are about: sent to a worker once.

    Attributes:
        engine: The images, the store of models and the device.
        jobs: What each model id stands for.
        out: Folder of the run, where units go.
        noise_seed: Seed of the perturbed pixels, from the protocol.
        surrogates: On which models the attacks of conditions with a surrogate are made.
        environment: What "same bytes" depends on, as ``environment`` gives it.
        threads: CPU threads of torch.
        perturbations: The user's own, ``module:function`` by word.
    """

    engine: Engine
    jobs: Mapping[str, TrainJob]
    out: Path
    noise_seed: int
    surrogates: Surrogates
    environment: Mapping[str, str]
    threads: int
    perturbations: Mapping[str, str] = field(default_factory=dict)

    def abroad(self, share: int = 1) -> "Work":
        """Give it as it is sent to another process: nobody is told of its progress there.

        Args:
            share: How many such processes share this machine's memory.
        """
        here = self.engine
        engine = replace(
            here,
            progress=Progress(),
            source=here.source.abroad(share),
            models=ModelStore(here.models.root.resolve()),
            features=here.features and FrozenFeatures(here.features.folder.resolve()),
        )
        return replace(self, engine=engine, out=self.out.resolve())


class TrainTask(NamedTuple):
    """Train a model and put it into the store, unless somebody else does so just now."""

    model: str

    @property
    def name(self) -> str:
        """Say what is done."""
        return f"trained {self.model}"


class ScoreTask(NamedTuple):
    """Score units and write each into the run."""

    group: Group

    @property
    def name(self) -> str:
        """Say what is done."""
        shards = {(unit.dataset, unit.shard) for unit in self.group.units}
        dataset, number = min(shards)
        return f"scored images of {dataset} (part {number}, {len(shards)} in all)"


Task = TrainTask | ScoreTask


@dataclass(frozen=True, kw_only=True)
class Done:
    """What came of a task.

    Attributes:
        busy: Whether somebody else is at it: nothing was done.
        gaps: By model id, why there is no model or no score.
        notes: What the user should read.
        spent: Where the time of another process went (``benchmark.timing``).
        error: Why the whole study must stop; empty if it need not.
    """

    busy: bool = False
    gaps: Mapping[str, Gap] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    spent: Mapping[Key, Spent] = field(default_factory=dict)
    error: str = ""


class Worker:
    """Carries tasks out, one after the other, in whatever process it is."""

    def __init__(
        self,
        work: Work,
        progress: Progress,
        announce: Callable[[TrainJob], None] | None = None,
    ) -> None:
        """Work with ``work``.

        Args:
            work: What the tasks are about.
            progress: Told of what happens.
            announce: Told of a job that is about to be trained; None: nobody is.
        """
        self._work, self._progress, self._announce = work, progress, announce
        self._scores = ScoreStore(work.out)
        self._models: dict[str, Detector] = {}
        self._forms: dict[str, Form] = {}

    def carry_out(self, task: Task) -> Done:
        """Do a task; errors that a user can mend are raised."""
        if isinstance(task, TrainTask):
            return self._train(self._work.jobs[task.model])
        return self._score(task.group)

    def _train(self, job: TrainJob) -> Done:
        """Train a model, unless it is there or somebody else trains it."""
        models = self._work.engine.models
        models.root.mkdir(parents=True, exist_ok=True)
        with Locks(models.root / LOCKS) as locks:
            if not locks.take(job.id):
                return Done(busy=True)
            next(models.root.iterdir(), None)  # over NFS, only an opened folder is up to date
            if models.has(job.id):  # somebody else has trained it meanwhile
                return Done()
            self._models.clear()
            self._forms.clear()
            if self._announce is not None:
                self._announce(job)
            try:
                train(job, replace(self._work.engine, progress=self._progress))
            except ModelGapError as error:
                self._progress.note(f"{error}; it is left out, the others go on")
                return Done(gaps={job.id: error.gap})
        return Done()

    def _score(self, group: Group) -> Done:
        """Score units; those that a worker before this one wrote, which was lost then, stay."""
        written = self._scores.written()
        left = tuple(unit for unit in group.units if not self._scores.is_among(unit, written))
        gaps = score(
            [replace(group, units=left)] if left else [],
            replace(self._work.engine, progress=_Within(self._progress)),
            self._scores,
            self._loaded,
            noise_seed=self._work.noise_seed,
            surrogates=self._work.surrogates,
            forms=self._forms,
        )
        self._keep(group)
        return Done(gaps=gaps)

    def _loaded(self, model: str) -> Detector:
        """Load a model, unless the task before this one had it too."""
        if model not in self._models:
            self._models[model] = self._work.engine.models.load(self._work.jobs[model])
        return self._models[model]

    def _keep(self, group: Group) -> None:
        """Keep the models of a group, most likely the next task's too, and drop all others."""
        attacked = attacked_on(group, self._work.surrogates)
        self._models = {name: self._models[name] for name in attacked if name in self._models}
        self._forms = {name: self._forms[name] for name in group.models if name in self._forms}


class RemoteWorker:
    """A worker in another process than the one that hands tasks out."""

    def __init__(self, work: Work) -> None:
        """Prepare this process.

        Raises:
            BenchmarkError: It could not give the same bytes, or does not see the run.
        """
        torch.set_num_threads(work.threads)
        _refuse_other(work)
        # This process works on one run, to its end.
        ExitStack().enter_context(bound(work.perturbations))
        self._notes = _Noting()
        self._worker = Worker(work, self._notes)

    def carry_out(self, task: Task) -> Done:
        """Do a task; an error that a user can mend comes back as its sentence."""
        before = counters()
        try:
            done = self._worker.carry_out(task)
        except (BenchmarkError, DetectorError, ProtocolError, ResultError) as error:
            done = Done(error=str(error))
        except OSError as error:  # a full disk, say
            done = Done(error=f"{error.filename or 'a file'}: {error.strerror or error}")
        return replace(done, notes=self._notes.taken(), spent=since(before))


def _refuse_other(work: Work) -> None:
    """Raise BenchmarkError where this process would not do what the run's first one would."""
    here = environment(work.engine.device)
    for name, wanted in work.environment.items():
        if here.get(name) != wanted:
            raise BenchmarkError(
                f"a worker has {name} {here.get(name, 'none')}, and the run {wanted}: scores would "
                "not be the same bytes, so install the same versions and use machines of one kind"
            )
    try:
        read_run(work.out)
    except ResultError as error:
        raise BenchmarkError(
            f"a worker does not see the run ({error}): --out, --store and the data must lie in "
            "folders that all machines share, under the same path"
        ) from error


class _Within(Progress):
    """Passes on what happens inside a job that somebody else has begun."""

    def __init__(self, outer: Progress) -> None:
        self._outer = outer

    def advance(self, amount: int = 1, **values: float) -> None:
        """Move the job on."""
        self._outer.advance(amount, **values)

    def unit(self, name: str) -> None:
        """Say what is about to be finished."""
        self._outer.unit(name)

    def note(self, text: str) -> None:
        """Pass a line on."""
        self._outer.note(text)


class _Noting(Progress):
    """Keeps what the user should read until it can be told."""

    def __init__(self) -> None:
        self._notes: list[str] = []

    def note(self, text: str) -> None:
        """Keep a line."""
        self._notes.append(text)

    def taken(self) -> tuple[str, ...]:
        """Give the lines since the last call."""
        notes, self._notes = tuple(self._notes), []
        return notes
