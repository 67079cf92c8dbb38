"""A study carried out: check the data, train what is missing, score it, write the report."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from filelock import FileLock

from benchmark.data.manifest import Manifest
from benchmark.data.source import ImageSource
from benchmark.environment import (
    EnergyMeter,
    environment,
    keep_freed_memory,
    provenance,
    resolve_device,
)
from benchmark.errors import BenchmarkError
from benchmark.progress import Progress
from benchmark.scoring.score import score
from benchmark.scoring.store import ScoreStore
from benchmark.scoring.units import Group, plan_groups
from benchmark.study.binding import Data, bind, load_protocols, stands_for
from benchmark.study.folder import locked, run_facts
from benchmark.study.planning import Plan, make_plan, refuse_nothing, refuse_unfit
from benchmark.study.samples import refuse_changed, run_samples
from benchmark.study.schema import Study, StudyDetector, checked, study_of
from benchmark.study.tracks import recipe_of
from benchmark.training.distributed import Leader, follow, rank
from benchmark.training.engine import Engine
from benchmark.training.store import ModelStore, default_store
from benchmark.training.train import train
from detectors.card import Card
from detectors.catalog import detector_class
from detectors.counting import option_names
from leaderboard.report import PAGE, report
from results.files import atomic_write, json_text, read_json
from results.schema import RunFacts
from results.store import (
    write_model,
    write_run,
    write_samples,
)

BATCH_SIZE = 48
CHECKPOINT_SECONDS = 60.0
# How many models share one decoding of the images; at base size each takes up to 1 GB.
GROUP_SIZE = {"tiny": 64, "base": 8}
_SUPPLIED = {"prompts", "taxa", "file", "labels"}


def run(
    study: Study | str,
    *,
    data: Data,
    out: Path | str,
    detectors: Sequence[str] | None = None,
    size: Literal["tiny", "base"] | None = None,
    recipe: str | None = None,
    track: str | None = None,
    seeds: Sequence[int] | None = None,
    train_on: Sequence[str] | None = None,
    store: Path | str | None = None,
    device: str = "auto",
    threads: int | None = None,
    allow_missing: bool = False,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    progress: Progress | None = None,
) -> Path:
    """Carry out a study or protocol; called again, it goes on where it stopped.

    Args:
        study: A study, or the name or file of a study or protocol.
        data: The manifest; or manifests by role.
        out: Folder of the run. A run that is there is continued, and detectors, protocols or seeds
            are added to it; its data and environment must be the same.
        detectors: Names for a protocol, or in place of a study's own.
        size: ``tiny`` or ``base``, likewise.
        recipe: Recipe for every detector, whatever the track.
        track: ``common``, one augmentation, side and step budget for all; or ``own``, the recipe
            of each detector's paper.
        seeds: Training seeds.
        train_on: Only these training sets of a protocol.
        store: Folder of trained models, shared by runs; the user's cache folder if left out.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: CPU threads of torch; its own choice if left out.
        allow_missing: Leave out images that cannot be read, counted, instead of stopping; and roles
            without a manifest, as stated gaps.
        checkpoint_seconds: Time between saved states of a training under way.
        progress: Told of everything that happens.

    Returns:
        The page of the report, which the first process alone writes.

    Raises:
        BenchmarkError: The study, data, store or run cannot be used as asked.
        ProtocolError, DetectorError, ResultError: Likewise, for their parts.
    """
    changes = {"recipe": recipe, "track": track, "seeds": seeds, "train_on": train_on}
    study = _asked(study, detectors, size=size, **changes)
    if threads is not None:
        torch.set_num_threads(threads)
    where = resolve_device(device)
    if where.type == "cpu":
        keep_freed_memory()
    make_engine = partial(
        Engine,
        models=ModelStore(Path(store) if store is not None else default_store()),
        device=where,
        batch_size=BATCH_SIZE,
        checkpoint_seconds=checkpoint_seconds,
    )
    if rank() > 0:
        follow(where, make_engine, train)
        return Path(out) / PAGE
    check_detectors(study)
    progress = progress or Progress()
    protocols = load_protocols(study)
    if note := stands_for(protocols, data):
        progress.note(note)
    manifests = bind(protocols, data, allow_missing=allow_missing)
    refuse_unfit(study, manifests)
    with locked(Path(out)):
        return _lead(
            study,
            Path(out),
            manifests,
            make_engine,
            allow_missing=allow_missing,
            progress=progress,
        )


def _lead(
    study: Study,
    out: Path,
    manifests: Mapping[str, Manifest],
    make_engine: Callable[..., Engine],
    *,
    allow_missing: bool,
    progress: Progress,
) -> Path:
    """Carry out a study in a folder that is locked, as its first process or its only one."""
    samples, fresh = run_samples(out, manifests, allow_missing, progress)
    plan = make_plan(study, manifests, samples)
    refuse_nothing(plan)
    if missing := int((samples["problem"] != "").sum()):
        progress.note(f"{missing} of {len(samples)} images cannot be used and are left out")
    source = ImageSource(samples, plan.roots, encoding=plan.encoding)
    engine = make_engine(source=source, progress=progress)
    facts = run_facts(out, plan, batch_size=BATCH_SIZE, versions=environment(engine.device))
    if not fresh and _is_work_left(out, plan, engine.models):
        refuse_changed(manifests, samples, allow_missing, progress)
    write_samples(out, samples)
    write_run(out, facts)
    _carry_out(out, plan, facts, engine)
    progress.phase("report", 1)
    page: Path = report(out)
    return page


def _asked(study: Study | str, detectors: Sequence[str] | None, **changes: Any) -> Study:
    """Give the study that ``run`` was asked for."""
    if isinstance(detectors, str):
        detectors = [detectors]
    if isinstance(study, str):
        return study_of(study, detectors=detectors, **changes)
    if detectors or any(changes.values()):
        raise BenchmarkError(
            "a Study object states its own detectors, size, recipe, track and seeds"
        )
    return checked(study)


def _carry_out(out: Path, plan: Plan, facts: RunFacts, engine: Engine) -> None:
    """Train and score what is missing."""
    clock, meter = _Clock(), EnergyMeter(engine.device)
    _train(plan, engine)
    clock.lap("train")
    _state_models(out, facts, plan, engine.models)
    _score(out, plan, engine)
    clock.lap("score")
    sitting = {"began": clock.began, "seconds": clock.seconds, **provenance(engine.device)}
    if (joules := meter.joules()) is not None:
        sitting["energy_joules"] = joules
    _write_host(out, sitting, engine.models, plan)


def check_detectors(study: Study) -> None:
    """Refuse what no training could mend, before any: unknown options, needs that are not met.

    Raises:
        BenchmarkError: A detector has no such option, needs what no manifest or recipe gives, or
            has no recipe of its own where the track asks for it.
        UnknownDetectorError: There is no such detector.
    """
    for entry in study.detectors:
        found = detector_class(entry.detector)
        known = option_names(found)
        unknown = sorted(set(entry.options) - known)
        if unknown:
            raise BenchmarkError(
                f"{entry.name} has no option '{unknown[0]}'; there are {', '.join(sorted(known))}"
            )
        lacking = sorted(found.card.needs - _SUPPLIED)
        if lacking:
            raise BenchmarkError(f"{entry.name} needs {', '.join(lacking)}, which no manifest has")
        _check_batches(entry, found.card, study)


def _check_batches(entry: StudyDetector, card: Card, study: Study) -> None:
    """Refuse a recipe whose batches a detector cannot train on."""
    recipe = recipe_of(entry, study)
    if card.batches == "balanced" and not recipe.balanced:
        raise BenchmarkError(
            f"{entry.name} trains on batches of which half are real: recipe "
            f"'{recipe.name}' has balanced: false"
        )
    most = card.batch_dependent
    if card.fit == "gradient" and most is not None and recipe.batch_size > most:
        raise BenchmarkError(
            f"{entry.name} trains on batches of {most} at most: recipe '{recipe.name}' has "
            f"batch_size: {recipe.batch_size}"
        )


def left_to_score(out: Path, plan: Plan) -> tuple[Group, ...]:
    """Tell what is left to score of a plan in the run at ``out``."""
    done = ScoreStore(out).done(list(plan.jobs))
    return plan_groups(plan.samples, plan.needs, done, GROUP_SIZE[plan.study.size])


def _is_work_left(out: Path, plan: Plan, models: ModelStore) -> bool:
    """Tell whether an image must be decoded again."""
    return not all(models.has(model) for model in plan.jobs) or bool(left_to_score(out, plan))


def _train(plan: Plan, engine: Engine) -> None:
    """Train the models that the store does not have."""
    models = engine.models
    left = [job for job in plan.jobs.values() if not models.has(job.id)]
    engine.progress.phase("train", len(left))
    models.root.mkdir(parents=True, exist_ok=True)
    leader = Leader(engine)
    for job in left:
        with FileLock(models.root / f".{job.id}.lock"):
            if not models.has(job.id):  # another run may have trained it while this one waited
                leader.announce(job)
                train(job, engine)
    leader.dismiss()


def _state_models(out: Path, facts: RunFacts, plan: Plan, models: ModelStore) -> None:
    """Write ``models/<id>.json`` of this plan's models, under the names this run knows them by."""
    first = {entry.model: entry.training for entry in reversed(facts.entries)}
    for job in plan.jobs.values():
        named = {
            "training": first[job.id],
            "reals": job.training.statement,
            "encoding": plan.encoding_name,
            "track": job.track,
        }
        write_model(out, models.facts(job.id).model_copy(update=named))


def _score(out: Path, plan: Plan, engine: Engine) -> None:
    """Score what is left and merge it."""
    groups = left_to_score(out, plan)
    engine.progress.phase("score", len(groups))
    scores = ScoreStore(out)
    score(
        groups,
        engine,
        scores,
        lambda model: engine.models.load(plan.jobs[model]),
        noise_seed=plan.noise_seed,
        surrogates=plan.surrogates,
    )
    scores.merge(list(plan.jobs))


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
