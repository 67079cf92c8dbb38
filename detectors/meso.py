"""Meso-4: four small convolutions, the classic small network against forged videos."""

from typing import Unpack

from torch import Tensor, nn

from detectors.base import Sides
from detectors.cards import spatial as cards
from detectors.errors import DetectorError
from detectors.parts.network import AnySideOptions, NetworkDetector

# (channels, kernel, pooling) of the four blocks.
_BLOCKS = ((8, 3, 2), (8, 5, 2), (16, 5, 2), (16, 5, 4))
SHRINKS = 32
HIDDEN = 16


class Meso4(NetworkDetector):
    """Four blocks of convolution, ReLU, batch norm and max-pooling, then 16 units and one logit.

    27,977 parameters at 256 pixels, as the paper counts.

    Source: Afchar et al., WIFS 2018 (arXiv 1809.00888), figure 4.

    Args:
        shared: As ``AnySideDetector``; ``tiny`` is the same network at 128 pixels. The side is at
            least 32.

    Raises:
        DetectorError: Pretrained weights are asked for, or the input is too small.
    """

    card = cards.MESO4
    sides = Sides(tiny=128, base=256)
    lacks = "weights in safetensors to start from"
    head: nn.Sequential

    def __init__(self, **shared: Unpack[AnySideOptions]) -> None:
        super().__init__(**shared)
        side = self.transform.size
        if side < SHRINKS:
            raise DetectorError(f"meso4: input_size is at least {SHRINKS}, not {side}")
        layers: list[nn.Module] = []
        inputs = 3
        for channels, kernel, pooling in _BLOCKS:
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
