"""Shortcut: tells forgeries by their files, not by their faces; what every table should beat."""

import torch
from torch import Tensor

from detectors.base import Known, Sides
from detectors.cards import floor as cards
from detectors.errors import InputError
from detectors.files import FACTS
from detectors.parts.regression import RegressionDetector

FACT_COLUMNS = len(FACTS) + 3
# A file unlike all training files must not outweigh everything else by its square.
FAR = 4.0


class Shortcut(RegressionDetector):
    """Logistic regression on facts of the stored file and the mean colour of the image.

    The 16 columns are the 13 ``detectors.files.FACTS`` and the mean of R, G and B over the input;
    standardised and held within 4 standard deviations, they and their 136 products (squares
    included) are the 152 terms of the regression. Where it scores well, real and forged images of a
    dataset can be told apart without a look at any face, and another detector's score on it may
    mean just that.

    Under a perturbation the facts stay those of the stored file, for no perturbed image is stored;
    the mean colour is measured on the perturbed pixels.

    Its sides are those of other detectors, whose prepared images it shares.

    Args:
        shared: As ``RegressionDetector``.

    Raises:
        DetectorError: Pretrained weights are asked for.
    """

    card = cards.SHORTCUT
    sides = Sides(tiny=128, base=256)
    numbers = FACT_COLUMNS

    def measure(self, inputs: Tensor, known: Known) -> Tensor:
        """Give the (B, 16) facts and mean colours.

        Raises:
            InputError: The facts of the files are not there.
        """
        if known.facts is None:
            raise InputError(
                "shortcut looks at the files of images: pass known=Known(facts=...), measured by "
                "detectors.files.file_facts"
            )
        colour = inputs.double().mean(dim=(2, 3))  # (B, 3)
        return torch.cat([known.facts.double(), colour], dim=1)

    def expand(self, standardised: Tensor) -> Tensor:
        """Give the (B, 152) columns and products of (B, 16) standardised columns."""
        columns = standardised.clamp(-FAR, FAR)
        first, second = torch.triu_indices(FACT_COLUMNS, FACT_COLUMNS, device=columns.device)
        return torch.cat([columns, columns[:, first] * columns[:, second]], dim=1)
