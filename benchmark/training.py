"""The one trainer: by gradient (on accelerate), as an estimator, or not at all, by the card."""

import json
import math
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor, nn
from torch.optim import Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from benchmark.data.source import ImageSource
from benchmark.engine import Engine
from benchmark.environment import describe, host, versions
from benchmark.errors import BenchmarkError
from benchmark.models import TrainJob
from benchmark.progress import Progress
from benchmark.recipe import Recipe
from benchmark.sampling import BatchOrder, Rows, derive
from detectors.base import Batch, Detector
from detectors.catalog import create_detector
from protocols.samples import TAXONOMY
from results.files import atomic_write
from results.metrics import auc
from results.schema import ModelFacts

_STATE = "progress.json"
_BEST = "best.pt"


def train(job: TrainJob, engine: Engine) -> ModelFacts:
    """Train one model and put it in the store; a training under way there is resumed.

    Raises:
        BenchmarkError: The loss is not finite, or the precision is not to be had on the device.
        DetectorError: The detector cannot be built or trained.
    """
    started = time.monotonic()
    torch.manual_seed(derive(job.seed, "init"))
    options = {**job.options, "taxa": [list(taxon) for taxon in job.taxa]}
    detector = create_detector(job.detector, size=job.size, **options).to(engine.device)
    data = TrainingData(job, engine.source, detector, engine.batch_size)
    if detector.card.fit == "gradient":
        outcome = _GradientTraining(job, detector, data, engine).run()
    elif detector.card.fit == "estimator":
        outcome = _fit_estimator(job, detector, data, engine.progress)
    else:
        outcome = _Outcome(stopped="nothing to train")
    detector.trained.fill_(True)
    facts = _facts(job, detector, data, outcome)
    seconds = round(time.monotonic() - started, 3)
    device = describe(engine.device)
    told = {**host(), **versions(), "device": device, "seconds_last_sitting": seconds}
    engine.models.add(detector, facts, told)
    return facts


@dataclass
class _Outcome:
    """How a training went; also what a stopped one goes on from."""

    step: int = 0
    epochs: float = 0.0
    best_step: int = 0
    val_auc: float | None = None
    worse: int = 0
    stopped: str = ""
    history: list[dict[str, float]] = field(default_factory=list)


class TrainingData:
    """Batches of a training set's images, prepared for one detector."""

    def __init__(
        self, job: TrainJob, source: ImageSource, detector: Detector, batch_size: int
    ) -> None:
        """Select the rows; images are decoded when a batch asks for them."""
        self._source, self._detector, self._batch_size = source, detector, batch_size
        samples = source.samples
        self.labels = (samples["label"] == "fake").to_numpy()
        index = {taxon: position for position, taxon in enumerate(job.taxa)}
        rows = np.union1d(job.training.rows, job.training.val)
        kinds = samples.iloc[rows][list(TAXONOMY)].itertuples(index=False, name=None)
        # Validation images may be of a kind that training has not, a second real source say.
        self._taxa = {row: index.get(kind, -1) for row, kind in zip(rows, kinds, strict=True)}
        self.train, self.val = job.training.rows, job.training.val
        self._ids = samples["sample_id"].to_numpy()

    def of_class(self, rows: Rows, *, fake: bool) -> Rows:
        """Keep the rows of one class."""
        chosen: Rows = rows[self.labels[rows] == fake]
        return chosen

    def batch(self, rows: Rows, flips: Sequence[bool] | None = None) -> Batch:
        """Put the images at ``rows`` on the detector's device."""
        images = [self._source.prepared(int(row), self._detector.transform) for row in rows]
        if flips is not None:
            pairs = zip(images, flips, strict=True)
            images = [image.flip(-1) if flip else image for image, flip in pairs]
        device = self._detector.device
        return Batch(
            inputs=torch.stack(images).to(device),
            labels=torch.from_numpy(self.labels[rows].astype(np.float32)).to(device),
            taxa=torch.tensor([self._taxa[row] for row in rows], device=device),
        )

    def chunks(self, rows: Rows) -> Iterator[Batch]:
        """Give all ``rows`` in order."""
        for start in range(0, len(rows), self._batch_size):
            yield self.batch(rows[start : start + self._batch_size])

    def flips(self, rows: Rows, probability: float, seed: int, step: int) -> list[bool]:
        """Decide which images are mirrored, each by (seed, step, sample id)."""
        scale = float(1 << 63)
        return [derive(seed, "flip", step, self._ids[row]) / scale < probability for row in rows]


class _Step(nn.Module):
    """The loss as a forward pass, which is what accelerate wraps for several processes."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Give the training losses."""
        return self.detector.loss(batch)


class _GradientTraining:
    """Optimiser steps with measurement, selection, early stop and exact resume."""

    def __init__(
        self,
        job: TrainJob,
        detector: Detector,
        data: TrainingData,
        engine: Engine,
    ) -> None:
        self._job, self._recipe = job, job.recipe
        self._detector, self._data = detector, data
        self._folder = engine.models.resume_folder(job.id)
        self._checkpoint_seconds = engine.checkpoint_seconds
        self._progress = engine.progress
        self._state = _Outcome()
        self._best: dict[str, Tensor] = {}
        self._order = BatchOrder(
            data.of_class(data.train, fake=False),
            data.of_class(data.train, fake=True),
            batch_size=self._recipe.batch_size,
            balanced=self._recipe.balanced,
            seed=job.seed,
        )
        self._accelerator = _accelerator(self._recipe, detector.device)
        trained = [p for p in detector.parameters() if p.requires_grad]
        optimizer = _optimizer(self._recipe, trained)
        schedule = LambdaLR(optimizer, _schedule(self._recipe))
        self._step, self._optimizer, self._schedule = self._accelerator.prepare(
            _Step(detector), optimizer, schedule
        )

    def run(self) -> _Outcome:
        """Train until the steps are used up or the validation AUC no longer rises."""
        self._resume()
        state, recipe = self._state, self._recipe
        self._progress.job(self._job.title, recipe.steps, state.step)
        saved = time.monotonic()
        while not state.stopped:
            losses = self._one_step(state.step)
            state.step += 1
            if state.step % recipe.evaluate_every and state.step < recipe.steps:
                self._progress.advance(1, loss=losses["total"])
                continue
            self._measure(losses)
            self._progress.advance(1, loss=losses["total"], val_auc=state.val_auc or 0.0)
            if not state.stopped and time.monotonic() - saved >= self._checkpoint_seconds:
                self._save()
                saved = time.monotonic()
        self._detector.load_state_dict(self._best)
        state.epochs = round(self._order.epochs(state.step), 3)
        self._accelerator.free_memory()
        self._progress.finish()
        return state

    def _one_step(self, step: int) -> dict[str, float]:
        """Take one optimiser step; give its losses."""
        seed = self._job.seed
        rows = self._order.batch(step)
        flips = self._data.flips(rows, self._recipe.augmentation.flip, seed, step)
        self._step.train()
        torch.manual_seed(derive(seed, "dropout", step))
        with self._accelerator.autocast():
            losses = self._step(self._data.batch(rows, flips))
        values = {name: float(loss.detach()) for name, loss in losses.items()}
        if not math.isfinite(values["total"]):
            raise BenchmarkError(
                f"{self._job.title}: the loss is {values['total']} at step {step + 1}; lower the "
                "recipe's lr or use precision fp32"
            )
        self._optimizer.zero_grad()
        self._accelerator.backward(losses["total"])
        self._accelerator.clip_grad_norm_(self._step.parameters(), self._recipe.clip)
        self._optimizer.step()
        self._schedule.step()
        return values

    def _measure(self, losses: dict[str, float]) -> None:
        """Measure the validation AUC, keep the best weights, decide whether to stop."""
        state = self._state
        scores = _logits(self._detector, self._data, self._data.val)
        measured = auc(self._data.labels[self._data.val].astype(np.int64), scores)
        state.history.append({"step": state.step, **losses, "val_auc": measured})
        if state.val_auc is None or measured > state.val_auc:
            state.val_auc, state.best_step, state.worse = measured, state.step, 0
            weights = self._detector.state_dict()
            self._best = {name: t.detach().cpu().clone() for name, t in weights.items()}
        else:
            state.worse += 1
        if state.step >= self._recipe.steps:
            state.stopped = "all steps taken"
        elif self._recipe.patience is not None and state.worse >= self._recipe.patience:
            state.stopped = f"validation AUC not better in {state.worse} measurements"

    def _save(self) -> None:
        """Save the state beside the older one, then drop that."""
        target = self._folder / f"step-{self._state.step:09d}"
        draft = self._folder / f".{target.name}.draft"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        self._accelerator.save_state(str(draft / "accelerate"))
        torch.save(self._best, draft / _BEST)
        atomic_write(draft / _STATE, json.dumps(asdict(self._state)))
        draft.rename(target)
        for older in self._folder.glob("step-*"):
            if older != target:
                shutil.rmtree(older)

    def _resume(self) -> None:
        """Go on from the newest saved state, if there is one."""
        states = sorted(self._folder.glob("step-*"))
        if not states:
            return
        self._accelerator.load_state(str(states[-1] / "accelerate"))
        self._best = torch.load(states[-1] / _BEST, weights_only=True)
        raw = json.loads((states[-1] / _STATE).read_text(encoding="utf-8"))
        self._state = _Outcome(**raw)
        self._progress.note(f"{self._job.title}: going on from step {self._state.step}")


def _accelerator(recipe: Recipe, device: torch.device) -> Accelerator:
    """Set accelerate up for a recipe.

    Raises:
        BenchmarkError: fp16 on a CPU, which changes nothing and says nothing.
    """
    if recipe.precision == "fp16" and device.type == "cpu":
        raise BenchmarkError(
            f"recipe '{recipe.name}' asks for fp16, which a CPU does not have: use fp32 or bf16"
        )
    # One process trains models of different recipes, so the shared state starts afresh.
    AcceleratorState._reset_state(reset_partial_state=True)
    precision = "no" if recipe.precision == "fp32" else recipe.precision
    return Accelerator(mixed_precision=precision, cpu=device.type == "cpu")


def _optimizer(recipe: Recipe, parameters: list[nn.Parameter]) -> Optimizer:
    """Build the recipe's optimiser."""
    kinds: dict[str, type[Adam]] = {"adam": Adam, "adamw": AdamW}
    return kinds[recipe.optimizer](parameters, lr=recipe.lr, weight_decay=recipe.weight_decay)


def _schedule(recipe: Recipe) -> Callable[[int], float]:
    """Give the factor on the learning rate as a function of the step."""

    # A plain function: LambdaLR would put a callable object, recipe and all, into its saved state.
    def factor(step: int) -> float:
        warm = min(1.0, (step + 1) / recipe.warmup) if recipe.warmup else 1.0
        if recipe.schedule == "cosine":
            return warm * 0.5 * (1 + math.cos(math.pi * min(1.0, step / recipe.steps)))
        if recipe.schedule == "step" and recipe.decay_every is not None:
            return warm * math.pow(0.1, step // recipe.decay_every)
        return warm

    return factor


def _logits(detector: Detector, data: TrainingData, rows: Rows) -> "np.ndarray[Any, Any]":
    """Give float32 logits of ``rows`` in evaluation mode."""
    detector.eval()
    with torch.inference_mode():
        parts = [detector(batch.inputs).float().cpu() for batch in data.chunks(rows)]
    found: np.ndarray[Any, Any] = torch.cat(parts).numpy()
    return found


def _fit_estimator(
    job: TrainJob, detector: Detector, data: TrainingData, progress: Progress
) -> _Outcome:
    """Fit in one call and measure once."""
    progress.job(job.title, 1)
    figures = detector.fit(data.chunks(data.train), data.chunks(data.val))
    measured = auc(data.labels[data.val].astype(np.int64), _logits(detector, data, data.val))
    progress.advance(1, val_auc=measured)
    progress.finish()
    row = {"step": 1.0, **figures, "val_auc": measured}
    return _Outcome(
        step=1, epochs=1.0, best_step=1, val_auc=measured, stopped="fitted", history=[row]
    )


def _facts(job: TrainJob, detector: Detector, data: TrainingData, outcome: _Outcome) -> ModelFacts:
    """Collect what a record and a table say of the model."""
    counts = [p.numel() for p in detector.parameters()]
    trained = [p.numel() for p in detector.parameters() if p.requires_grad]
    by_gradient = detector.card.fit == "gradient"
    return ModelFacts(
        schema=1,
        id=job.id,
        detector=job.detector,
        title=detector.card.title if job.label == job.detector else job.label,
        fit=detector.card.fit,
        size=job.size,
        init=detector.init,
        options=dict(job.options),
        parameters=sum(counts),
        trainable=sum(trained),
        recipe=job.recipe.name if by_gradient else "none",
        recipe_values=job.recipe.model_dump(mode="json") if by_gradient else {},
        seed=job.seed,
        training=job.training.name,
        reals=job.training.statement,
        n_real=len(data.of_class(data.train, fake=False)),
        n_fake=len(data.of_class(data.train, fake=True)),
        n_val_real=len(data.of_class(data.val, fake=False)),
        n_val_fake=len(data.of_class(data.val, fake=True)),
        steps=outcome.step,
        epochs=outcome.epochs,
        best_step=outcome.best_step,
        val_auc=outcome.val_auc,
        stopped=outcome.stopped,
        history=outcome.history,
    )
