from pathlib import Path

import pytest
import torch
from torch import Tensor

from detectors import DetectorError, WeightsError
from detectors.npr import NPR, neighbouring_residual
from detectors.transform import NativeCrop, Transform


def images(count: int, side: int = 128) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(3))


def test_the_residual_is_what_is_over_the_first_pixel_of_a_cell() -> None:
    inputs = images(2, 16)
    residual = neighbouring_residual(inputs)
    for i in range(16):
        for j in range(16):
            expected = inputs[:, :, i, j] - inputs[:, :, i // 2 * 2, j // 2 * 2]
            assert torch.equal(residual[:, :, i, j], expected)


def test_an_image_of_doubled_pixels_leaves_nothing() -> None:
    doubled = images(1, 32).repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    assert not neighbouring_residual(doubled).any()


def test_the_network_sees_two_thirds_of_the_normalised_residual() -> None:
    detector, seen = NPR(size="tiny").eval(), []
    detector.network.conv1.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    inputs = images(2)
    detector(inputs)
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    expected = neighbouring_residual(inputs) / std * 2 / 3
    torch.testing.assert_close(seen[0], expected, atol=1e-5, rtol=1e-5)


def test_base_is_the_published_network() -> None:
    with torch.device("meta"):
        detector = NPR()
    # The stages of a ResNet-50 (215,808 and 1,219,584), the stem (1,728 + 128), the last layer 513.
    expected = 215_808 + 1_219_584 + 1_728 + 128 + 513
    assert sum(p.numel() for p in detector.parameters()) == expected
    assert detector.init == "random"


def test_a_published_checkpoint_is_read_one_for_one(tmp_path: Path) -> None:
    torch.manual_seed(2)
    trained = NPR(size="tiny")
    published = {
        f"module.{'fc1' + name[2:] if name.startswith('fc.') else name}": tensor
        for name, tensor in trained.network.state_dict().items()
    }
    torch.save({"model": published}, tmp_path / "x.pth")
    torch.manual_seed(3)
    detector = NPR(size="tiny", pretrained=str(tmp_path / "x.pth"))
    assert detector.trained
    assert detector.init.startswith("weights:")
    assert detector.config()["options"]["pretrained"] is False
    inputs = images(2)
    assert torch.equal(detector.eval()(inputs), trained.eval()(inputs))
    published["layer3.0.conv1.weight"] = published.pop("module.fc1.bias")
    torch.save(published, tmp_path / "y.pth")
    said = r"missing: fc\.bias; 1 tensor is unknown: layer3\.0\.conv1\.weight$"
    with pytest.raises(WeightsError, match=said):
        NPR(size="tiny", pretrained=str(tmp_path / "y.pth"))


def test_there_are_no_weights_that_everyone_starts_from() -> None:
    with pytest.raises(WeightsError, match="npr starts from random weights: leave pretrained out"):
        NPR(pretrained=True)


def test_an_odd_side_or_another_policy_is_refused() -> None:
    with pytest.raises(DetectorError, match=r"npr: input_size is even.* got 127"):
        NPR(size="tiny", input_size=127)
    with pytest.raises(DetectorError, match="npr has the policies resize and no_resize, not 'no'"):
        NPR(size="tiny", resize="no")  # type: ignore[arg-type]


def test_the_policy_is_part_of_the_transform_and_is_saved(tmp_path: Path) -> None:
    resized, native = NPR(size="tiny"), NPR(size="tiny", resize="no_resize", untrained=True)
    assert resized.transform == Transform(128)
    assert native.transform == NativeCrop(128)
    assert resized.transform.hash != native.transform.hash
    native.mark_trained()
    native.save_pretrained(tmp_path / "model")
    assert NPR.from_pretrained(tmp_path / "model").transform == NativeCrop(128)


@pytest.mark.parametrize(("height", "width"), [(200, 128), (128, 331), (64, 64), (50, 300)])
def test_without_resizing_every_pixel_is_the_images_own(height: int, width: int) -> None:
    image = torch.rand(3, height, width, generator=torch.Generator().manual_seed(1))
    prepared = NativeCrop(128)(image)
    assert prepared.shape == (3, 128, 128)
    top, left = (max(side - 128, 0) // 2 // 8 * 8 for side in (height, width))
    rows = (torch.arange(128) + top) % height
    columns = (torch.arange(128) + left) % width
    assert torch.equal(prepared, image[:, rows][:, :, columns])
