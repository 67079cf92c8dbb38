"""Training by gradient: steps, measurement, selection, early stop and exact resume."""

import json
import math
import shutil
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import Tensor

from benchmark.data.loader import Rows
from benchmark.environment import is_out_of_memory
from benchmark.errors import BenchmarkError, ModelGapError
from benchmark.stopping import finishing, is_told, stop_if_told
from benchmark.timing import timed
from benchmark.training.augmentation import only_mirrors
from benchmark.training.batches import Batches, TrainingData
from benchmark.training.checksums import broken, write_checksums
from benchmark.training.engine import Engine
from benchmark.training.jobs import TrainJob
from benchmark.training.optim import (
    GRADIENT_IMAGES,
    Step,
    compile_step,
    make_average,
    make_optimizer,
    make_scheduler,
    measured_gradients,
    measured_state,
)
from benchmark.training.sampling import BatchOrder, derive
from detectors.base import Batch, Detector
from detectors.parts.frozen import frozen_features
from detectors.weights import writing
from protocols.gaps import LossNotFinite, ScoreOutOfRange
from results.files import atomic_write
from results.metrics.functions import auc
from results.store import MOST_LOGIT, plausible

_STATE = "progress.json"
_BEST, _AVERAGE = "best.pt", "average.pt"
ALIKE = 0.9  # largest cosine between different prompts above which language is said to be lost


@dataclass
class TrainingOutcome:
    """How a training went; also what a stopped one goes on from."""

    step: int = 0
    epochs: float = 0.0
    best_step: int = 0
    val_auc: float | None = None
    worse: int = 0
    stopped: str = ""
    history: list[dict[str, float]] = field(default_factory=list)


class GradientTraining:
    """Optimiser steps with measurement, selection, early stop and exact resume.

    A batch is cut into equal parts: ``accumulate`` of them for every process. Each image of a part
    is ``parts`` places from the next, so that balanced batches have balanced parts, and one process
    with two parts computes what two processes compute.
    """

    def __init__(
        self,
        job: TrainJob,
        detector: Detector,
        data: TrainingData,
        engine: Engine,
        accelerator: Accelerator,
    ) -> None:
        """Prepare a training; the detector is trained in place.

        Args:
            job: What is trained.
            detector: On the engine's device.
            data: Its batches.
            engine: The store of models and whom to tell.
            accelerator: From ``make_accelerator``.

        Raises:
            BenchmarkError: The detector could tell the class by the place in the batch.
        """
        if detector.card.batch_dependent is not None and job.recipe.balanced:
            raise BenchmarkError(
                f"{job.title}: its scores depend on the place in the batch, and balanced batches "
                f"hold the real images first: use a recipe with balanced: false, not "
                f"'{job.recipe.name}'"
            )
        self._job, self._recipe = job, job.recipe
        self._detector, self._data, self._accelerator = detector, data, accelerator
        self._folder = engine.models.resume_folder(job.id)
        self._features = engine.features_of(detector)
        # What is turned, blurred or compressed at random is seen once.
        self._seen_again = only_mirrors(job.recipe.augmentation)
        self._checkpoint_seconds = engine.checkpoint_seconds
        self._progress = engine.progress
        self._state = TrainingOutcome()
        self._best: dict[str, Tensor] = {}
        self._warned = False
        self._parts = self._recipe.accumulate * accelerator.num_processes
        self._order = BatchOrder(
            data.of_class(data.train, fake=False),
            data.of_class(data.train, fake=True),
            batch_size=self._recipe.batch_size,
            balanced=self._recipe.balanced,
            seed=job.seed,
        )
        if self._recipe.channels_last:
            detector.to(memory_format=torch.channels_last)
        step, optimizer = Step(detector), make_optimizer(self._recipe, detector)
        compile_step(self._recipe, step)
        self._average = make_average(self._recipe, detector)
        schedule = make_scheduler(self._recipe, optimizer)
        self._step, self._optimizer, self._schedule = accelerator.prepare(step, optimizer, schedule)

    def run(self) -> TrainingOutcome:
        """Train until the steps are used up or the validation AUC no longer rises."""
        self._resume()
        state, recipe = self._state, self._recipe
        self._progress.job(self._job.title, recipe.steps, state.step, [self._job.id])
        saved = time.monotonic()
        with closing(self.batches()) as batches, self._finishing():
            while not state.stopped:
                with timed("step", self._job.id, 1):
                    losses = self._fitting_step(batches)
                state.step += 1
                if state.step % recipe.evaluate_every and state.step < recipe.steps:
                    self._progress.advance(1, loss=losses["total"])
                    self._save_if_told()
                    continue
                self._measure(losses)
                self._progress.advance(1, loss=losses["total"], val_auc=state.val_auc or 0.0)
                due = time.monotonic() - saved >= self._checkpoint_seconds
                if self._agreed(not state.stopped and due):
                    with timed("write"):
                        self._save()
                    saved = time.monotonic()
                self._save_if_told()
        self._detector.load_state_dict(self._best)
        self._detector.to(memory_format=torch.contiguous_format)
        state.epochs = round(self._order.epochs(state.step), 3)
        self._accelerator.free_memory()
        self._progress.finish()
        return state

    def _finishing(self) -> AbstractContextManager[None]:
        """Take a step to its end where it is told to stop; several processes stop at once."""
        alone = self._accelerator.num_processes == 1
        return finishing(self._progress.note) if alone else nullcontext()

    def _save_if_told(self) -> None:
        """Save the state and stop, where it is told to; a training that has ended is kept whole."""
        if is_told() and not self._state.stopped:
            if not self._state_folder.is_dir():  # it may have been due just now
                with timed("write"):
                    self._save()
            stop_if_told()

    def batches(self) -> Batches:
        """Give every part of a batch that this process will compute, loaded ahead."""
        return self._data.training(self._coming(), self._recipe, seed=self._job.seed)

    def _coming(self) -> Iterator[tuple[int, Rows]]:
        """Give the step and the rows of those parts."""
        for step in range(self._state.step, self._recipe.steps):
            rows = self._order.batch(step)
            for part in self._own_parts():
                yield step, rows[part :: self._parts]

    def _own_parts(self) -> range:
        """Which parts of a batch are this process's."""
        return range(self._accelerator.process_index, self._parts, self._accelerator.num_processes)

    def _fitting_step(self, batches: Batches) -> dict[str, float]:
        """Take a step; smaller parts would be another training, so that is left to the user."""
        try:
            return self.one_step(batches)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            images = self._recipe.batch_size // self._parts
            raise BenchmarkError(
                f"{self._job.title}: {images} images at once do not fit into the memory of "
                f"{self._detector.device}: free some of it, take another --device, or a recipe "
                f"with a smaller batch_size or more than {self._recipe.accumulate} as accumulate; "
                "saved steps stay"
            ) from error

    def one_step(self, batches: Batches) -> dict[str, float]:
        """Take one optimiser step; give its losses, averaged over the parts."""
        self._step.train()
        self._optimizer.zero_grad()
        found: list[dict[str, Tensor]] = []
        for part in self._own_parts():
            losses = self._losses(next(batches), part)
            is_last = part + self._accelerator.num_processes >= self._parts
            whole = nullcontext() if is_last else self._accelerator.no_sync(self._step)
            with whole:
                self._accelerator.backward(losses["total"] / self._recipe.accumulate)
            # Copies: what a recorded step gave is overwritten by the next.
            found.append({name: loss.detach().float().clone() for name, loss in losses.items()})
        if self._recipe.clip is not None:
            self._accelerator.clip_grad_norm_(self._step.parameters(), self._recipe.clip)
        self._optimizer.step()
        self._schedule.step()
        if self._average is not None:
            self._average.update_parameters(self._detector)
        return self._figures(found)

    def _losses(self, batch: Batch, part: int) -> dict[str, Tensor]:
        """Compute the losses of one part of the step's images."""
        seed, step = self._job.seed, self._state.step
        # The first part's seed has no number, so that whole batches keep theirs.
        torch.manual_seed(derive(seed, "dropout", step, *([part] if part else [])))
        kept = self._features if self._seen_again else None
        with self._accelerator.autocast(), frozen_features(kept):
            return cast(dict[str, Tensor], self._step(batch))

    def _figures(self, found: list[dict[str, Tensor]]) -> dict[str, float]:
        """Bring the losses of all parts together: the one time in a step to wait for the device.

        Raises:
            ModelGapError: The loss is not finite.
        """
        means = torch.stack([torch.stack(list(losses.values())) for losses in found]).mean(dim=0)
        reduced = self._accelerator.reduce(means, reduction="mean").tolist()
        values: dict[str, float] = dict(zip(found[0], reduced, strict=True))
        if not math.isfinite(values["total"]):
            gap = LossNotFinite(value=values["total"], step=self._state.step + 1)
            raise ModelGapError(self._job.title, gap)
        return values

    def _measure(self, losses: dict[str, float]) -> None:
        """Measure validation AUC and gradients, keep the best weights, decide whether to stop.

        Raises:
            ModelGapError: A validation image has no usable score.
        """
        state = self._state
        measured = self._agreed(self._validate() if self._accelerator.is_main_process else 0.0)
        if isinstance(measured, ScoreOutOfRange):  # every process leaves, none waits for another
            raise ModelGapError(self._job.title, measured)
        has_parts = len(losses) > 2 and self._accelerator.is_main_process
        pulls = self._agreed(self._pulls() if has_parts else {})
        state.history.append({"step": state.step, **losses, **pulls, "val_auc": measured})
        if state.val_auc is None or measured > state.val_auc:
            state.val_auc, state.best_step, state.worse = measured, state.step, 0
            weights = self._measured.state_dict()
            self._best = {name: t.detach().cpu().clone() for name, t in weights.items()}
        else:
            state.worse += 1
        if state.step >= self._recipe.steps:
            state.stopped = "all steps taken"
        elif self._recipe.patience is not None and state.worse >= self._recipe.patience:
            state.stopped = f"validation AUC not better in {state.worse} measurements"

    def _pulls(self) -> dict[str, float]:
        """Measure how each part of the loss pulls on some images of the first batch.

        The same images at every step, so that what changes is the weights; a norm that half
        precision cannot hold is left out.
        """
        rows = self._order.batch(0)
        rows = rows[:: -(-len(rows) // GRADIENT_IMAGES)]
        seed = self._job.seed
        (batch,) = self._data.training([(0, rows)], self._recipe, seed=seed)
        self._step.train()
        with self._accelerator.autocast():
            found = measured_gradients(self._detector, batch, seed=derive(seed, "gradient norms"))
            found |= measured_state(self._detector, batch)
        self._warn(found)
        return {name: norm for name, norm in found.items() if math.isfinite(norm)}

    def _warn(self, found: dict[str, float]) -> None:
        """Say once that texts say the same."""
        cosine = found.get("state_cosine_max", 0.0)
        if cosine > ALIKE and not self._warned:
            self._warned = True
            self._progress.note(
                f"{self._job.title}: at step {self._state.step} two different prompts have a "
                f"cosine of {cosine:.2f}: language says little more than the class"
            )

    @property
    def _measured(self) -> Detector:
        """The weights that are measured and kept: the running mean, if there is one."""
        return self._detector if self._average is None else cast(Detector, self._average.module)

    def _validate(self) -> float | ScoreOutOfRange:
        """Measure the validation AUC in this process, or say which image it cannot be of."""
        with frozen_features(self._features):
            return validation_auc(self._measured, self._data, self._state.step)

    def _agreed(self, value: Any) -> Any:
        """Give every process the first one's value."""
        if self._accelerator.num_processes == 1:
            return value
        return broadcast_object_list([value])[0]

    @property
    def _state_folder(self) -> Path:
        """Where the state after this step is saved."""
        return self._folder / f"step-{self._state.step:09d}"

    def _save(self) -> None:
        """Save the state beside the older one, then drop that."""
        target = self._state_folder
        draft = self._folder / f".{target.name}.draft"
        if self._accelerator.is_main_process:
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(parents=True)
        self._accelerator.wait_for_everyone()
        with writing(draft):
            self._accelerator.save_state(str(draft / "accelerate"))
        self._accelerator.wait_for_everyone()  # each process has written its random state
        if self._accelerator.is_main_process:
            with writing(draft):
                torch.save(self._best, draft / _BEST)
                if self._average is not None:
                    # Not by accelerate, which would unpickle it, and so run what a store holds.
                    torch.save(self._average.state_dict(), draft / _AVERAGE)
            atomic_write(draft / _STATE, json.dumps(asdict(self._state)))
            write_checksums(draft)
            draft.rename(target)
            for older in self._folder.glob("step-*"):
                if older != target:
                    shutil.rmtree(older)

    def _resume(self) -> None:
        """Go on from the newest saved state, if there is one; a damaged one is named and dropped.

        Raises:
            BenchmarkError: It holds more than tensors, which is not read: it could run code.
        """
        found = max((path.name for path in self._folder.glob("step-*")), default=None)
        newest = self._agreed(found)
        if newest is None:
            return
        state = self._folder / newest
        damage = self._agreed(broken(state) if self._accelerator.is_main_process else None)
        if damage is not None:
            self._progress.note(f"{self._job.title}: {damage}, so the training begins anew")
            if self._accelerator.is_main_process:
                shutil.rmtree(state)
            return
        try:
            self._accelerator.load_state(str(state / "accelerate"))
            self._best = torch.load(state / _BEST, weights_only=True)
            if self._average is not None:
                self._average.load_state_dict(torch.load(state / _AVERAGE, weights_only=True))
        except UnpicklingError as error:
            raise BenchmarkError(
                f"{state}: holds more than the state of a training, which is not read, since it "
                "can run code: remove it, and the training begins anew"
            ) from error
        raw = json.loads((state / _STATE).read_text(encoding="utf-8"))
        self._state = TrainingOutcome(**raw)
        self._progress.note(f"{self._job.title}: going on from step {self._state.step}")


def validation_auc(detector: Detector, data: TrainingData, step: int) -> float | ScoreOutOfRange:
    """Measure the AUC on the validation images, or say which of them has no usable score."""
    scores = logits(detector, data, data.val)
    good = plausible(scores)
    if not good.all():
        at = int(good.argmin())
        return ScoreOutOfRange(
            value=float(scores[at]),
            most=MOST_LOGIT,
            sample=data.name(int(data.val[at])),
            under=f"validation at step {step}",
        )
    return auc(data.labels[data.val].astype(np.int64), scores)


def logits(detector: Detector, data: TrainingData, rows: Rows) -> npt.NDArray[np.float32]:
    """Give float32 logits of ``rows`` in evaluation mode; the device is waited for at the end."""
    detector.eval()
    with torch.inference_mode(), timed("forward", count=len(rows)):
        parts = [
            detector.answer(batch.inputs, batch.known_to(detector.card)).float()
            for batch in data.chunks(rows)
        ]
        found: npt.NDArray[np.float32] = torch.cat(parts).cpu().numpy()
    return found
