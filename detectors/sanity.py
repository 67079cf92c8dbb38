"""Checks of the benchmark itself: a row that must be at chance, and one that must be perfect."""

from typing import Any

from torch import Tensor

from detectors.base import Detector, Known, Sides
from detectors.cards import floor as cards
from detectors.errors import InputError
from detectors.parts.network import FixedSideDetector


class _Sanity(FixedSideDetector):
    """A detector without parameters, on inputs that others use too."""

    sides = Sides(tiny=128, base=256)
    init = "none"

    def architecture(self) -> dict[str, Any]:
        """Say the size."""
        return {"size": self.size}


class Constant(_Sanity):
    """Answers 0 to every image: an AUC of exactly 0.5 and an accuracy at chance are its due."""

    card = cards.CONSTANT

    def features(self, inputs: Tensor) -> Tensor:
        """Give (B, 1) zeros."""
        return inputs.new_zeros(len(inputs), 1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Give (B,) zeros."""
        return inputs.new_zeros(len(inputs))


class Oracle(_Sanity):
    """Answers the truth, 1 or -1: whatever is not perfect in its row is the benchmark's fault.

    It alone is told the labels of what it scores (``is_told_labels``).
    """

    card = cards.ORACLE

    def features(self, inputs: Tensor) -> Tensor:
        """Refuse: it looks at no input."""
        raise InputError("oracle has no features: it looks at labels alone")

    def forward(self, inputs: Tensor) -> Tensor:
        """Refuse: it looks at no input."""
        return self.answer(inputs, Known())

    def answer(self, inputs: Tensor, known: Known) -> Tensor:
        """Give (B,) logits: 1 for fake, -1 for real."""
        if known.labels is None:
            raise InputError("oracle answers with the labels of images: pass known=Known(labels=)")
        return 2 * known.labels.float() - 1


def is_told_labels(detector: Detector) -> bool:
    """Tell whether a detector is told the labels of what it scores: whatever its card says."""
    return type(detector) is Oracle
