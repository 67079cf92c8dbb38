from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from benchmark.cli.app import app
from detectors import InputError, UntrainedDetectorError, create_detector
from detectors.base import Known
from detectors.cards import CARDS
from detectors.catalog import load_detector

NAMES = sorted(name for name, card in CARDS.items() if card.sanity)
IMAGES = list(torch.rand(4, 3, 70, 90, generator=torch.Generator().manual_seed(0)))
KNOWN = Known(labels=torch.tensor([1.0, 0.0, 0.0, 1.0]))


def test_constant_and_oracle_are_the_checks() -> None:
    assert NAMES == ["constant", "oracle"]
    assert all(CARDS[name].kind == "floor" and CARDS[name].fit == "none" for name in NAMES)


def test_constant_answers_nothing_and_oracle_the_truth() -> None:
    answers = {
        name: create_detector(name, untrained=True).logits(IMAGES, KNOWN).tolist() for name in NAMES
    }
    assert answers == {"constant": [0, 0, 0, 0], "oracle": [1, -1, -1, 1]}


@pytest.mark.parametrize("name", NAMES)
def test_a_check_is_saved_and_refuses_like_a_detector(name: str, tmp_path: Path) -> None:
    detector = create_detector(name, size="tiny")
    with pytest.raises(UntrainedDetectorError, match=f"{name} is not trained"):
        detector.logits(IMAGES, KNOWN)
    detector.mark_trained()
    detector.save_pretrained(tmp_path / "model")
    again = load_detector(tmp_path / "model")
    assert torch.equal(again.logits(IMAGES, KNOWN), detector.logits(IMAGES, KNOWN))


def test_the_oracle_without_labels_says_what_it_needs() -> None:
    detector = create_detector("oracle", untrained=True)
    with pytest.raises(InputError, match="oracle answers with the labels of images"):
        detector.logits(IMAGES)


def test_only_an_oracle_is_told_the_truth() -> None:
    assert [name for name, card in CARDS.items() if "labels" in card.needs] == ["oracle"]


def test_the_checks_are_not_listed_among_the_detectors() -> None:
    listed = CliRunner().invoke(app, ["list", "detectors"]).output
    assert "shortcut" in listed
    assert not any(f" {name} " in listed for name in NAMES)
