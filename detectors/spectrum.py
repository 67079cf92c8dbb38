"""Spectrum: the azimuthal mean of the Fourier power spectrum and a logistic regression."""

from typing import Unpack

import torch
from torch import Tensor

from detectors.base import Known, Sides
from detectors.cards import frequency as cards
from detectors.parts.filters import grey
from detectors.parts.network import AnySideOptions
from detectors.parts.regression import RegressionDetector

# Added to the power before the logarithm. Rounding to 8 bits leaves white noise of power
# (1/255)^2 / 12 = 1.3e-6, so that 1e-8 bounds the logarithm below all that an image can hold.
LEAST_POWER = 1e-8


class Spectrum(RegressionDetector):
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
        shared: As ``RegressionDetector``; S is 128 for ``tiny`` and 256 for ``base``.

    Raises:
        DetectorError: Pretrained weights are asked for.
    """

    card = cards.SPECTRUM
    sides = Sides(tiny=128, base=256)
    radius: Tensor
    count: Tensor

    def __init__(self, **shared: Unpack[AnySideOptions]) -> None:
        side = self.side_of(shared.get("size", "base"), shared.get("input_size"))
        frequency = torch.fft.fftfreq(side, d=1 / side, dtype=torch.float64).round()  # (S,)
        radius = torch.hypot(frequency[:, None], frequency[None, :]).floor().long().flatten()
        count = torch.bincount(radius).double()
        self.numbers = len(count)
        super().__init__(**shared)
        self.register_buffer("radius", radius, persistent=False)  # (S * S,)
        self.register_buffer("count", count, persistent=False)  # (d,)

    def spectrum(self, inputs: Tensor) -> Tensor:
        """Give the (B, d) float64 mean log power per radius, d = floor(S / sqrt(2)) + 1."""
        luma = grey(inputs.double())[:, 0]  # (B, S, S)
        power = torch.fft.fft2(luma, norm="ortho").abs().square()
        log_power = torch.log(power + LEAST_POWER).flatten(1)  # (B, S * S)
        sums = log_power.new_zeros(len(log_power), len(self.count))
        sums.index_add_(1, self.radius, log_power)
        return sums / self.count

    def measure(self, inputs: Tensor, known: Known) -> Tensor:
        """Give the (B, d) spectrum; nothing else is looked at."""
        return self.spectrum(inputs)
