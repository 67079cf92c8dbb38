from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.data.manifest import read_manifest
from benchmark.data.source import ImageSource, Sample
from benchmark.errors import BenchmarkError
from benchmark.progress import Progress
from benchmark.study.samples import verified_samples
from benchmark.training.engine import Engine
from benchmark.training.jobs import Identities, TrainJob, train_job
from benchmark.training.recipe import load_recipe
from benchmark.training.store import ModelStore
from benchmark.training.train import train
from detectors.base import Detector
from detectors.transform import Transform
from protocols.expansion import expand
from protocols.schema import load_protocol
from results.schema import ModelFacts
from tests.small_data import SMALL, write_dataset, write_recipe


class Stopped(BaseException):
    """Stands for a power cut."""


class StopAt(Progress):
    """Stops the process at a step; counts the steps that were taken."""

    def __init__(self, step: int | None = None) -> None:
        self.step, self.taken, self.notes = step, 0, list[str]()

    def advance(self, amount: int = 1, **values: float) -> None:
        self.taken += amount
        if self.taken == self.step:
            raise Stopped

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> ImageSource:
    manifest = read_manifest(write_dataset(tmp_path_factory.mktemp("data")))
    samples = verified_samples({"data": manifest}, allow_missing=False, progress=Progress())
    return ImageSource(samples, {"data": manifest.root})


def make_engine(source: ImageSource, folder: Path, progress: Progress | None = None) -> Engine:
    return Engine(
        source=source,
        models=ModelStore(folder / "store"),
        device=torch.device("cpu"),
        batch_size=16,
        checkpoint_seconds=0,
        progress=progress or Progress(),
    )


def make_job(
    source: ImageSource,
    folder: Path,
    *,
    detector: str = SMALL,
    seed: int = 0,
    training: str = "checker",
    **changes: object,
) -> TrainJob:
    expansion = expand(load_protocol("cross-generator"), source.samples)
    chosen = next(t for t in expansion.training_sets if t.name == training)
    return train_job(
        label=detector,
        detector=detector,
        options={},
        size="tiny",
        recipe=load_recipe(write_recipe(folder, **changes)),
        seed=seed,
        training=chosen,
        identities=Identities(source.samples),
    )


def trained(source: ImageSource, folder: Path, **changes: object) -> tuple[ModelFacts, Detector]:
    job = make_job(source, folder, **changes)  # type: ignore[arg-type]
    engine = make_engine(source, folder)
    facts = train(job, engine)
    return facts, engine.models.load(job)


def weights(detector: Detector) -> dict[str, list[float]]:
    return {name: t.flatten().tolist() for name, t in detector.state_dict().items()}


def test_training_learns_and_its_loss_falls(source: ImageSource, tmp_path: Path) -> None:
    facts, detector = trained(source, tmp_path)
    assert facts.val_auc is not None
    assert facts.val_auc > 0.9
    assert facts.history[-1]["total"] < 0.8 * facts.history[0]["total"]
    assert bool(detector.trained)


def test_facts_tell_how_the_model_was_trained(source: ImageSource, tmp_path: Path) -> None:
    facts, _ = trained(source, tmp_path)
    assert (facts.n_real, facts.n_fake, facts.n_val_real, facts.n_val_fake) == (12, 12, 12, 12)
    assert (facts.steps, facts.epochs, facts.stopped) == (24, 8.0, "all steps taken")
    assert facts.reals == "same-source (one)"
    assert [row["step"] for row in facts.history] == [4, 8, 12, 16, 20, 24]
    best = max(facts.history, key=lambda row: (row["val_auc"], -row["step"]))
    assert (facts.best_step, facts.val_auc) == (best["step"], best["val_auc"])


def test_the_same_job_gives_the_same_weights(source: ImageSource, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, two = trained(source, tmp_path / "a"), trained(source, tmp_path / "b")
    assert one[0] == two[0]
    assert weights(one[1]) == weights(two[1])


def test_another_seed_gives_other_weights(source: ImageSource, tmp_path: Path) -> None:
    one, two = trained(source, tmp_path), trained(source, tmp_path, seed=1)
    assert one[0].id != two[0].id
    assert weights(one[1]) != weights(two[1])


PLAIN: dict[str, object] = {}
SCALED = {"ema": 0.8, "accumulate": 2, "channels_last": True, "precision": "bf16"}


@pytest.mark.parametrize(
    ("step", "changes"),
    [(3, PLAIN), (5, PLAIN), (8, PLAIN), (13, PLAIN), (23, PLAIN), (7, SCALED), (14, SCALED)],
)
def test_a_training_stopped_anywhere_ends_with_the_same_weights(
    source: ImageSource, tmp_path: Path, step: int, changes: dict[str, object]
) -> None:
    (tmp_path / "whole").mkdir()
    whole = trained(source, tmp_path / "whole", **changes)
    job = make_job(source, tmp_path, **changes)  # type: ignore[arg-type]
    with pytest.raises(Stopped):
        train(job, make_engine(source, tmp_path, StopAt(step)))
    progress = StopAt()
    engine = make_engine(source, tmp_path, progress)
    facts = train(job, engine)
    assert facts == whole[0]
    assert weights(engine.models.load(job)) == weights(whole[1])
    # It went on from the last measurement, and did not begin again.
    assert progress.taken == 24 - (step - 1) // 4 * 4
    assert bool(progress.notes) == (step > 4)
    assert not engine.models.resume_folder(job.id).exists()


def test_random_numbers_drawn_elsewhere_do_not_matter(source: ImageSource, tmp_path: Path) -> None:
    class Drawing(Progress):
        def advance(self, amount: int = 1, **values: float) -> None:
            torch.rand(3)
            np.random.rand(3)  # noqa: NPY002 - the global state is the point

    job = make_job(source, tmp_path)
    train(job, make_engine(source, tmp_path, Drawing()))
    (tmp_path / "quiet").mkdir()
    _, quiet = trained(source, tmp_path / "quiet")
    assert weights(make_engine(source, tmp_path).models.load(job)) == weights(quiet)


def test_patience_stops_training_early(source: ImageSource, tmp_path: Path) -> None:
    facts, _ = trained(source, tmp_path, steps=400, patience=2)
    assert facts.steps < 400
    assert facts.stopped == "validation AUC not better in 2 measurements"
    assert facts.best_step == facts.steps - 8


def test_a_loss_that_is_no_number_stops_with_its_step(source: ImageSource, tmp_path: Path) -> None:
    job = make_job(source, tmp_path, detector="tests.small_data:Exploding")
    with pytest.raises(BenchmarkError, match=r"on checker \(seed 0\): the loss is nan at step 1;"):
        train(job, make_engine(source, tmp_path))


def test_fp16_on_a_cpu_is_refused(source: ImageSource, tmp_path: Path) -> None:
    job = make_job(source, tmp_path, precision="fp16")
    with pytest.raises(BenchmarkError, match="recipe 'small' asks for fp16, which a CPU does not"):
        train(job, make_engine(source, tmp_path))


def test_bf16_is_really_used(source: ImageSource, tmp_path: Path) -> None:
    (tmp_path / "half").mkdir()
    half = trained(source, tmp_path / "half", precision="bf16")
    whole = trained(source, tmp_path)
    assert weights(half[1]) != weights(whole[1])
    assert half[0].val_auc is not None
    assert half[0].val_auc > 0.9


@pytest.mark.parametrize("schedule", ["constant", "step"])
def test_every_schedule_learns(source: ImageSource, tmp_path: Path, schedule: str) -> None:
    decay = 10 if schedule == "step" else None
    facts, _ = trained(source, tmp_path, schedule=schedule, decay_every=decay)
    assert facts.val_auc is not None
    assert facts.val_auc > 0.9


def test_an_estimator_is_fitted_in_one_call(source: ImageSource, tmp_path: Path) -> None:
    facts, detector = trained(source, tmp_path, detector="spectrum")
    assert (facts.fit, facts.steps, facts.stopped) == ("estimator", 1, "fitted")
    assert facts.val_auc == facts.history[0]["val_auc"]
    assert bool(detector.trained)


def test_the_id_follows_all_that_could_change_the_scores(
    source: ImageSource, tmp_path: Path
) -> None:
    job = make_job(source, tmp_path)
    assert make_job(source, tmp_path).id == job.id
    others = [
        make_job(source, tmp_path, seed=1),
        make_job(source, tmp_path, training="tint"),
        make_job(source, tmp_path, lr=0.01),
        make_job(source, tmp_path, detector="tests.small_data:Masked"),
    ]
    changed = source.samples.copy()
    row = int(job.training.rows[0])
    changed.loc[row, "sha256"] = "0" * 64
    arguments = {
        "label": SMALL, "detector": SMALL, "options": {}, "size": "tiny", "recipe": job.recipe,
        "seed": 0, "training": job.training,
    }  # fmt: skip
    others.append(train_job(**arguments, identities=Identities(changed)))  # type: ignore[arg-type]
    arguments["options"] = {"width": 4}
    others.append(train_job(**arguments, identities=Identities(source.samples)))  # type: ignore[arg-type]
    assert len({job.id, *(other.id for other in others)}) == 1 + len(others)


def test_a_detector_that_begins_otherwise_than_planned_is_not_trained(
    source: ImageSource, tmp_path: Path
) -> None:
    job = make_job(source, tmp_path)
    assert job.tensors is not None
    with pytest.raises(BenchmarkError, match=r"\(seed 0\): it begins with other tensors than when"):
        train(replace(job, tensors="0" * 64), make_engine(source, tmp_path))
    assert make_job(source, tmp_path, detector="spectrum").tensors is None


def test_validation_images_are_never_trained_on(source: ImageSource, tmp_path: Path) -> None:
    job = make_job(source, tmp_path)
    seen: set[int] = set()

    class Spy(ImageSource):
        def prepared(self, sample: Sample, transform: Transform) -> torch.Tensor:
            seen.add(sample.row)
            return super().prepared(sample, transform)

    spy = Spy(source.samples, source.roots)
    train(job, replace(make_engine(source, tmp_path), source=spy))
    chosen = source.samples.iloc[sorted(seen)]
    assert set(chosen["split"]) == {"train", "val"}
    assert set(chosen.loc[chosen["label"] == "fake", "generator"]) == {"checker"}
