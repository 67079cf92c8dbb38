"""What most detectors are built on: a constructor, and the way from features to a logit."""

from pathlib import Path
from typing import Any, Unpack

import pytest
import torch
from torch import Tensor, nn

from benchmark.study.tracks import takes_input_size
from detectors import DetectorError, WeightsError
from detectors.base import Sides
from detectors.card import Card
from detectors.counting import option_names
from detectors.parts.network import AnySideOptions, FixedSideDetector, NetworkDetector

CARD: dict[str, Any] = {
    "name": "small",
    "title": "Small",
    "paper": "none",
    "year": 2026,
    "kind": "spatial",
    "fidelity": "exact",
    "licence": "MIT",
    "pretraining": "none",
}


class Small(NetworkDetector):
    card = Card(**CARD, fit="gradient")
    sides = Sides(tiny=16, base=32)

    def __init__(self, *, width: int = 4, **shared: Unpack[AnySideOptions]) -> None:
        super().__init__(**shared)
        self.layer = nn.Conv2d(3, width, 3)
        self.head = nn.Linear(width, 1)

    def features(self, inputs: Tensor) -> Tensor:
        return torch.as_tensor(self.layer(inputs).mean(dim=(2, 3)))


class Published(Small):
    published = "someone/small"


class Fitted(Small):
    card = Card(**CARD, fit="estimator")


class Fixed(FixedSideDetector):
    card = Card(**CARD, fit="none")
    sides = Sides(tiny=16, base=32)


def test_a_detector_states_its_layers_and_its_features_alone(tmp_path: Path) -> None:
    detector = Small(size="tiny", width=2, input_size=24, untrained=True)
    images = list(torch.rand(3, 3, 40, 30, generator=torch.Generator().manual_seed(0)))
    logits = detector.logits(images)
    prepared = torch.stack([detector.prepare(image) for image in images])
    assert torch.equal(logits, detector.decide(detector.features(prepared)).detach())
    assert logits.shape == (3,)
    detector.mark_trained()
    detector.save_pretrained(tmp_path / "model")
    assert torch.equal(Small.from_pretrained(tmp_path / "model").logits(images), logits)
    options = {"size": "tiny", "width": 2, "input_size": 24, "pretrained": False}
    assert detector.config()["options"] == options


def test_a_constructor_that_passes_options_on_takes_them() -> None:
    assert option_names(Small) == {"width", "pretrained", "last_layer", "input_size"}
    assert takes_input_size(Small)
    assert not takes_input_size(Fixed)
    assert [Small(size=size).transform.size for size in ("tiny", "base")] == [16, 32]
    assert Fixed(size="tiny").transform.size == 16
    with pytest.raises(TypeError, match="'input_size'"):
        Fixed(input_size=16)  # type: ignore[call-arg]


def test_where_no_weights_are_published_none_can_be_asked_for() -> None:
    assert Small(pretrained=False).start is None
    said = "small has no pretrained weights: leave pretrained out, or load a trained one with from_"
    with pytest.raises(DetectorError, match=said):
        Small(pretrained=True)
    with pytest.raises(DetectorError, match="or load a fitted one with from_pretrained"):
        Fitted(pretrained="folder")


def test_published_weights_are_where_the_size_base_starts() -> None:
    assert Published(size="base").start == "someone/small"
    assert Published(size="base", pretrained=False).start is None
    assert Published(size="tiny").start is None
    assert Published(size="tiny", pretrained="folder").start == "folder"
    with pytest.raises(WeightsError, match="small has no published weights of size tiny"):
        Published(size="tiny", pretrained=True)
