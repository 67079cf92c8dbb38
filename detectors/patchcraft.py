"""PatchCraft: the noise of rich texture against the noise of poor texture."""

from typing import Unpack

import torch
from torch import Tensor, nn

from detectors.base import Sides
from detectors.cards import frequency as cards
from detectors.parts.filters import FixedFilters, whole_bank
from detectors.parts.network import AnySideOptions, NetworkDetector
from detectors.parts.streams import follow_quickly
from detectors.parts.textures import Cutter, texture

SHARE = 3  # a third of the patches is rich, a third poor
_BLOCKS = (4, 2, 2, 2)  # convolutions between one pooling and the next


class PatchCraft(NetworkDetector):
    """The contrast between an image's rich and poor textures, through a small network.

    Patches are drawn and ordered by texture; the richest third is laid out as one image and the
    poorest third as another. Both go through the 30 filters of the spatial rich model and one
    learned convolution; a network sees the difference. Trained by binary cross-entropy.

    ``tiny`` has 48 patches of 16 px and 16 channels (input 128), ``base`` 192 patches of 32 px and
    32 channels (input 256).

    Args:
        shared: As ``AnySideDetector``; the side is at least a patch.

    Raises:
        DetectorError: Pretrained weights are asked for, or no patch fits into the input.
    """

    card = cards.PATCHCRAFT
    sides = Sides(tiny=128, base=256)

    def __init__(self, **shared: Unpack[AnySideOptions]) -> None:
        super().__init__(**shared)
        side = self.transform.size
        patch, self.grid, width = (16, 4, 16) if self.size == "tiny" else (32, 8, 32)
        self.cutter = Cutter(patch, SHARE * self.grid**2, detector="patchcraft")
        self.cutter.places(torch.empty(1, 3, side, side), training=False)
        filters, centres = whole_bank()
        # The mean over the channels, each centre scaled to 1.
        self.bank = FixedFilters(filters, [3 * centre for centre in centres], unit=1.0)
        self.fingerprint = nn.Sequential(
            nn.Conv2d(len(filters), width, 3, padding=1), nn.BatchNorm2d(width), nn.Hardtanh()
        )
        stages: list[nn.Module] = []
        for depth in _BLOCKS:
            stages += [_block(width) for _ in range(depth)]
            stages.append(nn.AvgPool2d(2))
        self.network = nn.Sequential(*stages[:-1], nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(width, 1)
        if self.size == "tiny":
            follow_quickly(self)

    def textures(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Lay out the rich and the poor texture of (B, 3, S, S) images.

        Returns:
            Two (B, 3, g p, g p): g x g patches of side p, row by row from the most extreme one.
        """
        places = self.cutter.places(inputs, training=self.training)
        found, count = texture(inputs, places, self.cutter.side), self.grid**2
        # No two are equal: of equal textures, the one that was drawn later counts as richer.
        number = torch.arange(self.cutter.count, device=inputs.device)
        ranked = found * self.cutter.count + number
        chosen = [ranked.topk(count, largest=largest).indices for largest in (True, False)]
        rich, poor = (
            self._laid_out(inputs, places.gather(1, which[..., None].expand(-1, -1, 2)))
            for which in chosen
        )
        return rich, poor

    def features(self, inputs: Tensor) -> Tensor:
        """Give the (B, d) pooled contrast; d is 32 for base and 16 for tiny."""
        rich, poor = (self._fingerprint(image) for image in self.textures(inputs))
        pooled: Tensor = self.network(rich - poor)
        return pooled

    def _laid_out(self, inputs: Tensor, places: Tensor) -> Tensor:
        """Cut patches at (B, g * g, 2) places and lay them out as one image."""
        patches = self.cutter.cut(inputs, places)  # (B, g * g, 3, p, p)
        grid = patches.reshape(inputs.shape[0], self.grid, self.grid, *patches.shape[2:])
        rows = grid.permute(0, 3, 1, 4, 2, 5)  # (B, 3, g, p, g, p)
        return rows.flatten(4).flatten(2, 3)

    def _fingerprint(self, image: Tensor) -> Tensor:
        """Give the (B, width, H, W) learned noise of (B, 3, H, W) images in [0, 1]."""
        found: Tensor = self.fingerprint(self.bank(255 * image.float()))
        return found


def _block(width: int) -> nn.Sequential:
    """Build a convolution with its normalisation and activation."""
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
    )
