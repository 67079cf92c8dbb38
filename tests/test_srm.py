import math
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from detectors import WeightsError
from detectors.base import Batch
from detectors.parts.filters import srm_kernels
from detectors.srm import SRM, CrossAttention, NoiseOfMaps


def images(count: int, side: int = 96) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(3))


def test_the_residual_is_that_of_the_three_filters() -> None:
    normalised = 2 * images(1) - 1
    expected = F.conv2d(normalised, srm_kernels(), padding=2).clamp(-3, 3)
    torch.testing.assert_close(SRM(size="tiny").residual(normalised), expected)


def test_the_noise_of_maps_filters_each_channel_on_its_own() -> None:
    maps, seen = torch.rand(2, 4, 9, 9), []
    noise = NoiseOfMaps(4)
    noise.mix.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    assert noise(maps).shape == maps.shape
    kernel = srm_kernels()[1, 0]
    expected = F.conv2d(maps[:, 2:3], kernel[None, None], padding=2)[:, 0]
    torch.testing.assert_close(seen[0][:, 2 * 3 + 1], expected)


def test_attention_adds_a_mean_over_the_other_streams_places() -> None:
    torch.manual_seed(0)
    attention = CrossAttention(16, 9).eval()
    colour, noise = torch.rand(1, 16, 3, 3), torch.rand(1, 16, 1, 1).expand(1, 16, 3, 3)
    value = attention.get_submodule("values.1")(noise)
    # All places of the noise are equal, so any mean over them is the same.
    torch.testing.assert_close(attention(colour, noise)[0], colour + 0.1 * value)


def test_attention_equals_its_formula() -> None:
    torch.manual_seed(0)
    attention = CrossAttention(16, 9).eval()
    colour, noise = torch.rand(1, 16, 3, 3), torch.rand(1, 16, 3, 3)
    layers = {name: attention.get_submodule(name) for name, _ in attention.named_modules() if name}
    key = [
        layers["shared"](layers[f"keys.{stream}"](maps))[0].flatten(1)
        for stream, maps in enumerate((colour, noise))
    ]
    value = layers["values.0"](colour)[0].flatten(1)
    expected = noise[0].flatten(1).clone()
    energy = torch.stack([torch.stack([a @ b for a in key[0].T]) for b in key[1].T])
    weights = layers["pairs.1"](energy).softmax(dim=1)  # noise's places by colour's
    for place in range(9):
        expected[:, place] += 0.1 * sum(
            weights[place, other] * value[:, other] for other in range(9)
        )
    torch.testing.assert_close(attention(colour, noise)[1][0].flatten(1), expected)


def test_a_logit_is_thirty_times_the_difference_of_cosines() -> None:
    torch.manual_seed(0)
    detector = SRM(size="tiny").eval()
    with torch.no_grad():
        features, logits = detector.features(images(3)), detector(images(3))
        real, fake = (F.cosine_similarity(features, way[None]) for way in detector.classes)
    torch.testing.assert_close(logits, 30 * (fake - real), atol=1e-4, rtol=0)
    assert logits.abs().max() <= 60


def test_the_loss_lowers_the_cosine_of_the_right_class() -> None:
    torch.manual_seed(0)
    detector, inputs = SRM(size="tiny").eval(), images(2)
    labels = torch.tensor([0.0, 1.0])
    with torch.no_grad():
        cosines = detector.cosines(inputs).tolist()
        batch = Batch(inputs=inputs, labels=labels, taxa=labels.long())
        found = detector.loss(batch)["total"].item()
    expected = 0.0
    for (real, fake), label in zip(cosines, (0, 1), strict=True):
        right, wrong = (fake, real) if label else (real, fake)
        expected += math.log1p(math.exp(30 * (wrong - right + 0.45))) / 2
    assert found == pytest.approx(expected, rel=1e-4)


def test_base_has_the_count_of_the_card() -> None:
    with torch.device("meta"):
        detector = SRM(pretrained=False)
    # Published: 55 M, with twice 1.05 M of layers that are never run.
    count = sum(p.numel() for p in detector.parameters())
    assert count == 53_238_378
    assert round((count + 2 * 2048 * 512) / 1e6) == 55


@pytest.mark.parametrize("side", [64, 97, 130])
def test_any_side_is_taken(side: int) -> None:
    assert SRM(size="tiny", input_size=side).eval()(images(2, side)).shape == (2,)


@pytest.mark.parametrize("before", ["", "module."])
def test_a_checkpoint_of_deepfakebench_is_refused_by_name(before: str, tmp_path: Path) -> None:
    names = ("backbone_rgb.conv1.weight", "backbone_srm.conv1.weight", "srm_conv1.kernel")
    torch.save({before + name: torch.zeros(1) for name in names}, tmp_path / "srm.pth")
    with pytest.raises(WeightsError, match=r"srm\.pth: a trained SRM of DeepfakeBench, .*linear"):
        SRM(size="tiny", pretrained=str(tmp_path / "srm.pth"))
    assert "checkpoints are refused" in SRM.card.fidelity
