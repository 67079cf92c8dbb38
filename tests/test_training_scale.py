"""Training at scale: what changes speed and memory must not change what is learnt."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from benchmark.data.source import ImageSource
from benchmark.training.recipe import load_recipe
from benchmark.training.store import ModelStore
from benchmark.training.train import train
from detectors.base import Batch, Detector
from tests.small_data import SMALL, Small, write_dataset, write_recipe
from tests.test_training import make_engine, make_job, source, trained, weights

__all__ = ["source"]
ROOT = Path(__file__).parents[1]
# Sums of gradients in another order: measured 3e-7 after 24 steps of AdamW.
TOLERANCE = 1e-5


class Calm(Small):
    """Without dropout, whose numbers follow the parts of a batch."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.dropout.p = 0.0


class Watched(Small):
    """Shows what its dropout draws."""

    masks: ClassVar[list[torch.Tensor]] = []

    def loss(self, batch: Batch) -> dict[str, torch.Tensor]:
        losses = super().loss(batch)
        self.masks.append(self.dropout(torch.ones(100)))
        return losses


CALM = "tests.test_training_scale:Calm"


def assert_near(one: Detector, two: Detector) -> None:
    torch.testing.assert_close(
        dict(one.state_dict()), dict(two.state_dict()), atol=TOLERANCE, rtol=0
    )


@pytest.mark.parametrize("workers", [1, 3])
def test_the_number_of_workers_moves_no_number(
    source: ImageSource, tmp_path: Path, workers: int
) -> None:
    (tmp_path / "alone").mkdir()
    facts, detector = trained(source, tmp_path / "alone")
    job = make_job(source, tmp_path)
    # Nothing is kept, so that every image is decoded in a thread every time.
    fresh = ImageSource(source.samples, source.roots, budget_bytes=0)
    engine = replace(make_engine(source, tmp_path), source=fresh, workers=workers)
    assert train(job, engine) == facts
    assert weights(engine.models.load(job)) == weights(detector)


def test_a_batch_in_parts_teaches_what_the_whole_one_does(
    source: ImageSource, tmp_path: Path
) -> None:
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    whole = trained(source, tmp_path / "whole", detector=CALM)
    parts = trained(source, tmp_path / "parts", detector=CALM, accumulate=4)
    assert_near(whole[1], parts[1])
    assert weights(whole[1]) != weights(parts[1])
    totals = [[row["total"] for row in facts.history] for facts in (whole[0], parts[0])]
    assert totals[0] == pytest.approx(totals[1], abs=TOLERANCE)


def test_parts_draw_dropout_of_their_own(source: ImageSource, tmp_path: Path) -> None:
    Watched.masks.clear()
    trained(source, tmp_path, detector=f"{__name__}:Watched", accumulate=2, steps=2)
    assert len(Watched.masks) == 4
    assert len({tuple(mask.tolist()) for mask in Watched.masks}) == 4


def test_averaged_weights_are_the_mean_they_are_said_to_be(
    source: ImageSource, tmp_path: Path
) -> None:
    """The running mean once more, from trainings that end at each step."""
    settings: dict[str, object] = {"schedule": "constant", "evaluate_every": 1}
    heads = []
    for steps in (1, 2, 3):
        (tmp_path / str(steps)).mkdir()
        heads.append(last_weights(source, tmp_path / str(steps), steps=steps, **settings))
    (tmp_path / "mean").mkdir()
    mean = last_weights(source, tmp_path / "mean", steps=3, ema=0.75, **settings)
    expected = 0.75 * (0.75 * heads[0] + 0.25 * heads[1]) + 0.25 * heads[2]
    torch.testing.assert_close(mean, expected, atol=1e-6, rtol=0)


def last_weights(source: ImageSource, folder: Path, **changes: object) -> torch.Tensor:
    """Train without selection: validation AUC is made to rise at every measurement."""
    from benchmark.training import gradient

    risen = iter(np.linspace(0.5, 1, 10))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gradient, "auc", lambda *_: float(next(risen)))
        _, detector = trained(source, folder, **changes)
    weight: torch.Tensor = detector.state_dict()["conv.weight"]
    return weight


def test_channels_last_teaches_the_same(source: ImageSource, tmp_path: Path) -> None:
    for name in ("first", "last"):
        (tmp_path / name).mkdir()
    first = trained(source, tmp_path / "first")
    last = trained(source, tmp_path / "last", channels_last=True)
    assert_near(first[1], last[1])
    assert all(t.is_contiguous() for t in last[1].state_dict().values())


@pytest.mark.slow
def test_a_compiled_step_teaches_the_same(source: ImageSource, tmp_path: Path) -> None:
    for name in ("plain", "compiled"):
        (tmp_path / name).mkdir()
    plain = trained(source, tmp_path / "plain", detector=CALM)
    compiled = trained(source, tmp_path / "compiled", detector=CALM, compile=True)
    assert_near(plain[1], compiled[1])


def test_the_modern_recipe_trains_on_a_cpu_too(source: ImageSource, tmp_path: Path) -> None:
    modern = load_recipe("modern").resolved(24).model_dump()
    changes = {**modern, "name": "small", "batch_size": 8, "lr": 0.1, "ema": 0.8, "steps": 24}
    facts, _ = trained(source, tmp_path, **changes)
    assert facts.val_auc is not None
    assert facts.val_auc > 0.9


class Breaking(Calm):
    """Fails in the middle of training as long as the environment says so."""

    steps = 0

    def loss(self, batch: Batch) -> dict[str, torch.Tensor]:
        self.steps += 1
        if self.steps == int(os.environ.get("BREAK_AT", "0")):
            raise RuntimeError("broken")
        return super().loss(batch)


def launch(
    folder: Path, recipe: str, manifest: Path, processes: int, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run one model's study under torchrun, as several processes of one CPU."""
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone",
        f"--nproc-per-node={processes}", "-m", "forgerybench", "run", "cross-generator",
        "--detectors", "tests.test_training_scale:Breaking", "--data", str(manifest),
        "--recipe", recipe, "--train-on", "checker", "--size", "tiny", "--device", "cpu",
        "--threads", "1", "--checkpoint-seconds", "0", "--out", str(folder / "run"),
        "--store", str(folder / "store"),
    ]  # fmt: skip
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def finished(folder: Path, recipe: str, manifest: Path, processes: int) -> Detector:
    """Run it to its end and give the one model that it trained."""
    done = launch(folder, recipe, manifest, processes)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("Report:") == 1
    found = [path.parent for path in (folder / "store").glob("*/facts.json")]
    assert len(found) == 1
    assert ModelStore(folder / "store").host(found[0].name)["processes"] == processes
    return Breaking.from_pretrained(found[0])


@pytest.mark.slow
def test_two_processes_train_what_one_does_and_go_on_where_they_stopped(tmp_path: Path) -> None:
    for name in ("data", "one", "two", "broken"):
        (tmp_path / name).mkdir()
    manifest = write_dataset(tmp_path / "data")
    recipe = write_recipe(tmp_path)
    one = finished(tmp_path / "one", recipe, manifest, 1)
    two = finished(tmp_path / "two", recipe, manifest, 2)
    assert_near(one, two)
    broken = launch(tmp_path / "broken", recipe, manifest, 2, BREAK_AT="15")
    assert broken.returncode != 0
    assert list((tmp_path / "broken" / "store").glob("*.resume/step-000000012"))
    assert weights(finished(tmp_path / "broken", recipe, manifest, 2)) == weights(two)


def test_a_batch_must_fall_into_parts_for_all_processes(
    source: ImageSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmark.errors import BenchmarkError
    from benchmark.training import optim as optimisation

    class Three:
        def __init__(self, **options: object) -> None:
            self.num_processes = 3

    monkeypatch.setattr(optimisation, "Accelerator", Three)
    with pytest.raises(BenchmarkError, match=r"batch of 8 images .* 3 equal parts \(3 processes"):
        train(make_job(source, tmp_path, detector=SMALL), make_engine(source, tmp_path))
