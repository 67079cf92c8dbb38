"""How often one step of training or scoring waits for the device: each wait leaves a GPU idle."""

import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.data.source import ImageSource
from benchmark.progress import Progress
from benchmark.scoring.forward import Forward
from benchmark.scoring.score import score
from benchmark.scoring.store import ScoreStore
from benchmark.scoring.units import plan_groups
from benchmark.training.batches import Batches, TrainingData
from benchmark.training.gradient import GradientTraining, logits
from benchmark.training.train import train
from detectors.base import Known
from protocols.conditions import CLEAN, condition
from tests.small_data import Small
from tests.test_training import make_engine, make_job, source

__all__ = ["source"]
# What copies to the host, and so waits for all that the device was given before.
WAITS = ("item", "cpu", "tolist", "nonzero", "numpy", "__bool__", "__int__", "__float__")
OURS = ("benchmark", "detectors")
JPEG = condition("real-world/jpeg", 3, "crop", "test")


class Waits:
    """Counts the calls of our code in the thread that feeds the device.

    Those of torch's optimisers are not counted: their counters stay on the CPU. What threads do
    that load images is on the CPU too, before the device has it.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.counts: Counter[str] = Counter()
        self._thread = threading.current_thread()
        for name in WAITS:
            patch.setattr(torch.Tensor, name, self._counted(name, getattr(torch.Tensor, name)))

    def _counted(self, name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
        def counted(tensor: torch.Tensor, *args: object, **options: object) -> object:
            caller = sys._getframe(1).f_globals.get("__name__", "").partition(".")[0]
            if caller in OURS and threading.current_thread() is self._thread:
                self.counts[name] += 1
            return plain(tensor, *args, **options)

        return counted

    def taken(self) -> dict[str, int]:
        """Give what was counted since the last time."""
        found, self.counts = dict(self.counts), Counter()
        return found


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[Waits]:
    with monkeypatch.context() as patch:
        yield Waits(patch)


@pytest.mark.parametrize("changes", [{}, {"accumulate": 2}, {"ema": 0.9}], ids=str)
def test_a_training_step_waits_once_for_its_losses(
    source: ImageSource,
    tmp_path: Path,
    waits: Waits,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
) -> None:
    steps: list[dict[str, int]] = []
    one_step = GradientTraining.one_step

    def counted(training: GradientTraining, batches: Batches) -> dict[str, float]:
        waits.taken()
        losses = one_step(training, batches)
        steps.append(waits.taken())
        return losses

    monkeypatch.setattr(GradientTraining, "one_step", counted)
    job = make_job(source, tmp_path, steps=4, **changes)
    train(job, make_engine(source, tmp_path))
    assert steps == [{"tolist": 1}] * 4


def test_forward_passes_wait_once_however_many_they_are(waits: Waits) -> None:
    detector = Small(untrained=True).eval()
    inputs = list(torch.rand(20, 3, 24, 24))
    Forward(4, Progress()).logits(detector, inputs, Known())
    assert waits.taken() == {"cpu": 1, "numpy": 1}


def test_validation_waits_once_however_many_batches_it_is(
    source: ImageSource, tmp_path: Path, waits: Waits
) -> None:
    job = make_job(source, tmp_path)
    engine = make_engine(source, tmp_path)
    detector = Small(untrained=True)
    data = TrainingData(job, source, detector, batch_size=4, workers=1)
    assert len(data.val) > 8
    waits.taken()
    logits(detector, data, data.val)
    assert waits.taken() == {"cpu": 1, "numpy": 1}
    assert engine.device.type == "cpu"


def test_a_unit_waits_for_its_scores_and_for_that_of_one_image_alone(
    source: ImageSource, tmp_path: Path, waits: Waits
) -> None:
    rows = np.arange(30)
    found: list[Counter[str]] = []
    for conditions in ([CLEAN], [CLEAN, JPEG]):
        store = ScoreStore(tmp_path / f"run{len(conditions)}")
        needs = {"a": dict.fromkeys(conditions, rows)}
        (group,) = plan_groups(source.samples, needs, store.done(), 8)
        assert len(group.units) == len(conditions)
        waits.taken()
        detector = Small(untrained=True).eval()
        score([group], make_engine(source, tmp_path), store, lambda _: detector, noise_seed=0)  # noqa: B023
        found.append(Counter(waits.taken()))
    # What the first unit has more is that the model is made ready, once.
    assert found[1] - found[0] == {"cpu": 2, "numpy": 2}
