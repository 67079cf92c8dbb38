"""Gradient norms of the parts of a loss: measured beside the training, never in its way."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.data.source import ImageSource
from benchmark.training import gradient, optim
from benchmark.training.train import train
from detectors.base import Batch, Detector
from results.schema import ModelFacts
from tests.small_data import Small
from tests.test_mfclip import batch_of, build, every_taxon
from tests.test_training import make_engine, make_job, source, weights

__all__ = ["source"]
PARTED = "tests.test_gradient_norms:Parted"


class Parted(Small):
    """A loss of two parts, with dropout and running means."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.norm = nn.BatchNorm2d(3)

    def features(self, inputs: Tensor) -> Tensor:
        return super().features(self.norm(inputs))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        logits = self(batch.inputs)
        ce = F.binary_cross_entropy_with_logits(logits, batch.labels)
        size = logits.square().mean()
        return {"ce": ce, "size": size, "total": ce + 0.01 * size}


def trained(source: ImageSource, folder: Path, **changes: object) -> tuple[ModelFacts, Detector]:
    folder.mkdir()
    job = make_job(source, folder, detector=PARTED, **changes)  # type: ignore[arg-type]
    engine = make_engine(source, folder)
    return train(job, engine), engine.models.load(job)


@pytest.mark.parametrize("changes", [{}, {"ema": 0.8, "accumulate": 2, "precision": "bf16"}])
def test_weights_are_the_same_with_and_without(
    source: ImageSource,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, object],
) -> None:
    facts, detector = trained(source, tmp_path / "with", **changes)
    monkeypatch.setattr(gradient, "measured_gradients", lambda *_, **__: {})
    bare, other = trained(source, tmp_path / "without", **changes)
    assert weights(detector) == weights(other)
    found = [{k: v for k, v in row.items() if "gradient" not in k} for row in facts.history]
    assert found == bare.history
    for row in facts.history:
        assert row["gradient_ce"] > 0
        assert row["gradient_size"] > 0


def test_a_loss_without_parts_has_none(source: ImageSource, tmp_path: Path) -> None:
    facts = train(make_job(source, tmp_path), make_engine(source, tmp_path))
    assert all(set(row) == {"step", "total", "val_auc"} for row in facts.history)


def test_a_measurement_leaves_no_mark_and_repeats() -> None:
    detector, batch = build().train(), batch_of(every_taxon(2))
    before, random = weights(detector), torch.get_rng_state()
    first = optim.measured_gradients(detector, batch, seed=3)
    assert optim.measured_gradients(detector, batch, seed=3) == first
    parts = {f"gradient_{part}" for part in ("ce", "cmc", "kl", "apart")}
    assert set(first) == parts | {f"state_gradient_{tower}" for tower in detector.towers()}
    assert weights(detector) == before
    assert torch.equal(torch.get_rng_state(), random)
    assert all(parameter.grad is None for parameter in detector.parameters())


def test_norms_are_those_of_each_loss() -> None:
    weight = nn.Parameter(torch.tensor([1.0, 2.0]))
    losses = {"a": (3 * weight).sum(), "b": weight[0] * 0 + weight[1] * 4, "c": torch.ones(())}
    expected = {"a": pytest.approx(18**0.5), "b": 4.0, "c": 0.0}
    assert optim.gradient_norms(losses, [weight]) == expected
    assert weight.grad is None
