"""Spectrum: the azimuthal mean of the Fourier power spectrum and a logistic regression."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from detectors.base import Batch, Detector, Size
from detectors.card import Card
from detectors.cards.frequency import SPECTRUM
from detectors.errors import DetectorError
from detectors.filters import grey

# Added to the power before the logarithm. Rounding to 8 bits leaves white noise of power
# (1/255)^2 / 12 = 1.3e-6, so that 1e-8 bounds the logarithm below all that an image can hold.
FLOOR = 1e-8


class Spectrum(Detector):
    """Logistic regression on the azimuthally averaged log power spectrum.

    The recipe, for one (3, S, S) image in [0, 1]:

    1. grey: g = 0.299 R + 0.587 G + 0.114 B;
    2. power: P(u, v) = abs(F(u, v))^2, F the two-dimensional discrete Fourier transform of g
       divided by S (orthonormal), without window; u and v are signed integer frequencies;
    3. logarithm: L = ln(P + 1e-8);
    4. azimuthal mean: f_r = mean of L over all (u, v) with floor(sqrt(u^2 + v^2)) = r, for
       r = 0, 1, ..., floor(S / sqrt(2)): the corners, where up-sampling by two leaves its
       strongest trace, are kept;
    5. standardise: z_r = (f_r - mean_r) / scale_r by mean and standard deviation of the training
       images; a frequency that never varies gets scale 1;
    6. logit: z . coef + intercept, fitted by scikit-learn's ``LogisticRegression`` (L2, C = 1,
       balanced class weights).

    All of it in float64. Steps 1 to 5 are ``features``.

    Args:
        size: ``tiny`` (S = 128) or ``base`` (S = 256).
        pretrained: False or None; there are no weights to start from.
        input_size: Another S.
        taxa: Kinds of training image; kept, not used.
        untrained: Give logits before training too (all 0).

    Raises:
        DetectorError: Pretrained weights are asked for.
    """

    card: ClassVar[Card] = SPECTRUM
    radius: Tensor
    count: Tensor
    mean: Tensor
    scale: Tensor
    init = "none"

    def __init__(
        self,
        *,
        size: Size = "base",
        pretrained: bool | str | None = None,
        input_size: int | None = None,
        taxa: Iterable[Sequence[str]] = (),
        untrained: bool = False,
    ) -> None:
        default = 128 if size == "tiny" else 256
        side = default if input_size is None else input_size
        super().__init__(input_size=side, size=size, taxa=taxa, untrained=untrained)
        if pretrained:
            raise DetectorError(
                "spectrum has no pretrained weights: leave pretrained out, or load a fitted one "
                "with from_pretrained"
            )
        frequency = torch.fft.fftfreq(side, d=1 / side, dtype=torch.float64).round()  # (S,)
        radius = torch.hypot(frequency[:, None], frequency[None, :]).floor().long().flatten()
        count = torch.bincount(radius).double()
        self.register_buffer("radius", radius, persistent=False)  # (S * S,)
        self.register_buffer("count", count, persistent=False)  # (d,)
        self.register_buffer("mean", torch.zeros_like(count))
        self.register_buffer("scale", torch.ones_like(count))
        # Parameters, so that they are counted; no gradient, since scikit-learn fits them.
        self.coef = nn.Parameter(torch.zeros_like(count), requires_grad=False)
        zero = torch.zeros((), dtype=torch.float64)
        self.intercept = nn.Parameter(zero, requires_grad=False)

    def spectrum(self, inputs: Tensor) -> Tensor:
        """Give the (B, d) float64 mean log power per radius, d = floor(S / sqrt(2)) + 1."""
        luma = grey(inputs.double())[:, 0]  # (B, S, S)
        power = torch.fft.fft2(luma, norm="ortho").abs().square()
        log_power = torch.log(power + FLOOR).flatten(1)  # (B, S * S)
        sums = log_power.new_zeros(len(log_power), len(self.count))
        sums.index_add_(1, self.radius, log_power)
        return sums / self.count

    def features(self, inputs: Tensor) -> Tensor:
        """Give the (B, d) standardised spectrum, float64."""
        return (self.spectrum(inputs) - self.mean) / self.scale

    def forward(self, inputs: Tensor) -> Tensor:
        """Give (B,) float32 logits for (B, 3, S, S) inputs in [0, 1]; > 0 means fake."""
        # Not a matrix product: mixed precision would round its arguments to 16 bits.
        weighted = self.features(inputs) * self.coef  # (B, d)
        return (weighted.sum(dim=1) + self.intercept).float()

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

        spectra, labels = self._spectra(train)
        if len(np.unique(labels)) < 2:
            fakes = int((labels > 0.5).sum())
            raise DetectorError(
                f"spectrum needs real and fake training images: got {len(labels) - fakes} real "
                f"and {fakes} fake"
            )
        scaler = StandardScaler().fit(spectra)
        model = LogisticRegression(class_weight="balanced", max_iter=10_000)
        model.fit(scaler.transform(spectra), labels)
        if model.n_iter_[0] >= model.max_iter:
            raise DetectorError(f"spectrum: no convergence within {model.max_iter} iterations")
        self.mean.copy_(torch.from_numpy(scaler.mean_))
        self.scale.copy_(torch.from_numpy(scaler.scale_))
        self.coef.copy_(torch.from_numpy(model.coef_[0]))
        self.intercept.fill_(float(model.intercept_[0]))
        self.mark_trained()
        facts = {
            "images": float(len(labels)),
            "iterations": float(model.n_iter_[0]),
            "train_accuracy": self._accuracy(spectra, labels),
        }
        spectra, labels = self._spectra(val)
        if len(labels):
            facts["val_accuracy"] = self._accuracy(spectra, labels)
        return facts

    def architecture(self) -> dict[str, Any]:
        """Say the input size, which the number of frequencies follows from."""
        return {"size": self.size, "pretrained": False, "input_size": self.transform.size}

    @torch.no_grad()
    def _spectra(self, batches: Iterable[Batch]) -> tuple[np.ndarray, np.ndarray]:
        """Give the (n, d) spectra and (n,) labels of all batches."""
        spectra, labels = [np.empty((0, len(self.count)))], [np.empty(0)]
        for batch in batches:
            spectra.append(self.spectrum(batch.inputs.to(self.device)).cpu().numpy())
            labels.append(batch.labels.double().cpu().numpy())
        return np.concatenate(spectra), np.concatenate(labels)

    def _accuracy(self, spectra: np.ndarray, labels: np.ndarray) -> float:
        """Give the share of spectra on their label's side of logit 0."""
        standardised = (torch.from_numpy(spectra).to(self.device) - self.mean) / self.scale
        logits = (standardised * self.coef).sum(dim=1) + self.intercept
        return float(((logits > 0).cpu().numpy() == (labels > 0.5)).mean())
