"""Networks that know nothing of the contract become detectors by their name alone."""

import sys
from pathlib import Path

import pytest
import timm
import torch
from torch import nn

from benchmark.cli.options import from_files
from benchmark.errors import BenchmarkError
from benchmark.training.identity import shipped_card
from detectors import DetectorError, UnknownDetectorError, WeightsError, create_detector
from detectors.catalog import detector_class, load_detector, modules_of

TAXA = [["real", "real", "real", "camera"], ["fake", "EFS", "GAN", "x"]]


class Net(nn.Module):
    """Somebody's network."""

    def __init__(self, outputs: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=4)
        self.last = nn.Linear(4, outputs)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.last(torch.relu(self.conv(images)).mean(dim=(2, 3)))
        return found[:, 0] if self.last.out_features == 1 else found


NET = "tests.test_plain:Net"


def images(side: int = 224) -> torch.Tensor:
    return torch.rand(3, 3, side, side, generator=torch.Generator().manual_seed(0))


def test_a_plain_network_is_a_detector_in_one_name(tmp_path: Path) -> None:
    detector = create_detector(NET, size="tiny", taxa=TAXA, untrained=True)
    inputs = images()
    with torch.no_grad():
        expected = detector.network(inputs)  # type: ignore[operator]
    torch.testing.assert_close(detector.logits(list(inputs)), expected)
    detector.mark_trained()
    detector.save_pretrained(tmp_path / "net")
    again = detector_class(NET).from_pretrained(tmp_path / "net")
    torch.testing.assert_close(again.logits(list(inputs)), expected)
    assert modules_of([NET]) == {"tests.test_plain"}


def test_two_outputs_are_real_and_fake_and_weights_are_read(tmp_path: Path) -> None:
    torch.manual_seed(1)
    net = Net(2)
    held = {f"module.{name}": t for name, t in net.state_dict().items()}
    torch.save({"state_dict": held}, tmp_path / "best.pth")
    detector = create_detector(
        f"{NET}={tmp_path / 'best.pth'}", network={"outputs": 2}, normalise="symmetric"
    )
    assert detector.trained
    assert detector.init.startswith("weights:")
    inputs = images()
    with torch.no_grad():
        both = net(2 * inputs - 1)
    torch.testing.assert_close(detector.logits(list(inputs)), both[:, 1] - both[:, 0])
    with pytest.raises(WeightsError, match=r"2 tensors are of another shape: last\.bias, "):
        create_detector(f"{NET}={tmp_path / 'best.pth'}")


def test_what_gives_no_logit_is_refused() -> None:
    detector = create_detector(NET, network={"outputs": 3}, untrained=True)
    with pytest.raises(DetectorError, match=r"its network gives \(3, 3\) for 3 images: one logit"):
        detector.logits(list(images()))
    with pytest.raises(DetectorError, match="its network takes other arguments"):
        create_detector(NET, network={"width": 3})
    with pytest.raises(DetectorError, match="normalise is none, symmetric, imagenet, not 'clip'"):
        create_detector(NET, normalise="clip")


def test_a_network_of_timm_is_a_detector_in_one_name(tmp_path: Path) -> None:
    torch.manual_seed(0)
    detector = create_detector("timm:test_resnet", size="tiny", untrained=True)
    assert detector.logits(list(images(128))).shape == (3,)
    card = shipped_card("timm:test_resnet")
    assert card is not None
    assert card.name == "timm:test_resnet"
    assert modules_of(["timm:test_resnet"]) == frozenset()
    held = timm.create_model("test_resnet", num_classes=1).state_dict()
    torch.save(held, tmp_path / "x.pth")
    trained = create_detector(f"timm:test_resnet={tmp_path / 'x.pth'}", size="tiny")
    assert trained.trained
    trained.save_pretrained(tmp_path / "saved")
    again = load_detector(tmp_path / "saved")
    assert torch.equal(again.logits(list(images(128))), trained.logits(list(images(128))))
    with pytest.raises(UnknownDetectorError, match="timm has no network 'resnet1' with one head"):
        create_detector("timm:resnet1")


def test_a_file_of_the_command_line_is_a_module(tmp_path: Path) -> None:
    (tmp_path / "somebodys_net.py").write_text("from tests.test_plain import Net as Mine\n")
    (tmp_path / "my-net.py").touch()
    before = list(sys.path)
    try:
        named = from_files([f"{tmp_path}/somebodys_net.py:Mine", "xception"])
        assert named == ["somebodys_net:Mine", "xception"]
        assert create_detector("somebodys_net:Mine", untrained=True).card.title == "Net"
        with pytest.raises(BenchmarkError, match=r"there is no file .*nowhere\.py"):
            from_files([f"{tmp_path}/nowhere.py:Mine"])
        with pytest.raises(BenchmarkError, match="'my-net' is no name of a module"):
            from_files([f"{tmp_path}/my-net.py:Mine"])
    finally:
        sys.path[:] = before
