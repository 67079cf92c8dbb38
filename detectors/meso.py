"""Meso-4: four small convolutions, the classic small network against forged videos."""

from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor, nn

from detectors.base import Detector, Sides, Size
from detectors.cards.spatial import MESO4
from detectors.errors import DetectorError

# (channels, kernel, pooling) of the four blocks.
BLOCKS = ((8, 3, 2), (8, 5, 2), (16, 5, 2), (16, 5, 4))
SHRINKS = 32
HIDDEN = 16


class Meso4(Detector):
    """Four blocks of convolution, ReLU, batch norm and max-pooling, then 16 units and one logit.

    27,977 parameters at 256 pixels, as the paper counts.

    Source: Afchar et al., WIFS 2018 (arXiv 1809.00888), figure 4.

    Args:
        size: ``tiny`` (the same network at 128 pixels) or ``base`` (256).
        pretrained: False or None; there are no weights to start from.
        input_size: Another side in pixels, at least 32.
        taxa: Kinds of training image; kept, not used.
        untrained: Give logits before training too.

    Raises:
        DetectorError: Pretrained weights are asked for, or the input is too small.
    """

    card = MESO4
    sides = Sides(tiny=128, base=256)

    def __init__(
        self,
        *,
        size: Size = "base",
        pretrained: bool | str | None = None,
        input_size: int | None = None,
        taxa: Iterable[Sequence[str]] = (),
        untrained: bool = False,
    ) -> None:
        super().__init__(input_size=input_size, size=size, taxa=taxa, untrained=untrained)
        side = self.transform.size
        if pretrained:
            raise DetectorError(
                "meso4 has no weights in safetensors to start from: leave pretrained out, or load "
                "a trained one with from_pretrained"
            )
        if side < SHRINKS:
            raise DetectorError(f"meso4: input_size is at least {SHRINKS}, not {side}")
        layers: list[nn.Module] = []
        inputs = 3
        for channels, kernel, pooling in BLOCKS:
            layers += [
                nn.Conv2d(inputs, channels, kernel, padding="same"),
                nn.ReLU(inplace=True),
                nn.BatchNorm2d(channels),
                nn.MaxPool2d(pooling),
            ]
            inputs = channels
        self.blocks = nn.Sequential(*layers)
        self.hidden = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(0.5),
            nn.Linear(inputs * (side // SHRINKS) ** 2, HIDDEN),
            nn.LeakyReLU(0.1),
        )
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(HIDDEN, 1))

    def features(self, inputs: Tensor) -> Tensor:
        """Give the (B, 16) hidden units of (B, 3, S, S) inputs in [0, 1]."""
        maps = self.blocks(inputs)  # (B, 16, S / 32, S / 32)
        hidden: Tensor = self.hidden(maps)
        return hidden

    def forward(self, inputs: Tensor) -> Tensor:
        """Give (B,) logits for (B, 3, S, S) inputs in [0, 1]; > 0 means fake."""
        logits: Tensor = self.head(self.features(inputs))  # (B, 1)
        return logits.squeeze(1).float()

    def architecture(self) -> dict[str, Any]:
        """Say the input size, which the width of the first linear layer follows from."""
        return {"size": self.size, "pretrained": False, "input_size": self.transform.size}
