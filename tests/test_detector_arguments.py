"""What a detector of the catalog says when it is built, fitted or asked in the wrong way."""

import functools
from typing import Any

import pytest
import torch
from torch import Tensor

from detectors import DetectorError, InputError, create_detector
from detectors.base import Detector
from detectors.cards import CARDS
from tests.contract import (
    EVERY,
    TAXA,
    build,
    easy_batch,
    easy_images,
)


@functools.cache
def fresh(name: str) -> Detector:
    """Build a detector that answers untrained; shared, so a test must not change it."""
    return build(name, untrained=True)


@EVERY
@pytest.mark.parametrize(
    ("image", "said"),
    [
        (torch.zeros(3, 80, 80, dtype=torch.uint8), "got torch.uint8: divide 8-bit values by 255"),
        (torch.full((3, 80, 80), 255.0), r"an image lies in \[0, 1\], got values from 255 to 255"),
        (torch.full((3, 80, 80), -0.5), r"an image lies in \[0, 1\], got values from -0.5 to -0.5"),
        (torch.full((3, 80, 80), torch.nan), r"an image lies in \[0, 1\], got values from nan"),
        (torch.zeros(80, 80, 3), r"an image is a \(3, h, w\) tensor, got \(80, 80, 3\)"),
        (torch.zeros(1, 80, 80), r"an image is a \(3, h, w\) tensor, got \(1, 80, 80\)"),
        (torch.zeros(3, 0, 80), r"an image is a \(3, h, w\) tensor, got \(3, 0, 80\)"),
    ],
)
def test_what_is_no_image_is_refused(name: str, image: Tensor, said: str) -> None:
    detector, good = fresh(name), easy_images()[0][0]
    with pytest.raises(InputError, match=said):
        detector.prepare(image)
    with pytest.raises(InputError, match=said):
        detector.logits([good, image])


@EVERY
def test_one_pixel_out_of_range_is_refused(name: str) -> None:
    image = easy_images()[0][0].clone()
    image[1, 17, 23] = 1.001
    with pytest.raises(InputError, match=r"an image lies in \[0, 1\], got values from .* to 1"):
        fresh(name).prepare(image)


@EVERY
def test_no_image_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"{name} was given no image"):
        fresh(name).logits([])


@EVERY
def test_an_unknown_size_or_option_is_refused(name: str) -> None:
    with pytest.raises(DetectorError, match=f"{name} has the sizes tiny and base, not 'huge'"):
        create_detector(name, size="huge", taxa=TAXA)
    with pytest.raises(DetectorError, match=f"{name} takes other options: .*'colour'"):
        create_detector(name, size="tiny", taxa=TAXA, colour="red")


@EVERY
def test_only_an_estimator_is_fitted_in_one_call(name: str) -> None:
    detector = build(name)
    if detector.card.fit == "estimator":
        facts = detector.fit([easy_batch(detector)], [easy_batch(detector)])
        assert all(isinstance(value, float) for value in facts.values())
        return
    said = f"{name} is trained by fit: {detector.card.fit}, not in one call"
    with pytest.raises(DetectorError, match=said):
        detector.fit([], [])


@EVERY
def test_a_need_that_is_not_met_is_said_before_training(name: str) -> None:
    if {"prompts", "taxa"} & CARDS[name].needs:
        with pytest.raises(DetectorError, match=f"{name} needs the taxonomy of its training"):
            create_detector(name, size="tiny")
    else:
        assert create_detector(name, size="tiny").taxa == ()


@pytest.mark.parametrize("side", [0, -8, 7, "128", 96.0])
def test_a_side_that_no_network_takes_is_refused(side: Any) -> None:
    said = f"npr: input_size is a whole number of pixels, 8 or more, not {side!r}"
    with pytest.raises(DetectorError, match=said):
        create_detector("npr", size="tiny", input_size=side)
