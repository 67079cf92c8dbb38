"""How fast models of a kind were trained and scored here before: what an estimate is made of.

``<store>/speeds.json`` holds what the last sitting on each device measured; nothing is assumed of a
device, or of a kind of model, that was not measured there.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from pydantic import BaseModel, ConfigDict, NonNegativeFloat, ValidationError

from benchmark.environment import describe
from benchmark.errors import BenchmarkError
from benchmark.timing import PhaseTimes, Spent
from benchmark.training.jobs import TrainJob
from results.errors import ResultError
from results.files import atomic_write, json_text, read_json

SPEEDS = "speeds.json"
STEP, SCORE = "step", "score"


class _File(BaseModel):
    """What the file holds: device -> kind of work -> seconds of a step or score."""

    model_config = ConfigDict(extra="forbid", strict=True)

    devices: dict[str, dict[str, NonNegativeFloat]]


@dataclass(frozen=True)
class Speeds:
    """Seconds of a training step and of a score, by kind of model, on one device.

    Attributes:
        device: The device and its threads.
        seconds: By ``kind_of``.
    """

    device: str
    seconds: Mapping[str, float]

    def of(self, work: str, job: TrainJob) -> float | None:
        """Give the seconds of a step or score of such a model; None: none was measured here."""
        return self.seconds.get(kind_of(work, job))


def kind_of(work: str, job: TrainJob) -> str:
    """Name a kind of model by what its speed depends on.

    Args:
        work: ``STEP`` or ``SCORE``.
        job: A model of the kind; its training set, seed and label do not matter.
    """
    told: list[Any] = [job.detector, job.size, job.options]
    if work == STEP:
        told.append(job.recipe.model_dump(mode="json", exclude={"steps", "evaluate_every"}))
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]
    return f"{work} {job.detector} {job.size} {digest}"


def read_speeds(store: Path, device: torch.device, threads: int | None = None) -> Speeds:
    """Read what was measured on a device.

    Args:
        store: The folder of trained models.
        device: Where it would be computed.
        threads: CPU threads; None: as many as torch has now.

    Raises:
        BenchmarkError: The file is damaged.
    """
    name = _name(device, threads)
    return Speeds(name, _read(store / SPEEDS).devices.get(name, {}))


def keep_speeds(
    store: Path,
    device: torch.device,
    jobs: Mapping[str, TrainJob],
    phases: Mapping[str, PhaseTimes],
    spent: Mapping[tuple[str, str], Spent],
) -> None:
    """Write down what a sitting measured, in place of what was known of the same kinds.

    The wall time of a phase is shared out among its models by the time of their networks, so that
    waiting, decoding and writing are in what a step or score is said to take.

    Args:
        store: The folder of trained models.
        device: Where it was computed.
        jobs: What each model id stands for.
        phases: Times of ``train`` and ``score``, where they took place.
        spent: What each model's networks took, by stage and model id.

    Raises:
        BenchmarkError: The file that is there is damaged.
    """
    found: dict[str, Spent] = {}
    for work, stage, phase in ((STEP, "step", "train"), (SCORE, "forward", "score")):
        own = {model: s for (name, model), s in spent.items() if name == stage and model in jobs}
        whole = sum(each.seconds for each in own.values())
        if phase not in phases or not whole:
            continue
        share = phases[phase].seconds / whole
        for model, each in own.items():
            kind = kind_of(work, jobs[model])
            found[kind] = found.get(kind, Spent()) + Spent(each.seconds * share, each.count)
    measured = {kind: each.seconds / each.count for kind, each in found.items() if each.count}
    if not measured:
        return
    store.mkdir(parents=True, exist_ok=True)
    with FileLock(store / f".{SPEEDS}.lock"):
        path = store / SPEEDS
        devices = _read(path).devices
        name = _name(device)
        devices[name] = devices.get(name, {}) | {k: round(v, 9) for k, v in measured.items()}
        atomic_write(path, json_text(_File(devices=devices).model_dump(), str(path)))


def _name(device: torch.device, threads: int | None = None) -> str:
    """Name a device with what else its speed depends on."""
    number = torch.get_num_threads() if threads is None else threads
    return f"{describe(device)}, {number} thread{'s' if number != 1 else ''}"


def _read(path: Path) -> _File:
    """Read the file; an empty one stands for none."""
    if not path.is_file():
        return _File(devices={})
    try:
        return _File.model_validate(read_json(path))
    except (ResultError, ValidationError) as error:
        raise BenchmarkError(
            f"{path}: holds no speeds of earlier runs ({str(error).splitlines()[0]}); remove it, "
            "and estimates begin anew"
        ) from error
