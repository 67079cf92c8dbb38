import copy
from pathlib import Path

import pytest
import torch
from peft import OSFConfig, inject_adapter_in_model
from torch import Tensor, nn

from detectors import WeightsError
from detectors.effort import Effort, ResidualLinear


def random_linear(outputs: int = 12, inputs: int = 12) -> nn.Linear:
    torch.manual_seed(2)
    return nn.Linear(inputs, outputs)


@pytest.mark.parametrize("shape", [(12, 12), (8, 12), (12, 8)])
def test_a_split_layer_computes_what_it_did(shape: tuple[int, int]) -> None:
    linear = random_linear(*shape)
    inputs = torch.randn(5, shape[1])
    torch.testing.assert_close(ResidualLinear(linear)(inputs), linear(inputs), atol=1e-6, rtol=0)


def test_the_frozen_part_has_all_singular_values_but_the_least() -> None:
    linear = random_linear()
    layer = ResidualLinear(linear)
    values = torch.linalg.svdvals(linear.weight)
    kept = torch.linalg.svdvals(layer.weight)
    torch.testing.assert_close(kept[:-1], values[:-1], atol=1e-6, rtol=0)
    assert kept[-1] < 1e-6
    torch.testing.assert_close(layer.value.detach(), values[-1:], atol=1e-6, rtol=0)
    assert torch.linalg.matrix_rank(layer.left @ layer.right) == 1


def test_training_moves_the_direction_and_not_the_frozen_part() -> None:
    layer = ResidualLinear(random_linear())
    frozen = layer.weight.clone()
    direction = layer.left.detach().clone()
    inputs, wanted = torch.randn(16, 12), torch.randn(16, 12)
    optimiser = torch.optim.SGD([p for p in layer.parameters() if p.requires_grad], lr=1.0)
    for _ in range(20):
        optimiser.zero_grad()
        (layer(inputs) - wanted).square().mean().backward()
        optimiser.step()
    assert torch.equal(layer.weight, frozen)
    cosine = torch.cosine_similarity(layer.left[:, 0], direction[:, 0], dim=0).abs()
    assert cosine < 0.99, "u must turn, not only grow"


def test_pefts_tuner_starts_the_same_and_cannot_turn_the_direction() -> None:
    linear = random_linear()
    config = OSFConfig(effective_rank=11, target_modules=["0"])
    theirs = inject_adapter_in_model(config, nn.Sequential(copy.deepcopy(linear)))
    inputs, wanted = torch.randn(16, 12), torch.randn(16, 12)
    torch.testing.assert_close(theirs(inputs), ResidualLinear(linear)(inputs), atol=1e-5, rtol=0)
    trained = [p for p in theirs.parameters() if p.requires_grad]
    before = [p.detach().clone() for p in trained]
    optimiser = torch.optim.SGD(trained, lr=1.0)
    for _ in range(20):
        optimiser.zero_grad()
        (theirs(inputs) - wanted).square().mean().backward()
        optimiser.step()
    for old, new in zip(before, trained, strict=True):
        cosine = torch.cosine_similarity(old.flatten(), new.flatten(), dim=0)
        assert cosine.abs() > 0.9999


def test_every_linear_layer_of_attention_is_split_and_no_other() -> None:
    detector = Effort(size="tiny")
    split = {n for n, m in detector.image.tower.named_modules() if isinstance(m, ResidualLinear)}
    assert len(split) == 2 * 4
    assert all("self_attn" in name for name in split)
    trained = {name for name, p in detector.named_parameters() if p.requires_grad}
    parts = {f"image.tower.{name}.{part}" for name in split for part in ("left", "value", "right")}
    assert trained == parts | {"head.weight", "head.bias"}


PARTS = {"left": "U_residual", "value": "S_residual", "right": "V_residual"}


def as_published(detector: Effort) -> dict[str, Tensor]:
    """Name a detector's tensors as the public code does, which keeps some more."""
    found = {}
    for name, tensor in detector.state_dict().items():
        where, _, part = name.replace("image.tower.vision_model.", "backbone.").rpartition(".")
        if where.endswith("_proj"):
            part = "weight_main" if part == "weight" else PARTS.get(part, part)
            found[f"module.{where}.S_r"] = torch.ones(95)
        if where and "visual_projection" not in where:
            found[f"module.{where}.{part}"] = tensor
    return found


def test_a_published_checkpoint_is_read_and_answers_at_once(tmp_path: Path) -> None:
    torch.manual_seed(2)
    trained, inputs = Effort(size="tiny").eval(), torch.rand(3, 3, 128, 128)
    torch.save(as_published(trained), tmp_path / "effort.pth")
    detector = Effort(size="tiny", pretrained=str(tmp_path / "effort.pth"))
    assert detector.trained
    assert detector.init.startswith("weights:")
    assert torch.equal(detector.eval()(inputs), trained(inputs))
    detector.save_pretrained(tmp_path / "saved")
    assert torch.equal(Effort.from_pretrained(tmp_path / "saved")(inputs), trained(inputs))


def test_a_checkpoint_of_another_network_is_refused_on_both_sides(tmp_path: Path) -> None:
    tensors = as_published(Effort(size="tiny"))
    tensors["module.backbone.adapter"] = tensors.pop("module.head.bias")
    torch.save(tensors, tmp_path / "x.pth")
    said = r"1 tensor is missing: head\.bias; 1 tensor is unknown: .*vision_model\.adapter$"
    with pytest.raises(WeightsError, match=said):
        Effort(size="tiny", pretrained=str(tmp_path / "x.pth"))
