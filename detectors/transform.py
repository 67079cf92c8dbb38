"""From one image of any size to a detector's input."""

import hashlib
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from detectors.errors import InputError


@dataclass(frozen=True)
class Transform:
    """Resize the shorter side to ``size`` (bilinear, anti-aliased), then crop the centre.

    Detectors with equal transforms share one prepared tensor, so what differs between networks
    (normalisation) is part of the network, not of the transform.
    """

    antialias: ClassVar[bool] = True
    size: int
    version: int = 1

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of an input."""
        return 3, self.size, self.size

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits that name the transform."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:12]

    def __call__(self, image: Tensor) -> Tensor:
        """Prepare one image.

        Args:
            image: (3, h, w) float RGB in [0, 1], any size.

        Returns:
            (3, size, size) float32 in [0, 1].

        Raises:
            InputError: The tensor is not one such image.
        """
        check_image(image)
        return self.resize(image.float())

    def resize(self, images: Tensor) -> Tensor:
        """Prepare (..., 3, h, w) float32 RGB in [0, 1], images of one size; nothing is checked."""
        height, width = images.shape[-2:]
        scale = self.size / min(height, width)
        resized = [max(self.size, round(height * scale)), max(self.size, round(width * scale))]
        images = F.resize(images, resized, antialias=self.antialias)
        prepared: Tensor = F.center_crop(images, [self.size, self.size])
        return prepared.clamp(0, 1)


@dataclass(frozen=True)
class Aliased(Transform):
    """The same without anti-aliasing: finer detail than the result can hold becomes noise in it."""

    antialias: ClassVar[bool] = False


@dataclass(frozen=True)
class InnerCrop(Transform):
    """Resize the shorter side to 256/224 of ``size``, then crop the centre.

    ImageNet's old custom; the border of the image is not seen.
    """

    def resize(self, images: Tensor) -> Tensor:
        """Prepare (..., 3, h, w) float32 RGB in [0, 1], images of one size; nothing is checked."""
        wider = Transform(round(self.size * 256 / 224)).resize(images)
        prepared: Tensor = F.center_crop(wider, [self.size, self.size])
        return prepared


@dataclass(frozen=True)
class NativeCrop(Transform):
    """Crop the centre out of the image's own pixels: none is interpolated.

    The crop begins at multiples of 8, so that cells of 2 x 2 and blocks of JPEG stay where they
    are; an image that is smaller is repeated to the right and down.
    """

    def resize(self, images: Tensor) -> Tensor:
        """Prepare (..., 3, h, w) float32 RGB in [0, 1], images of one size; nothing is checked."""
        for axis in (-2, -1):
            side = images.shape[axis]
            images = torch.cat([images] * -(-self.size // side), dim=axis)
            start = max(side - self.size, 0) // 2 // 8 * 8
            images = images.narrow(axis, start, self.size)
        return images


def check_image(image: Tensor) -> None:
    """Raise InputError unless ``image`` is (3, h, w) floating-point RGB in [0, 1]."""
    if image.ndim != 3 or image.shape[0] != 3 or 0 in image.shape:
        raise InputError(f"an image is a (3, h, w) tensor, got {tuple(image.shape)}")
    if not image.is_floating_point():
        raise InputError(
            f"an image is floating point in [0, 1], got {image.dtype}: divide 8-bit values by 255"
        )
    low, high = torch.aminmax(image)
    if not (low >= 0 and high <= 1):  # written so that NaN is refused too
        raise InputError(f"an image lies in [0, 1], got values from {low:.3g} to {high:.3g}")
