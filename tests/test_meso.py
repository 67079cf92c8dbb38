from pathlib import Path

import pytest
import torch
from torch import nn

from detectors import DetectorError, WeightsError
from detectors.meso import Meso4


def test_it_has_the_papers_parameters() -> None:
    assert sum(p.numel() for p in Meso4(size="base").parameters()) == 27_977


def test_its_features_are_the_sixteen_hidden_units() -> None:
    detector = Meso4(size="base").eval()
    inputs = torch.rand(2, 3, 256, 256, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        features = detector.features(inputs)
        last = detector.head[1]
        assert isinstance(last, torch.nn.Linear)
        expected = features @ last.weight[0] + last.bias[0]
        assert features.shape == (2, 16)
        torch.testing.assert_close(detector(inputs), expected)


def test_its_wrong_options_are_refused() -> None:
    with pytest.raises(DetectorError, match=r"meso4 has no weights .*: leave pretrained out"):
        Meso4(pretrained=True)
    with pytest.raises(DetectorError, match="meso4: input_size is at least 32, not 16"):
        Meso4(input_size=16)


class Published(nn.Module):
    """Meso-4 as DeepfakeBench has it: two normalisations for four convolutions, two outputs."""

    def __init__(self, side: int) -> None:
        super().__init__()
        shapes = ((3, 8, 3), (8, 8, 5), (8, 16, 5), (16, 16, 5))
        for number, (inputs, outputs, kernel) in enumerate(shapes, start=1):
            conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
            self.add_module(f"conv{number}", conv)
        self.bn1, self.bn2 = nn.BatchNorm2d(8), nn.BatchNorm2d(16)
        self.fc1, self.fc2 = nn.Linear(16 * (side // 32) ** 2, 16), nn.Linear(16, 2)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        norms, pools = (self.bn1, self.bn1, self.bn2, self.bn2), (2, 2, 2, 4)
        for number, (norm, pool) in enumerate(zip(norms, pools, strict=True), start=1):
            conv = self.get_submodule(f"conv{number}")
            maps = torch.max_pool2d(norm(torch.relu(conv(maps))), pool)
        hidden = torch.nn.functional.leaky_relu(self.fc1(maps.flatten(1)), 0.1)
        found: torch.Tensor = self.fc2(hidden)
        return found


def test_deepfakebenchs_meso4_is_the_detector_that_it_was(tmp_path: Path) -> None:
    torch.manual_seed(0)
    published = Published(128).eval()
    for norm in (published.bn1, published.bn2):
        assert norm.running_mean is not None
        norm.running_mean.uniform_(-0.2, 0.2)
    held = {f"module.backbone.{name}": t for name, t in published.state_dict().items()}
    torch.save(held, tmp_path / "ckpt_best.pth")
    detector = Meso4(size="tiny", pretrained=str(tmp_path / "ckpt_best.pth"))
    images = torch.rand(3, 3, 128, 128)
    with torch.no_grad():
        both = published(2 * images - 1)
    torch.testing.assert_close(detector.logits(list(images)), both[:, 1] - both[:, 0])
    detector.save_pretrained(tmp_path / "saved")
    again = Meso4.from_pretrained(tmp_path / "saved")
    assert torch.equal(again.logits(list(images)), detector.logits(list(images)))
    del held["module.backbone.fc1.bias"]
    torch.save(held, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match=r"x\.pth: 1 tensor is missing: hidden\.2\.bias$"):
        Meso4(size="tiny", pretrained=str(tmp_path / "x.pth"))
