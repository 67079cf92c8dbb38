"""A small dataset on disk and a small detector: an engine's test in a second, not a minute."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor, nn

from detectors.base import Detector, Size
from detectors.card import Card

GENERATORS = {"checker": ("EFS", "GAN", "one"), "tint": ("FS", "diffusion", "two")}


def write_dataset(folder: Path, count: int = 12, *, with_hashes: bool = True) -> Path:
    """Write images of two generators and two sources, ``count`` a class and split."""
    rows = []
    for split in ("train", "val", "test"):
        for number in range(count):
            for source in ("one", "two"):
                path = f"{source}/real/{split}{number}.png"
                rows.append((path, "real", "real", "real", "camera", source, split))
            for generator, (forgery, family, source) in GENERATORS.items():
                path = f"{source}/{generator}/{split}{number}.png"
                rows.append((path, "fake", forgery, family, generator, source, split))
    names = ["path", "label", "forgery", "family", "generator", "source", "split"]
    table = pd.DataFrame(rows, columns=names)
    for seed, (path, generator) in enumerate(zip(table["path"], table["generator"], strict=True)):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(_draw(seed, generator)).save(folder / path)
    if with_hashes:
        import hashlib

        table["sha256"] = [
            hashlib.sha256((folder / path).read_bytes()).hexdigest() for path in table["path"]
        ]
    table.to_csv(folder / "manifest.csv", index=False)
    return folder / "manifest.csv"


def _draw(seed: int, generator: str) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    """Draw a noisy ramp with the trace of ``generator``."""
    random = np.random.default_rng(seed)
    image = np.linspace(60, 180, 24)[None, :, None] + random.normal(0, 30, (24, 24, 3))
    if generator == "checker":
        image[::2, ::2] += 30
    if generator == "tint":
        image[..., 0] += 18
    return np.clip(image, 0, 255).astype(np.uint8)


class Small(Detector):
    """One convolution with dropout: it learns both traces and draws random numbers."""

    card: ClassVar[Card] = Card(
        name="small",
        title="Small",
        paper="none",
        year=2025,
        kind="spatial",
        fidelity="for tests",
        licence="Apache-2.0",
        pretraining="none",
        fit="gradient",
    )

    def __init__(
        self,
        *,
        size: Size = "tiny",
        taxa: Iterable[Sequence[str]] = (),
        untrained: bool = False,
        width: int = 8,
    ) -> None:
        super().__init__(input_size=24, size=size, taxa=taxa, untrained=untrained)
        self.conv = nn.Conv2d(3, width, 3, stride=2)
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(width, 1)

    def features(self, inputs: Tensor) -> Tensor:
        return torch.relu(self.conv(inputs - 0.5)).mean(dim=(2, 3))

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.head(self.dropout(self.features(inputs)))
        return logits[:, 0]


class Masked(Small):
    """It needs what no manifest gives."""

    card: ClassVar[Card] = replace(Small.card, name="masked", needs=frozenset({"mask"}))


class Exploding(Small):
    """Its loss is not a number."""

    def features(self, inputs: Tensor) -> Tensor:
        return super().features(inputs) * torch.nan


class Unmeasurable(Small):
    """It trains, and gives no number where it is measured."""

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs) * (1 if self.training else torch.nan)


class Dazzled(Small):
    """It gives no number for an image that is white."""

    def forward(self, inputs: Tensor) -> Tensor:
        white = inputs.mean(dim=(1, 2, 3)) > 0.99
        return super().forward(inputs).masked_fill(white, torch.nan)


class Diverged(Small):
    """A weight that plays no part in its scores is no number after training."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.unused = nn.Parameter(torch.full((3,), torch.inf), requires_grad=False)


SMALL = "tests.small_data:Small"
RECIPE = {
    "name": "small",
    "citation": "for tests",
    "optimizer": "adamw",
    "lr": 0.1,
    "weight_decay": 0.0,
    "schedule": "cosine",
    "warmup": 2,
    "clip": 5.0,
    "batch_size": 8,
    "steps": 24,
    "balanced": True,
    "evaluate_every": 4,
    "patience": None,
    "precision": "fp32",
    "augmentation": {"flip": 0.5},
}


def write_recipe(folder: Path, **changes: object) -> str:
    """Write a recipe of a few steps."""
    import yaml

    name = str(changes.get("name", "small"))
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(RECIPE | changes))
    return str(path)
