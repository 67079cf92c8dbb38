"""The one trainer: by gradient (on accelerate), as an estimator, or not at all, by the card."""

import time
from contextlib import nullcontext

from benchmark.environment import (
    EnergyMeter,
    describe,
    host,
    one_thread,
    process_count,
    process_rank,
    source,
    versions,
)
from benchmark.errors import BenchmarkError, ModelGapError
from benchmark.progress import Progress
from benchmark.timing import timed
from benchmark.training.batches import TrainingData
from benchmark.training.engine import Engine
from benchmark.training.gradient import GradientTraining, TrainingOutcome, validation_auc
from benchmark.training.identity import fresh_detector, tensor_hash
from benchmark.training.jobs import TrainJob
from benchmark.training.optim import make_accelerator
from detectors.base import Detector
from detectors.catalog import detector_class, is_of_catalog, trained_of
from detectors.weights import not_finite
from protocols.gaps import ScoreOutOfRange, WeightsNotFinite
from protocols.sets import ELSEWHERE, TRAINED_ELSEWHERE
from results.schema import SCHEMA, CardFacts, ModelFacts


def train(job: TrainJob, engine: Engine) -> ModelFacts:
    """Train one model and put it in the store; a training under way there is resumed.

    Of several processes each calls it with the same job; the first one writes. On a CPU it is
    trained on one thread, so that a model does not depend on how many there are.

    Raises:
        ModelGapError: Its loss, a validation score or its weights are not finite.
        BenchmarkError: The precision is not to be had on the device, a batch does not fall into
            equal parts, or the detector begins otherwise than planned.
        DetectorError: The detector cannot be built or trained.
    """
    with one_thread() if engine.device.type == "cpu" else nullcontext():
        return _train(job, engine)


def _train(job: TrainJob, engine: Engine) -> ModelFacts:
    """Do what ``train`` does on the threads that there are."""
    started, meter = time.monotonic(), EnergyMeter(engine.device)
    elsewhere = job.training is TRAINED_ELSEWHERE
    fit = "none" if elsewhere else detector_class(job.detector).card.fit
    # Before anything is put on a device: accelerate gives each process its own.
    accelerator = make_accelerator(job.recipe, engine.device) if fit == "gradient" else None
    detector = _begun(job).to(engine.device)
    data = TrainingData(
        job,
        engine.source,
        detector,
        batch_size=engine.batch_size,
        workers=engine.load_workers,
    )
    if accelerator is not None:
        outcome = GradientTraining(job, detector, data, engine, accelerator).run()
    elif fit == "estimator":
        outcome = _fit_estimator(job, detector, data, engine.progress)
    else:
        outcome = TrainingOutcome(stopped=ELSEWHERE if elsewhere else "nothing to train")
    if (tensor := not_finite(detector)) is not None:
        raise ModelGapError(job.title, WeightsNotFinite(tensor=tensor))
    detector.trained.fill_(True)
    facts = _facts(job, detector, data, outcome)
    if process_rank() == 0:
        with timed("write"):
            engine.models.add(detector, facts, _told(engine, started, meter))
    return facts


def _begun(job: TrainJob) -> Detector:
    """Build the detector of a job; refuse one that begins otherwise than its id says."""
    detector = fresh_detector(
        job.detector, job.options, size=job.size, taxa=job.taxa, seed=job.seed
    )
    if job.tensors is not None and tensor_hash(detector) != job.tensors:
        raise BenchmarkError(
            f"{job.title}: it begins with other tensors than when it was planned: a file that it "
            "reads was replaced meanwhile (then run again), or its constructor draws random "
            "numbers that torch.manual_seed does not set"
        )
    return detector


def _told(engine: Engine, started: float, meter: EnergyMeter) -> dict[str, str | float]:
    """Give what depends on clock and host."""
    joules = meter.joules()
    energy = {} if joules is None else {"energy_joules_last_sitting": joules}
    return {
        **host(),
        **versions(),
        **source(),
        **energy,
        "device": describe(engine.device),
        "processes": process_count(),
        "seconds_last_sitting": round(time.monotonic() - started, 3),
    }


def _fit_estimator(
    job: TrainJob, detector: Detector, data: TrainingData, progress: Progress
) -> TrainingOutcome:
    """Fit in one call and measure once."""
    progress.job(job.title, 1, models=[job.id])
    with timed("step", job.id, 1):
        figures = detector.fit(data.chunks(data.train), data.chunks(data.val))
    measured = validation_auc(detector, data, step=1)
    if isinstance(measured, ScoreOutOfRange):
        raise ModelGapError(job.title, measured)
    progress.advance(1, val_auc=measured)
    progress.finish()
    row = {"step": 1.0, **figures, "val_auc": measured}
    return TrainingOutcome(
        step=1, epochs=1.0, best_step=1, val_auc=measured, stopped="fitted", history=[row]
    )


def _class_name(name: str, detector: Detector) -> str:
    """Name the kind of a detector without the place that it was loaded from."""
    trained = trained_of(name)
    return name if trained is None else trained.detector or detector.card.name


def _facts(
    job: TrainJob, detector: Detector, data: TrainingData, outcome: TrainingOutcome
) -> ModelFacts:
    """Collect what a record and a table say of the model."""
    counts = [p.numel() for p in detector.parameters()]
    trained = [p.numel() for p in detector.parameters() if p.requires_grad]
    elsewhere = job.training is TRAINED_ELSEWHERE
    fit = "none" if elsewhere else detector.card.fit
    by_gradient = fit == "gradient"
    return ModelFacts(
        schema=SCHEMA,
        id=job.id,
        detector=_class_name(job.detector, detector),
        # A check of the benchmark goes by no other name: its row is not to be taken for a detector.
        title=detector.card.title
        if job.label == job.detector or detector.card.sanity
        else job.label,
        fit=fit,
        size=detector.size if elsewhere else job.size,
        init=f"weights:{tensor_hash(detector)[:12]}" if elsewhere else detector.init,
        options=dict(job.options),
        parameters=sum(counts),
        trainable=sum(trained),
        track=job.track,
        recipe=job.recipe.name if by_gradient else "none",
        recipe_values=job.recipe.model_dump(mode="json") if by_gradient else {},
        seed=job.seed,
        training=job.training.name,
        reals=job.training.statement,
        pretraining=detector.card.pretraining,
        card=CardFacts(**{name: getattr(detector.card, name) for name in CardFacts.model_fields}),
        catalog=is_of_catalog(type(detector)),
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
