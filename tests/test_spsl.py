import pytest
import torch
from torch import Tensor

from detectors import DetectorError
from detectors.spsl import SPSL, phase_image


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


def test_a_flat_image_has_no_phase_but_that_of_its_mean() -> None:
    phase = phase_image(torch.full((1, 3, 32, 32), 0.3))
    torch.testing.assert_close(phase, torch.full_like(phase, 1 / 32))


@pytest.mark.parametrize(("depth", "count"), [("shallow", 7_897_481), ("full", 20_809_289)])
def test_the_published_count_is_that_of_the_full_depth(depth: str, count: int) -> None:
    # Published with the full depth: 21 M.
    with torch.device("meta"):
        detector = SPSL(depth=depth, pretrained=False)  # type: ignore[arg-type]
    assert sum(p.numel() for p in detector.parameters()) == count


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
