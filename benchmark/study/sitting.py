"""A worker's sitting at a study: he joins a run, does what no other does, and the last ends it."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import torch

from benchmark.data.kept import KeptPixels
from benchmark.data.source import ImageSource
from benchmark.environment import environment, process_count
from benchmark.errors import BenchmarkError
from benchmark.executors import WHOLE, Executor, create_executor
from benchmark.executors.gaps import GapNotes
from benchmark.executors.handing import Hands, hand_out_scoring, hand_out_training
from benchmark.executors.tasks import LOCKS, Work
from benchmark.locks import Locks
from benchmark.progress import Progress
from benchmark.scoring.own import targets
from benchmark.scoring.store import ScoreStore
from benchmark.stopping import stop_if_told
from benchmark.study.folder import entry_key, run_facts
from benchmark.study.gaps import refuse_left_out, with_gaps, without, without_surrogates
from benchmark.study.planning import Plan, left_to_score, make_plan, refuse_nothing
from benchmark.study.resolved import ResolvedStudy
from benchmark.study.samples import refuse_changed, run_samples
from benchmark.study.sealed import refuse_damaged, refuse_edited
from benchmark.study.settings import Settings
from benchmark.study.sharing import SharedFolder, wait_for
from benchmark.study.speeds import keep_speeds, read_speeds
from benchmark.study.stopwatch import Stopwatch
from benchmark.study.work import work_of
from benchmark.training.engine import Engine
from benchmark.training.store import ModelStore
from leaderboard.report import PAGE, report
from protocols.gaps import Gap, Noted
from results.errors import ResultError
from results.files import atomic_write, json_text
from results.host import HOST, read_host
from results.sealing import seal_run
from results.store import read_model, read_run, write_model, write_run, write_samples

BATCH_SIZE = 48


class Ended(NamedTuple):
    """How a sitting ended.

    Attributes:
        page: Of the report.
        whole: Whether the run is whole and the page written; otherwise others are still at work,
            and the last of them writes it.
    """

    page: Path
    whole: bool


class Busy(NamedTuple):
    """Something that another worker is at: a lock and its file."""

    path: Path
    name: str


def sit(
    resolved: ResolvedStudy,
    settings: Settings,
    make_engine: Callable[..., Engine],
    folder: SharedFolder,
) -> Ended:
    """Do what is left of a study, together with all others who are at it.

    Raises:
        LeftOutError: All is done and reported, but some models are gaps.
        BenchmarkError, DetectorError, ResultError: As ``benchmark.study.run.run``.
    """
    with folder.held():
        plan, engine = _begin(resolved, settings, make_engine, alone=folder.leave())
        folder.join()
    work = Work(
        engine=engine,
        jobs=plan.jobs,
        out=settings.out,
        noise_seed=plan.resolved.noise_seed,
        surrogates=plan.surrogates,
        environment=environment(engine.device),
        threads=torch.get_num_threads(),
        perturbations=targets(),
    )
    with create_executor(settings.executor, work) as executor:
        sitting = _Sitting(plan, engine, settings, folder, executor)
        while True:
            busy = sitting.work_or_tell()
            if busy and settings.share is None:
                _wait(busy, settings.progress)
                continue
            sitting.tell_host()
            with folder.held_last(wait=settings.share is None) as last:
                if not last:
                    return Ended(settings.out / PAGE, whole=False)
                if not busy:
                    return sitting.end()
                folder.join()
            _wait(busy, settings.progress)


def _begin(
    resolved: ResolvedStudy,
    settings: Settings,
    make_engine: Callable[..., Engine],
    *,
    alone: bool,
) -> tuple[Plan, Engine]:
    """State the run in its folder, or add to what it states; the folder is held."""
    out, progress = settings.out, settings.progress
    refuse_edited(out)
    read_host(out)  # a damaged one is told before any work
    samples, fresh = run_samples(out, resolved.manifests, resolved.allow_missing, progress)
    resolved = resolved.on(samples)
    refuse_nothing(resolved)
    plan = make_plan(resolved)
    refuse_damaged(out, again=plan.jobs)
    if missing := int((samples["problem"] != "").sum()):
        progress.note(f"{missing} of {len(samples)} images cannot be used and are left out")
    kept = None if settings.pixels is None else KeptPixels(settings.pixels)
    source = ImageSource(
        samples,
        resolved.roots,
        encoding=resolved.encoding,
        pictures=resolved.pictures,
        pixels=kept,
    )
    engine = make_engine(source=source, progress=progress)
    versions = made_with(engine)
    facts = run_facts(out, plan, batch_size=BATCH_SIZE, versions=versions, alone=alone)
    # Whoever else is at work has seen that the images are what they were.
    if alone and not fresh and _is_work_left(ScoreStore(out), plan, engine.models):
        refuse_changed(resolved.manifests, samples, resolved.allow_missing, progress)
    if told := source.check_room():
        progress.note(told)
    if alone:
        GapNotes(out).clear()
    write_samples(out, samples)
    write_run(out, facts)
    return plan, engine


def made_with(engine: Engine) -> dict[str, str]:
    """Give all that "same bytes" depends on beside data, protocols and seeds."""
    return {**environment(engine.device), "precision of scores": engine.precision}


class _Sitting:
    """What one worker does between joining a run and leaving it."""

    def __init__(
        self,
        plan: Plan,
        engine: Engine,
        settings: Settings,
        folder: SharedFolder,
        executor: Executor,
    ) -> None:
        self._plan, self._engine, self._out = plan, engine, settings.out
        self._folder, self._progress = folder, settings.progress
        self._scores = ScoreStore(settings.out)
        self._hands = Hands(
            executor=executor,
            claims=folder.claims,
            scores=self._scores,
            ids=plan.resolved.samples["sample_id"].to_numpy(),
            gaps=GapNotes(settings.out),
            share=settings.share or WHOLE,
            progress=settings.progress,
        )
        self._gaps: dict[str, Gap] = {}
        speeds = read_speeds(engine.models.root, engine.device)
        self._progress.study(
            work_of(left_to_score(self._scores, plan), plan, engine.models, speeds)
        )
        self._watch = Stopwatch(engine)
        self._again = False

    def work_or_tell(self) -> list[Busy]:
        """Do as ``work``; what a sitting took that is stopped is told too."""
        try:
            busy = self.work()
            stop_if_told()
            return busy
        except BaseException:
            with suppress(OSError, ResultError):  # the reason is told, not what that leads to
                self.write_host(stopped=True)
            raise

    def work(self) -> list[Busy]:
        """Train and score what no other worker is at; give what the others are at."""
        in_training = self._train()
        # Those who train together must go on together: they wait for what others train.
        while in_training and process_count() > 1:
            _wait(in_training, self._progress)
            in_training = self._train()
        self._watch.lap("train")
        in_scoring = self._score({busy.name for busy in in_training})
        self._watch.lap("score")
        self._again = True
        return in_training + in_scoring

    def _train(self) -> list[Busy]:
        """Train what is missing; give the models that others train."""
        models = self._engine.models
        jobs = without(self._plan, self._gaps).jobs.values()
        left = [job for job in jobs if not models.has(job.id)]
        if left or not self._again:
            self._progress.phase("train", len(left))
        outcome = hand_out_training(left, self._hands)
        self._gaps |= without_surrogates(self._plan, self._gaps | outcome.gaps)
        return [Busy(models.root / LOCKS, model) for model in outcome.busy]

    def _score(self, missing: set[str]) -> list[Busy]:
        """Score by all models but the ``missing``; give what others score."""
        plan, out = without(self._plan, self._gaps), self._out
        waiting = {model for (model, _), other in plan.surrogates.items() if other in missing}
        plan = without(plan, missing | waiting)
        with self._folder.held():
            _state_models(out, plan, self._engine.models)
        for path in [] if self._again else self._scores.damaged(list(plan.jobs)):
            self._progress.note(f"{path} was damaged: what it held is scored again")
        groups = left_to_score(self._scores, plan)
        if groups or not self._again:
            self._progress.phase("score", len(groups))
        outcome = hand_out_scoring(groups, self._hands)
        self._gaps |= outcome.gaps
        return [Busy(out / LOCKS, name) for name in outcome.busy]

    def end(self) -> Ended:
        """Merge, seal and report the run, unless another worker has; the folder is held.

        Raises:
            LeftOutError: Some models are gaps.
        """
        out, page = self._out, self._out / PAGE
        if read_run(out).seal is None:
            facts = with_gaps(read_run(out), self._gaps)
            write_run(out, facts)
            # Of other studies too that filled this run meanwhile: no unit is left behind.
            self._scores.merge(list({entry.model for entry in facts.entries if entry.model}))
            seal_run(out)
        elif _is_newer(page, out / "run.json"):
            refuse_left_out(self._plan, self._all_gaps(), str(page))
            return Ended(page, whole=True)
        self._progress.phase("report", 1)
        report(out)
        refuse_left_out(self._plan, self._all_gaps(), str(page))
        return Ended(page, whole=True)

    def _all_gaps(self) -> dict[str, Gap]:
        """Give the gaps of this plan's models that the run states, whoever met them."""
        stated = {entry_key(entry): entry for entry in read_run(self._out).entries}
        found: dict[str, Gap] = {}
        for entry in self._plan.entries:
            there = stated[entry_key(entry)]
            if entry.model is not None and there.model is None:
                found[entry.model] = Noted(text=there.gap or "")
        return found

    def tell_host(self) -> None:
        """Say what the work took, and keep it."""
        for times in self._watch.phases.values():
            self._progress.took(times)
        engine = self._engine
        try:
            keep_speeds(
                engine.models.root,
                engine.device,
                self._plan.jobs,
                self._watch.phases,
                self._watch.spent,
            )
        except BenchmarkError as error:
            self._progress.note(str(error))
        self.write_host()

    def write_host(self, *, stopped: bool = False) -> None:
        """Add this sitting to ``host.json``, where all that depends on clock and host stands."""
        models, sitting = self._engine.models, self._watch.read(stopped=stopped)
        path = self._out / HOST
        with self._folder.held():
            told = read_host(self._out)
            told["sittings"].append(sitting)
            there = (model for model in self._plan.jobs if models.has(model))
            told["models"] |= {model: models.host(model) for model in there}
            atomic_write(path, json_text(told, str(path)))


def _wait(busy: Sequence[Busy], progress: Progress) -> None:
    """Wait until one of the things that others are at is done, or left behind."""

    def is_free() -> bool:
        for path, name in busy:
            with Locks(path) as locks:
                if locks.take(name):
                    return True
        return False

    wait_for(is_free, progress)


def _is_newer(page: Path, than: Path) -> bool:
    """Tell whether a page was written after a file."""
    return page.is_file() and page.stat().st_mtime_ns >= than.stat().st_mtime_ns


def _is_work_left(scores: ScoreStore, plan: Plan, models: ModelStore) -> bool:
    """Tell whether an image must be decoded again."""
    return not all(models.has(model) for model in plan.jobs) or bool(left_to_score(scores, plan))


def _state_models(out: Path, plan: Plan, models: ModelStore) -> None:
    """Write ``models/<id>.json`` of this plan's models, under the names this run knows them by.

    Raises:
        BenchmarkError: The run has scores of other weights than the store's.
    """
    first = {entry.model: entry.training for entry in reversed(read_run(out).entries)}
    for job in plan.jobs.values():
        named: dict[str, str | None] = {
            "training": first[job.id],
            "reals": job.training.statement,
            "encoding": plan.resolved.encoding_name,
            "track": job.track,
        }
        stored = models.facts(job.id)
        if (out / "models" / f"{job.id}.json").is_file():
            before = read_model(out, job.id)
            if before.scores is not None and before.weights not in (None, stored.weights):
                raise BenchmarkError(
                    f"{out} has scores of {job.id} whose weights were others than those in "
                    f"{models.root}: name the --store that they are in, or choose another --out"
                )
            named |= {"scores": before.scores, "scored": before.scored}
        write_model(out, stored.model_copy(update=named))
