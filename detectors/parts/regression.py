"""Detectors that are a logistic regression on a few measured numbers."""

from collections.abc import Iterable
from typing import Unpack

import numpy as np
import torch
from torch import Tensor, nn

from detectors.base import Batch, Known
from detectors.errors import DetectorError
from detectors.parts.network import AnySideDetector, AnySideOptions


class RegressionDetector(AnySideDetector):
    """Logistic regression on d numbers an image; a subclass says in ``measure`` what they are.

    They are standardised by mean and standard deviation of the training images (a number that never
    varies gets scale 1) and become the t terms of ``expand``, by default themselves; logit:
    terms . coef + intercept, fitted by scikit-learn's ``LogisticRegression`` (L2, C = 1, balanced
    class weights). All of it in float64.

    Before training all logits are 0.

    Args:
        shared: As ``AnySideDetector``; there are no weights to start from.

    Attributes:
        numbers: d, set before this constructor is called.
        mean: (d,) float64, and so is ``scale``; ``coef`` is (t,).
    """

    numbers: int
    mean: Tensor
    scale: Tensor
    init = "none"

    def __init__(self, **shared: Unpack[AnySideOptions]) -> None:
        super().__init__(**shared)
        zeros = torch.zeros(self.numbers, dtype=torch.float64)
        self.register_buffer("mean", zeros.clone())
        self.register_buffer("scale", torch.ones_like(zeros))
        # Parameters, so that they are counted; no gradient, since scikit-learn fits them.
        terms = self.expand(zeros[None])[0]
        self.coef = nn.Parameter(torch.zeros_like(terms), requires_grad=False)
        zero = torch.zeros((), dtype=torch.float64)
        self.intercept = nn.Parameter(zero, requires_grad=False)

    def measure(self, inputs: Tensor, known: Known) -> Tensor:
        """Give (B, d) float64 numbers of (B, 3, S, S) inputs and what is known beside them."""
        raise NotImplementedError(f"{type(self).__name__} defines no measure")

    def expand(self, standardised: Tensor) -> Tensor:
        """Give the (B, t) terms of (B, d) standardised numbers."""
        return standardised

    def features(self, inputs: Tensor) -> Tensor:
        """Give the (B, t) terms, float64."""
        return self._terms(self.measure(inputs, Known()))

    def forward(self, inputs: Tensor) -> Tensor:
        """Give (B,) float32 logits for (B, 3, S, S) inputs in [0, 1]; > 0 means fake."""
        return self.answer(inputs, Known())

    def answer(self, inputs: Tensor, known: Known) -> Tensor:
        """Give (B,) float32 logits of inputs and what is known beside them; > 0 means fake."""
        return self._logits(self.measure(inputs, known)).float()

    def fit(self, train: Iterable[Batch], val: Iterable[Batch]) -> dict[str, float]:
        """Fit mean, scale and regression to ``train``; ``val`` is only scored.

        Args:
            train: Batches with both labels.
            val: Batches; may be empty.

        Returns:
            ``images`` and ``iterations`` of the fit, and the accuracy at logit 0 on both sets,
            ``train_accuracy`` and (where there are images) ``val_accuracy``.

        Raises:
            DetectorError: ``train`` lacks a class, or the regression did not converge.
        """
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler

        numbers, labels = self._measured(train)
        need_both_classes(self.card.name, fakes=int((labels > 0.5).sum()), images=len(labels))
        scaler = StandardScaler().fit(numbers)
        self.mean.copy_(torch.from_numpy(scaler.mean_))
        self.scale.copy_(torch.from_numpy(scaler.scale_))
        terms = self._terms(torch.from_numpy(numbers).to(self.device)).cpu().numpy()
        model = LogisticRegression(class_weight="balanced", max_iter=10_000)
        model.fit(terms, labels)
        if model.n_iter_[0] >= model.max_iter:
            raise DetectorError(
                f"{self.card.name}: no convergence within {model.max_iter} iterations"
            )
        self.coef.copy_(torch.from_numpy(model.coef_[0]))
        self.intercept.fill_(float(model.intercept_[0]))
        self.mark_trained()
        facts = {
            "images": float(len(labels)),
            "iterations": float(model.n_iter_[0]),
            "train_accuracy": self._accuracy(numbers, labels),
        }
        numbers, labels = self._measured(val)
        if len(labels):
            facts["val_accuracy"] = self._accuracy(numbers, labels)
        return facts

    def _terms(self, numbers: Tensor) -> Tensor:
        """Give the (B, t) terms of (B, d) numbers."""
        return self.expand((numbers - self.mean) / self.scale)

    def _logits(self, numbers: Tensor) -> Tensor:
        """Give (B,) float64 logits of (B, d) numbers."""
        # Not a matrix product: mixed precision would round its arguments to 16 bits.
        return (self._terms(numbers) * self.coef).sum(dim=1) + self.intercept

    @torch.no_grad()
    def _measured(self, batches: Iterable[Batch]) -> tuple[np.ndarray, np.ndarray]:
        """Give the (n, d) numbers and (n,) labels of all batches."""
        numbers, labels = [np.empty((0, len(self.mean)))], [np.empty(0)]
        for batch in batches:
            known = batch.known_to(self.card).to(self.device)
            numbers.append(self.measure(batch.inputs.to(self.device), known).cpu().numpy())
            labels.append(batch.labels.double().cpu().numpy())
        return np.concatenate(numbers), np.concatenate(labels)

    def _accuracy(self, numbers: np.ndarray, labels: np.ndarray) -> float:
        """Give the share of images on their label's side of logit 0."""
        logits = self._logits(torch.from_numpy(numbers).to(self.device))
        return float(((logits > 0).cpu().numpy() == (labels > 0.5)).mean())


def need_both_classes(detector: str, *, fakes: int, images: int) -> None:
    """Raise DetectorError unless some of so many training images are fake and some are real."""
    if fakes in (0, images):
        raise DetectorError(
            f"{detector} needs real and fake training images: got {images - fakes} real "
            f"and {fakes} fake"
        )
