"""A detector of one's own, written by a test: what it imports and what its constructor does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark.training.identity import own_identity

Write = Callable[[str, str], Path]
TAXA = [["real", "real", "real", "camera"], ["fake", "EFS", "GAN", "x"]]
DETECTOR = """
import torch
from detectors.base import Detector
from detectors.card import Card
{imports}

class Mine(Detector):
    card = Card(
        name="mine", title="Mine", paper="none", year=2026, kind="spatial", fidelity="for tests",
        licence="none", pretraining="none", fit="{fit}",
    )

    def __init__(self, *, weights=None, **shared):
        super().__init__(input_size=8, **shared)
        self.head = torch.nn.Linear(1, 1)
        {constructor}

    def forward(self, inputs):
        return self.head(inputs.mean((1, 2, 3))[:, None])[:, 0]
"""


def detector(imports: str = "", constructor: str = "pass", fit: str = "gradient") -> str:
    return DETECTOR.format(imports=imports, constructor=constructor, fit=fit)


def identity_of(name: str = "mine:Mine", **options: object) -> dict[str, Any]:
    return own_identity(name, options, size="tiny", taxa=TAXA, seed=0)


def edit(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    """Let a module's file read as if it defined one thing more."""
    edited = Path(f"{module.replace('.', '/')}.py").parts
    read = Path.read_bytes

    def changed(path: Path) -> bytes:
        return read(path) + (b"\nEDITED = 1\n" if path.parts[-len(edited) :] == edited else b"")

    monkeypatch.setattr(Path, "read_bytes", changed)
