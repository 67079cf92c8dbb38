from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from detectors import DetectorError, WeightsError
from detectors.parts.filters import srm_kernels
from detectors.parts.textures import texture
from detectors.ssp import SSP


def images(count: int, side: int = 128) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(3))


def test_the_simplest_patch_is_the_one_of_least_texture() -> None:
    detector, inputs = SSP(size="tiny").eval(), images(3)
    places = detector.cutter.places(inputs, training=False)
    patches, least = detector.cutter.cut(inputs, places), texture(inputs, places, 32).argmin(dim=1)
    for chosen, drawn, place in zip(detector.simplest(inputs), patches, least, strict=True):
        assert torch.equal(chosen, drawn[place])


def test_a_flat_corner_is_what_is_looked_at() -> None:
    inputs = images(1)
    inputs[:, :, :70, :70] = 0.5
    detector = SSP(size="tiny").eval()
    assert torch.equal(detector.simplest(inputs), torch.full((1, 3, 32, 32), 0.5))


def test_the_residual_is_of_the_enlarged_normalised_patch() -> None:
    detector, patches = SSP(size="tiny"), images(2, 32)
    mean, std = (
        torch.tensor(v).view(3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    )
    large = F.interpolate((patches - mean) / std, (64, 64), mode="bilinear")
    expected = F.conv2d(large, srm_kernels(), padding=2).clamp(-3, 3)
    torch.testing.assert_close(detector.residual(patches), expected)


def test_base_is_a_resnet_50_on_64_patches() -> None:
    with torch.device("meta"):
        detector = SSP(pretrained=False)
    # 25,557,032 parameters with 1000 classes, whose last layer is 2048 x 1000 + 1000.
    assert sum(p.numel() for p in detector.parameters()) == 25_557_032 - 2_049_000 + 2_049
    assert (detector.cutter.side, detector.cutter.count, detector.enlarged) == (32, 64, 256)


def test_a_trained_one_of_the_public_code_is_read_with_its_sign_turned(tmp_path: Path) -> None:
    torch.manual_seed(2)
    trained = SSP(size="tiny")
    published = {f"disc.{name}": t for name, t in trained.network.state_dict().items()}
    torch.save({**published, "srm.kernel": srm_kernels()}, tmp_path / "x.pth")
    torch.manual_seed(3)
    detector = SSP(size="tiny", pretrained=str(tmp_path / "x.pth"))
    assert detector.trained
    assert detector.init.startswith("weights:")
    inputs = images(2)
    torch.testing.assert_close(detector.eval()(inputs), -trained.eval()(inputs))
    del published["disc.fc.bias"]
    torch.save({**published, "other": torch.zeros(1)}, tmp_path / "y.pth")
    said = r"1 tensor is missing: fc\.bias; 1 tensor is unknown: other$"
    with pytest.raises(WeightsError, match=said):
        SSP(size="tiny", pretrained=str(tmp_path / "y.pth"))


def test_weights_of_a_plain_resnet_fill_all_but_the_last_layer(tmp_path: Path) -> None:
    torch.manual_seed(2)
    other = SSP(size="tiny")
    torch.save(other.network.state_dict(), tmp_path / "x.pth")
    torch.manual_seed(3)
    with pytest.raises(WeightsError, match="a last layer of 1 output, and another network than ss"):
        SSP(size="tiny", pretrained=str(tmp_path / "x.pth"))
    detector = SSP(size="tiny", pretrained=str(tmp_path / "x.pth"), last_layer="drop")
    assert not detector.trained
    held, filled = other.network.state_dict(), detector.network.state_dict()
    for name, tensor in held.items():
        assert torch.equal(filled[name], tensor) is not name.startswith("fc."), name


def test_a_patch_that_does_not_fit_is_refused() -> None:
    with pytest.raises(DetectorError, match="ssp: a patch of 200 px does not fit"):
        SSP(size="tiny", patch=200)
    with pytest.raises(DetectorError, match="ssp: a patch has 1 pixel or more a side, not 0"):
        SSP(size="tiny", patch=0)
