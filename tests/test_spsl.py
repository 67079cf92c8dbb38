from pathlib import Path

import pytest
import torch
from torch import Tensor

from detectors import DetectorError, WeightsError
from detectors.spsl import SPSL, phase_by_products, phase_image


def images(count: int, side: int = 32) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(3))


def test_the_phase_image_has_the_phase_of_the_image_and_amplitude_one() -> None:
    inputs = images(2)
    spectrum = torch.fft.fft2(inputs.double().mean(dim=1))
    rebuilt = torch.fft.fft2(phase_image(inputs)[:, 0].double(), norm="ortho")
    torch.testing.assert_close(rebuilt.abs(), torch.ones_like(rebuilt.abs()), atol=1e-5, rtol=0)
    torch.testing.assert_close(rebuilt * spectrum.abs(), spectrum, atol=1e-3, rtol=1e-5)


def test_the_phase_image_has_the_mean_square_one_at_any_contrast() -> None:
    inputs = images(1)
    phase = phase_image(inputs)
    assert phase.square().mean().item() == pytest.approx(1, abs=1e-5)
    torch.testing.assert_close(phase_image(0.25 * inputs), phase, atol=1e-5, rtol=0)


def test_each_image_is_transformed_on_its_own() -> None:
    inputs = images(3)
    alone = torch.cat([phase_image(image[None]) for image in inputs])
    torch.testing.assert_close(phase_image(inputs), alone, atol=1e-6, rtol=0)


@pytest.mark.parametrize("side", [32, 45])
def test_products_of_matrices_give_the_same_phase(side: int) -> None:
    for inputs in (images(2, side), torch.full((1, 3, side, side), 0.3)):
        grey = inputs.double().mean(dim=1, keepdim=True)
        torch.testing.assert_close(phase_by_products(grey), phase_image(inputs), atol=1e-6, rtol=0)


def test_a_flat_image_has_no_phase_but_that_of_its_mean() -> None:
    phase = phase_image(torch.full((1, 3, 32, 32), 0.3))
    torch.testing.assert_close(phase, torch.full_like(phase, 1 / 32))


@pytest.mark.parametrize(("depth", "count"), [("shallow", 7_897_481), ("full", 20_809_289)])
def test_the_published_count_is_that_of_the_full_depth(depth: str, count: int) -> None:
    # Published with the full depth: 21 M.
    with torch.device("meta"):
        detector = SPSL(depth=depth, pretrained=False)  # type: ignore[arg-type]
    assert sum(p.numel() for p in detector.parameters()) == count


def as_deepfakebench(detector: SPSL) -> dict[str, Tensor]:
    """Name a detector's tensors as DeepfakeBench does, with its two logits."""
    published = {}
    for name, tensor in detector.state_dict().items():
        if name.startswith("head."):
            both = torch.cat([torch.rand_like(tensor), tensor])
            both[1] += both[0]
            published[name.replace("head.", "backbone.last_linear.")] = both
        elif name != "trained":
            published[name.replace("stream.network.", "backbone.")] = tensor
    return {**published, "backbone.adjust_channel.0.bias": torch.zeros(3)}


def test_a_checkpoint_of_deepfakebench_is_read_with_its_scale_of_the_phase(tmp_path: Path) -> None:
    torch.manual_seed(2)
    trained, inputs = SPSL(size="tiny", depth="full"), images(2, 128)
    published = as_deepfakebench(trained)
    torch.save(published, tmp_path / "x.pth")
    torch.manual_seed(3)
    detector = SPSL(size="tiny", depth="full", pretrained=str(tmp_path / "x.pth"))
    assert detector.trained
    assert detector.init.startswith("weights:")
    colour = 2 * inputs - 1
    spectrum = torch.fft.fft2(colour.double().mean(dim=1, keepdim=True))
    phase = torch.fft.ifft2(torch.exp(1j * spectrum.angle())).real.float()
    seen: list[Tensor] = []
    detector.stream.network.bn1.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    detector.eval()(inputs)
    kernel = published["backbone.conv1.weight"]
    expected = torch.conv2d(torch.cat([colour, phase], dim=1), kernel, stride=2)
    torch.testing.assert_close(seen[0], expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(detector.head.weight, trained.head.weight, atol=1e-6, rtol=0)
    torch.testing.assert_close(detector.head.bias, trained.head.bias, atol=1e-6, rtol=0)


def test_a_checkpoint_of_another_depth_is_refused(tmp_path: Path) -> None:
    torch.save(as_deepfakebench(SPSL(size="tiny", depth="full")), tmp_path / "x.pth")
    with pytest.raises(WeightsError, match=r"tensors are unknown: stream\.network\.block4\."):
        SPSL(size="tiny", pretrained=str(tmp_path / "x.pth"))


def test_a_depth_that_there_is_not_is_refused() -> None:
    with pytest.raises(DetectorError, match="spsl has the depths shallow and full, not 'deep'"):
        SPSL(size="tiny", depth="deep")  # type: ignore[arg-type]


def test_the_fourth_channel_is_seen() -> None:
    torch.manual_seed(0)
    detector = SPSL(size="tiny").eval()
    inputs = images(1, 128)
    with torch.no_grad():
        before = detector.features(inputs)
        detector.stream.network.conv1.weight[:, 3] = 0
        changed = (detector.features(inputs) - before).abs().max()
    assert changed > 0.1 * before.abs().max()


def test_a_checkpoint_may_be_started_from_without_its_last_layer(tmp_path: Path) -> None:
    torch.save(as_deepfakebench(SPSL(size="tiny", depth="full")), tmp_path / "x.pth")
    torch.manual_seed(3)
    options = {"size": "tiny", "depth": "full"}
    fresh = SPSL(**options)  # type: ignore[arg-type]
    torch.manual_seed(3)
    detector = SPSL(**options, pretrained=str(tmp_path / "x.pth"), last_layer="drop")  # type: ignore[arg-type]
    assert not detector.trained
    assert torch.equal(detector.state_dict()["head.weight"], fresh.state_dict()["head.weight"])
