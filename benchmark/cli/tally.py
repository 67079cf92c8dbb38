"""How far a study is and how long it still takes, by what it was told and took so far."""

import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.progress import ModelWork, Progress


@dataclass(frozen=True)
class Left:
    """How long a study still takes.

    Attributes:
        seconds: Of what can be estimated.
        is_whole: Whether that is all; if not, it takes longer.
    """

    seconds: float
    is_whole: bool

    def __str__(self) -> str:
        return f"{'about' if self.is_whole else 'more than'} {duration(self.seconds)} left"


class Tally(Progress):
    """Counts what is done of a study.

    Attributes:
        work: What was left to do when it began, by id of the model.
        trained: Models that were trained since.
        scores: Scores that were computed since.
        cells: Cells that have all their scores since.
    """

    def __init__(self) -> None:
        """Count from 0."""
        self.work: Mapping[str, ModelWork] = {}
        self.trained, self.scores, self.cells = 0, 0, 0
        self._phase, self._models = "", tuple[str, ...]()
        self._steps: Counter[str] = Counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)  # by phase
        self._model_seconds: defaultdict[str, float] = defaultdict(float)  # in training
        self._trained: set[str] = set()
        self._together: tuple[int, int] | None = None  # models done and in all, of one job
        self._last = 0.0

    def study(self, work: Mapping[str, ModelWork]) -> None:
        """Begin to count."""
        self.work = work

    def phase(self, name: str, jobs: int) -> None:
        """Note the phase."""
        self._phase = name

    def job(self, title: str, total: int, done: int = 0, models: Sequence[str] = ()) -> None:
        """Note the models; steps that were taken in an earlier sitting are done."""
        self._models, self._last = tuple(models), time.monotonic()
        self._together = None
        if self._phase == "train" and len(models) > 1:  # several at a time: the job counts models
            self._together = (done, total)
        elif self._phase == "train":
            for model in models:
                self._steps[model] = done

    def advance(self, amount: int = 1, **values: float) -> None:
        """Count steps or scores and their time."""
        now = time.monotonic()
        took, self._last = now - self._last, now
        self._seconds[self._phase] += took
        if self._together is not None:
            self.trained += amount
            self._together = (self._together[0] + amount, self._together[1])
        elif self._phase == "train":
            for model in self._models:
                self._steps[model] += amount
                self._model_seconds[model] += took
        elif self._phase == "score":
            self.scores += amount

    def finish(self) -> None:
        """Count what the job has finished."""
        if self._phase == "train":
            self.trained += 0 if self._together is not None else len(self._models)
            self._trained |= set(self._models)
            self._together = None
        elif self._phase == "score":
            self.cells += sum(
                self.work[model].cells for model in self._models if model in self.work
            )
        self._models = ()

    @property
    def left(self) -> Left:
        """How long the rest takes: by this study's own pace, else by that of earlier ones."""
        parts = [*self._training_left(), self._scoring_left()]
        known = [part for part in parts if part is not None]
        return Left(sum(known), is_whole=len(known) == len(parts))

    def _training_left(self) -> list[float | None]:
        """Give the seconds that each training still takes; None where nothing is known."""
        if self._phase == "score":
            return []
        if self._together is not None:
            done, total = self._together
            return [(total - done) * self._seconds["train"] / done if done else None]
        steps = sum(self._steps[model] for model in self._model_seconds)
        pace = self._seconds["train"] / steps if steps and self._seconds["train"] else None
        found: list[float | None] = []
        for model, work in self.work.items():
            todo = work.steps - self._steps[model]
            if todo <= 0 or model in self._trained:
                continue
            own = self._own_pace(model)
            speed = next((p for p in (own, work.step_seconds, pace) if p is not None), None)
            found.append(None if speed is None else todo * speed)
        return found

    def _own_pace(self, model: str) -> float | None:
        """Give the seconds of a step of the training under way."""
        took = self._model_seconds.get(model)
        return took / self._steps[model] if took and self._steps[model] else None

    def _scoring_left(self) -> float | None:
        """Give the seconds that scoring still takes; None where nothing is known."""
        todo = sum(work.scores for work in self.work.values()) - self.scores
        if todo <= 0:
            return 0.0
        if self.scores and self._seconds["score"]:
            return todo * self._seconds["score"] / self.scores
        found = 0.0
        for work in self.work.values():
            if work.scores and work.score_seconds is None:
                return None
            found += work.scores * (work.score_seconds or 0.0)
        return found

    @property
    def counts(self) -> dict[str, tuple[int, int]]:
        """What is done and what there is in all, since the study began or went on."""
        works = self.work.values()
        return {
            "models": (self.trained, sum(work.steps > 0 for work in works)),
            "scores": (self.scores, sum(work.scores for work in works)),
            "cells": (self.cells, sum(work.cells for work in works)),
        }

    @property
    def line(self) -> str:
        """Say it in a line: models, cells, scores, time left, memory."""
        told = [
            f"{done:,} of {total:,} {name}" for name, (done, total) in self.counts.items() if total
        ]
        memory = f"{memory_bytes() / 1e9:.1f} GB"
        return ", ".join([*told, str(self.left), memory])


def duration(seconds: float) -> str:
    """Write a time as a reader takes it in: 40 s, 12 min, 3.5 h, 2.1 days."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 36 * 3600 else f"{seconds / 86400:.1f} days"


def memory_bytes() -> int:
    """Give the memory that this process holds now, and that of its tensors on a graphics card."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    held = pages * os.sysconf("SC_PAGE_SIZE")
    torch = sys.modules.get("torch")  # not loaded for this
    if torch is not None and torch.cuda.is_initialized():
        held += torch.cuda.memory_allocated()
    return held
