"""A study carried out: check the data, train what is missing, score it, write the report."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import torch

from benchmark.data.source import ImageSource
from benchmark.environment import (
    EnergyMeter,
    environment,
    keep_freed_memory,
    process_rank,
    provenance,
    resolve_device,
)
from benchmark.errors import BenchmarkError
from benchmark.executors import create_executor
from benchmark.progress import Progress
from benchmark.scoring.store import ScoreStore
from benchmark.study.binding import Data
from benchmark.study.checks import check_detectors
from benchmark.study.folder import locked, run_facts
from benchmark.study.gaps import refuse_left_out, with_gaps, without, without_surrogates
from benchmark.study.planning import Plan, left_to_score, make_plan, refuse_nothing
from benchmark.study.resolved import ResolvedStudy, resolve
from benchmark.study.samples import refuse_changed, run_samples
from benchmark.study.schema import Changes, Study, checked_study, study_of
from benchmark.training.distributed import follow
from benchmark.training.engine import Engine
from benchmark.training.store import ModelStore, default_store
from benchmark.training.train import train
from detectors.parts.frozen import FrozenFeatures
from leaderboard.report import PAGE, report
from protocols.gaps import Gap
from results.files import atomic_write, json_text, read_json
from results.schema import RunFacts
from results.sealing import seal_run
from results.store import read_model, write_model, write_run, write_samples

BATCH_SIZE = 48
CHECKPOINT_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a study is carried out: nothing here is part of what is studied.

    Attributes:
        out: Folder of the run. A run that is there is continued, and detectors, protocols or seeds
            are added to it; its data and environment must be the same.
        store: Folder of trained models, shared by runs; None: in the user's cache folder.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: CPU threads of torch; None: its own choice.
        checkpoint_seconds: Time between saved states of a training under way.
        features: Folder where outputs of frozen, pretrained networks are kept, by content, for all
            heads, training sets and seeds, 2 to 4 kB an image; None: they are computed each time.
        executor: Name of who does the work (``benchmark.executors``).
        progress: Told of everything that happens.
    """

    out: Path
    store: Path | None = None
    device: str = "auto"
    threads: int | None = None
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    features: Path | None = None
    executor: str = "local"
    progress: Progress


def run(
    study: Study | str,
    *,
    data: Data,
    out: Path | str,
    store: Path | str | None = None,
    device: str = "auto",
    threads: int | None = None,
    allow_missing: bool = False,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    features: Path | str | None = None,
    executor: str = "local",
    progress: Progress | None = None,
    **changes: Unpack[Changes],
) -> Path:
    """Carry out a study or protocol; called again, it goes on where it stopped.

    Args:
        study: A study, or the name or file of a study or protocol.
        data: The manifest; or manifests by role.
        out: As in ``Settings``, like ``store``, ``device``, ``threads``, ``checkpoint_seconds``,
            ``features``, ``executor`` and ``progress``.
        store: See ``out``.
        device: See ``out``.
        threads: See ``out``.
        allow_missing: Leave out images that cannot be read, counted, instead of stopping; and roles
            without a manifest, as stated gaps.
        checkpoint_seconds: See ``out``.
        features: See ``out``.
        executor: See ``out``.
        progress: See ``out``.
        **changes: ``detectors``, ``size``, ``recipe``, ``track``, ``seeds`` and ``train_on`` in
            place of the study's own, and ``allow_code``, the modules of one's own that a study's
            file may name (``benchmark.study.schema.Changes``).

    Returns:
        The page of the report, which the first process alone writes.

    Raises:
        LeftOutError: All is done and reported, but some models have no scores that are numbers:
            they are stated gaps.
        BenchmarkError: The study, data, store or run cannot be used as asked.
        ProtocolError, DetectorError, ResultError: Likewise, for their parts.
    """
    settings = Settings(
        out=Path(out),
        store=Path(store) if store is not None else None,
        device=device,
        threads=threads,
        checkpoint_seconds=checkpoint_seconds,
        features=Path(features) if features is not None else None,
        executor=executor,
        progress=progress or Progress(),
    )
    if process_rank() > 0:
        return join(settings)
    resolved = resolve(_changed(study, changes), data, allow_missing=allow_missing)
    return carry_out(resolved, settings)


def carry_out(resolved: ResolvedStudy, settings: Settings) -> Path:
    """Carry out a resolved study as the first process or the only one; give the report's page.

    Raises:
        BenchmarkError, DetectorError, ResultError: As ``run``.
    """
    make_engine = _engine_maker(settings)
    check_detectors(resolved.study, resolved.recipes)
    refuse_nothing(resolved)
    for note in resolved.notes:
        settings.progress.note(note)
    with locked(settings.out):
        return _lead(resolved, settings, make_engine)


def join(settings: Settings) -> Path:
    """Train with the first process until it has no more to train, as one of the others."""
    follow(resolve_device(settings.device), _engine_maker(settings), train)
    return settings.out / PAGE


def _engine_maker(settings: Settings) -> "partial[Engine]":
    """Prepare the process, and all of an engine but ``source`` and ``progress``."""
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    device = resolve_device(settings.device)
    if device.type == "cpu":
        keep_freed_memory()
    return partial(
        Engine,
        models=ModelStore(settings.store or default_store()),
        device=device,
        batch_size=BATCH_SIZE,
        checkpoint_seconds=settings.checkpoint_seconds,
        features=None if settings.features is None else FrozenFeatures(settings.features),
    )


def _lead(resolved: ResolvedStudy, settings: Settings, make_engine: "partial[Engine]") -> Path:
    """Carry out a study in a folder that is locked."""
    out, progress = settings.out, settings.progress
    samples, fresh = run_samples(out, resolved.manifests, resolved.allow_missing, progress)
    resolved = resolved.on(samples)
    refuse_nothing(resolved)
    plan = make_plan(resolved)
    if missing := int((samples["problem"] != "").sum()):
        progress.note(f"{missing} of {len(samples)} images cannot be used and are left out")
    source = ImageSource(
        samples, resolved.roots, encoding=resolved.encoding, pictures=resolved.pictures
    )
    engine = make_engine(source=source, progress=progress)
    facts = run_facts(out, plan, batch_size=BATCH_SIZE, versions=environment(engine.device))
    if not fresh and _is_work_left(out, plan, engine.models):
        refuse_changed(resolved.manifests, samples, resolved.allow_missing, progress)
    write_samples(out, samples)
    write_run(out, facts)
    gaps = _work(plan, facts, engine, settings)
    seal_run(out)
    progress.phase("report", 1)
    page: Path = report(out)
    refuse_left_out(plan, gaps, str(page))
    return page


def _changed(study: Study | str, changes: Changes) -> Study:
    """Give the study with what the caller wants different in it."""
    if isinstance(study, str):
        return study_of(study, **changes)
    if any(changes.values()):
        raise BenchmarkError(
            "a Study object states its own detectors, size, recipe, track and seeds"
        )
    return checked_study(study)


def _work(plan: Plan, facts: RunFacts, engine: Engine, settings: Settings) -> dict[str, Gap]:
    """Train and score what is missing; give the models that had to be left out, and why."""
    out, executor = settings.out, create_executor(settings.executor)
    clock, meter = _Clock(), EnergyMeter(engine.device)
    left = [job for job in plan.jobs.values() if not engine.models.has(job.id)]
    engine.progress.phase("train", len(left))
    gaps = without_surrogates(plan, executor.train(left, engine))
    clock.lap("train")
    facts, plan = with_gaps(facts, gaps), without(plan, gaps)
    write_run(out, facts)
    _state_models(out, facts, plan, engine.models)
    scores = ScoreStore(out)
    for path in scores.damaged(list(plan.jobs)):
        engine.progress.note(f"{path} was damaged: what it held is scored again")
    groups = left_to_score(out, plan)
    engine.progress.phase("score", len(groups))
    unscored = executor.score(
        groups,
        engine,
        scores,
        plan.jobs,
        noise_seed=plan.resolved.noise_seed,
        surrogates=plan.surrogates,
    )
    facts, plan = with_gaps(facts, unscored), without(plan, unscored)
    write_run(out, facts)
    scores.merge(list(plan.jobs))
    clock.lap("score")
    sitting = {"began": clock.began, "seconds": clock.seconds, **provenance(engine.device)}
    if (joules := meter.joules()) is not None:
        sitting["energy_joules"] = joules
    _write_host(out, sitting, engine.models, plan)
    return gaps | unscored


def _is_work_left(out: Path, plan: Plan, models: ModelStore) -> bool:
    """Tell whether an image must be decoded again."""
    return not all(models.has(model) for model in plan.jobs) or bool(left_to_score(out, plan))


def _state_models(out: Path, facts: RunFacts, plan: Plan, models: ModelStore) -> None:
    """Write ``models/<id>.json`` of this plan's models, under the names this run knows them by.

    Raises:
        BenchmarkError: The run has scores of other weights than the store's.
    """
    first = {entry.model: entry.training for entry in reversed(facts.entries)}
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
            named["scores"] = before.scores
        write_model(out, stored.model_copy(update=named))


class _Clock:
    """Wall time of the phases of this sitting."""

    def __init__(self) -> None:
        self.began = datetime.now(UTC).isoformat(timespec="seconds")
        self.seconds: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, name: str) -> None:
        """Note the time since the last lap."""
        now = time.monotonic()
        self.seconds[name], self._last = round(now - self._last, 3), now


def _write_host(out: Path, sitting: dict[str, Any], models: ModelStore, plan: Plan) -> None:
    """Add this sitting to ``host.json``, where all that depends on clock and host stands."""
    path = out / "host.json"
    told: dict[str, Any] = read_json(path) if path.is_file() else {"sittings": [], "models": {}}
    told["sittings"].append(sitting)
    told["models"] |= {model: models.host(model) for model in plan.jobs}
    atomic_write(path, json_text(told, str(path)))
