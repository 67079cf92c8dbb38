"""What the contract of detectors is tested with: easy images, and detectors trained on them."""

import functools
import time
from collections.abc import Sequence
from io import BytesIO

import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from detectors import create_detector
from detectors.base import Batch, Detector, Known
from detectors.cards import CARDS
from detectors.files import file_facts

# The checks of the benchmark itself look at no image: tests/test_sanity.py.
NAMES = sorted(name for name, card in CARDS.items() if not card.sanity)
EVERY = pytest.mark.parametrize("name", NAMES)
TOLERANCE = 1e-5
STEPS = 30
# Running statistics of its batch norms follow the weights more slowly than the weights learn.
STEPS_OF = {"multitask": 60}
TAXA = (
    ("real", "real", "real", "real"),
    ("fake", "EFS", "GAN", "StyleGAN"),
    ("fake", "FS", "autoencoder", "FaceSwap"),
)


def easy_image(kind: int, seed: int, side: int = 128) -> Tensor:
    """Draw a smooth field (kind 0), or a warmer one with an up-sampling trace (kinds 1 and 2)."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 6, 6, generator=generator)
    smooth = F.interpolate(coarse, size=(side, side), mode="bicubic").clamp(0, 1)[0]
    image = 0.2 + 0.5 * smooth + 0.01 * torch.randn(3, side, side, generator=generator)
    if kind:
        line = torch.arange(side).div(kind, rounding_mode="floor") % 2
        trace = 2.0 * (line[:, None] ^ line[None, :]) - 1
        image = image + 0.06 * trace + torch.tensor([0.15, 0.0, -0.15])[:, None, None]
    return image.clamp(0, 1)


@functools.cache
def easy_images() -> tuple[tuple[Tensor, ...], Tensor]:
    """Give 32 images and their (32,) index into ``TAXA``: half of them are real."""
    taxa = torch.tensor([0, 1, 0, 2] * 8)
    return tuple(easy_image(int(kind), seed) for seed, kind in enumerate(taxa)), taxa


def easy_batch(detector: Detector) -> Batch:
    images, taxa = easy_images()
    most = detector.card.batch_dependent
    images, taxa = images[:most], taxa[:most]
    inputs = torch.stack([detector.prepare(image) for image in images])
    facts = known_for(detector, images).facts
    return Batch(inputs=inputs, labels=(taxa > 0).float(), taxa=taxa, facts=facts)


def known_for(detector: Detector, images: Sequence[Tensor]) -> Known:
    """Store the images, where the detector looks at files."""
    if "file" not in detector.card.needs:
        return Known()
    return Known(facts=torch.tensor([file_facts(stored(image)) for image in images]))


def stored(image: Tensor) -> bytes:
    file = BytesIO()
    pixels = (image * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


def ask(detector: Detector, images: Sequence[Tensor]) -> Tensor:
    return detector.logits(images, known_for(detector, images))


def build(name: str, *, untrained: bool = False) -> Detector:
    torch.manual_seed(0)
    return create_detector(name, size="tiny", taxa=TAXA, untrained=untrained)


def train(detector: Detector, steps: int) -> Detector:
    batch = easy_batch(detector)
    if detector.card.fit == "estimator":
        detector.fit([batch], [])
    if detector.card.fit == "gradient":
        parameters = [p for p in detector.parameters() if p.requires_grad]
        optimiser = torch.optim.AdamW(parameters, lr=3e-3)
        detector.train()
        for _ in range(steps):
            optimiser.zero_grad()
            detector.loss(batch)["total"].backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    detector.mark_trained()
    return detector.eval()


@functools.cache
def timed_training(name: str) -> tuple[Detector, float]:
    start = time.process_time()
    return train(build(name), STEPS_OF.get(name, STEPS)), time.process_time() - start


def briefly_trained(name: str) -> Detector:
    """Train a detector on the easy images; shared, so a test must not change it."""
    return timed_training(name)[0]


def varied_logits(detector: Detector, images: list[Tensor]) -> Tensor:
    logits = ask(detector, images)
    assert logits.std() > 100 * TOLERANCE, "the logits do not vary: this would test nothing"
    return logits
