"""A study carried out: check the data, train what is missing, score it, write the report."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Unpack

import torch

from benchmark.environment import (
    check_precision,
    keep_freed_memory,
    process_rank,
    resolve_device,
)
from benchmark.errors import BenchmarkError
from benchmark.executors import ChosenExecutor, check_executor, read_share
from benchmark.progress import Progress
from benchmark.scoring.own import bound
from benchmark.study.binding import Data
from benchmark.study.checks import check_detectors
from benchmark.study.planning import refuse_nothing
from benchmark.study.resolved import ResolvedStudy, resolve
from benchmark.study.schema import Changes, Study, checked_study, study_of
from benchmark.study.settings import CHECKPOINT_SECONDS, Settings
from benchmark.study.sharing import shared
from benchmark.study.sitting import BATCH_SIZE, Ended, sit
from benchmark.training.distributed import follow
from benchmark.training.engine import Engine
from benchmark.training.store import ModelStore, default_store
from benchmark.training.train import train
from detectors.parts.frozen import FrozenFeatures
from leaderboard.report import PAGE


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
    pixels: Path | str | None = None,
    executor: str = "local",
    precision: str = "float32",
    workers: int | None = None,
    address: str | None = None,
    shard: str | None = None,
    progress: Progress | None = None,
    perturbations: Mapping[str, str] | None = None,
    **changes: Unpack[Changes],
) -> Path:
    """Carry out a study or protocol; called again, it goes on where it stopped.

    Args:
        study: A study, or the name or file of a study or protocol.
        data: The manifest; or manifests by role.
        out: As in ``Settings``, like ``store``, ``device``, ``threads``, ``checkpoint_seconds``,
            ``features``, ``pixels``, ``precision`` and ``progress``.
        store: See ``out``.
        device: See ``out``.
        threads: See ``out``.
        allow_missing: Leave out images that cannot be read, counted, instead of stopping; and roles
            without a manifest, as stated gaps.
        checkpoint_seconds: See ``out``.
        features: See ``out``.
        pixels: See ``out``.
        executor: Name of who does the work: ``local``, ``processes`` or ``ray``.
        precision: See ``out``.
        workers: Processes at work at once, for ``processes``.
        address: Of the cluster, for ``ray``; None: one of this machine alone.
        shard: ``"2/3"``: be the second of three workers, which ends when nothing is left that no
            other is at; None: stay until the run is whole.
        progress: See ``out``.
        perturbations: The user's own functions, ``{"fog": "my.module:fog"}`` for ``own/fog`` of a
            protocol's file (``benchmark.scoring.own.bound``).
        **changes: ``detectors``, ``size``, ``recipe``, ``track``, ``seeds`` and ``train_on`` in
            place of the study's own, and ``allow_code``, the modules of one's own that a study's
            file may name (``benchmark.study.schema.Changes``).

    Returns:
        The page of the report, which is written once, by the worker who is the last one at work.

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
        pixels=Path(pixels) if pixels is not None else None,
        executor=ChosenExecutor(name=executor, workers=workers, address=address),
        precision=precision,
        share=None if shard is None else read_share(shard),
        progress=progress or Progress(),
    )
    check_executor(settings.executor)
    if process_rank() > 0:
        return join(settings)
    with bound(perturbations):
        resolved = resolve(_changed(study, changes), data, allow_missing=allow_missing)
        return carry_out(resolved, settings).page


def carry_out(resolved: ResolvedStudy, settings: Settings) -> Ended:
    """Carry out a resolved study as the first process or the only one.

    Raises:
        BenchmarkError, DetectorError, ResultError: As ``run``.
    """
    make_engine = _engine_maker(settings)
    check_detectors(resolved.study, resolved.recipes)
    refuse_nothing(resolved)
    for note in resolved.notes:
        settings.progress.note(note)
    with shared(settings.out, settings.progress) as folder:
        return sit(resolved, settings, make_engine, folder)


def join(settings: Settings) -> Path:
    """Train with the first process until it has no more to train, as one of the others."""
    follow(resolve_device(settings.device), _engine_maker(settings), train)
    return settings.out / PAGE


def _engine_maker(settings: Settings) -> "partial[Engine]":
    """Prepare the process, and all of an engine but ``source`` and ``progress``."""
    check_precision(settings.precision)
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
        precision=settings.precision,
        features=None if settings.features is None else FrozenFeatures(settings.features),
    )


def _changed(study: Study | str, changes: Changes) -> Study:
    """Give the study with what the caller wants different in it."""
    if isinstance(study, str):
        return study_of(study, **changes)
    if any(changes.values()):
        raise BenchmarkError(
            "a Study object states its own detectors, size, recipe, track and seeds"
        )
    return checked_study(study)
