from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.study.checks import check_detectors
from benchmark.study.schema import study_of
from benchmark.study.tracks import recipes_of
from detectors import DetectorError, InputError, UntrainedDetectorError, create_detector
from detectors.base import Known
from detectors.cards import CARDS
from detectors.catalog import load_detector
from detectors.sanity import Oracle
from tests.small_data import Small

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


class Told(Small):
    """A detector of one's own that would like to be told the truth."""

    card = replace(Small.card, name="told", needs=frozenset({"labels"}))


class Batched(Small):
    """A detector of one's own whose card says that its scores depend on the batch."""

    card = replace(Small.card, name="batched", batch_dependent=8)


class Late(Small):
    """Its card says so only once it is built."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.card = replace(self.card, batch_dependent=8)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("Told", "tests.test_sanity:Told': its card needs 'labels', and no detector is told"),
        ("Posing", "tests.test_sanity:Posing': its card needs 'labels', and no detector is told"),
        ("Batched", "tests.test_sanity:Batched': its card says batch_dependent=8, and a score may"),
        ("Late", "tests.test_sanity:Late': its card says batch_dependent=8, and a score may"),
    ],
)
def test_a_users_detector_may_not_claim_what_is_the_benchmarks(name: str, sentence: str) -> None:
    with pytest.raises(DetectorError, match=sentence):
        create_detector(f"tests.test_sanity:{name}")


class Posing(Oracle):
    """An oracle in all but its class."""


def test_a_study_refuses_a_detector_that_asks_for_the_truth() -> None:
    changes: Any = {"detectors": ["tests.test_sanity:Told"], "size": "tiny"}
    with pytest.raises(DetectorError, match="its card needs 'labels'"):
        check_detectors(wanted := study_of("cross-generator", **changes), recipes_of(wanted))


def test_the_checks_are_not_listed_among_the_detectors() -> None:
    listed = CliRunner().invoke(app, ["list", "detectors"]).output
    assert "shortcut" in listed
    assert not any(f" {name} " in listed for name in NAMES)
