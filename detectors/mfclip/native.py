"""An image both resized and as it came: noise is studied before a resize changes it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from detectors.transform import Transform


@dataclass(frozen=True)
class WithNative(Transform):
    """The resized image above the middle of the image as it came: (3, 2 size, size).

    Nothing resamples the lower half. An image that is too small for it is mirrored at its edges.
    """

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of an input."""
        return 3, 2 * self.size, self.size

    def resize(self, images: Tensor) -> Tensor:
        """Prepare (..., 3, h, w) float32 RGB in [0, 1], one or many of one size, unchecked."""
        rows, columns = (
            _middle(length, self.size, images.device) for length in (images.shape[-2:])
        )
        native = images[..., rows[:, None], columns]
        return torch.cat([super().resize(images), native], dim=-2)


def halves(inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Give the resized and the native image of inputs; of square inputs both are the input."""
    side = inputs.shape[-1]
    if inputs.shape[-2] == side:
        return inputs, inputs
    return inputs[..., :side, :], inputs[..., side:, :]


def _middle(length: int, side: int, device: torch.device) -> Tensor:
    """Give ``side`` indices from the middle of ``length``, mirrored where they leave it."""
    index = torch.arange(side, device=device) + (length - side) // 2
    index = index % (2 * length)
    return torch.minimum(index, 2 * length - 1 - index)
