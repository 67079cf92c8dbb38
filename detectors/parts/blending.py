"""Self-blending: a forged image from one real one, with a seam and two statistics, no face swapped.

Source: Shiohara and Yamasaki, CVPR 2022 (arXiv 2204.08376), section 3. All draws come from torch's
seeded generator of the CPU, whatever the device, and there is no loop over the images.
"""

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from detectors.parts.filters import grey
from detectors.parts.host import moved

BlendingMask = Literal["ellipse", "polygon"]
# The share of the source in the middle of the mask: the paper's list, half of it whole.
RATIOS = (0.25, 0.5, 0.75, 1.0, 1.0, 1.0)
CORNERS = 9


def self_blended(images: Tensor, mask: BlendingMask) -> Tensor:
    """Blend each image with itself.

    One of two copies is changed in colour and frequency; the source is shifted and scaled by up to
    3 and 5 percent; a soft random mask lays the source over the target.

    Args:
        images: (B, 3, S, S) in [0, 1], faces that roughly fill their crop.
        mask: ``ellipse``, or a random convex ``polygon`` in it; both are deformed.

    Returns:
        (B, 3, S, S) in [0, 1].
    """
    changed = recoloured(resharpened(images))
    source_is_changed = _uniform(images, 0, 1) < 0.5
    source = torch.where(source_is_changed, changed, images)
    target = torch.where(source_is_changed, images, changed)
    share = torch.tensor(RATIOS)[torch.randint(len(RATIOS), (len(images),))]
    share = moved(share, images.device)[:, None, None, None] * face_masks(images, mask)
    return (share * displaced(source) + (1 - share) * target).clamp(0, 1)


def recoloured(images: Tensor) -> Tensor:
    """Shift channels by up to 20/255; change saturation by 30, contrast and light by 10 percent."""
    shift = _uniform(images, -20 / 255, 20 / 255, channels=3)
    light = grey(images)  # (B, 1, S, S)
    saturated = light + _uniform(images, 0.7, 1.3) * (images - light)
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    contrasted = mean + _uniform(images, 0.9, 1.1) * (saturated - mean)
    return (contrasted + shift + _uniform(images, -0.1, 0.1)).clamp(0, 1)


def resharpened(images: Tensor) -> Tensor:
    """Sharpen half of the images; take the detail of a half or quarter of the size from the rest.

    Those who lose detail lose it to a half or to a quarter of the resolution alike.
    """
    soft = F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="reflect"), 3, stride=1)
    sharp = images + _uniform(images, 0.2, 1.0) * (images - soft)
    coarse = torch.where(_uniform(images, 0, 1) < 0.5, _coarse(images, 2), _coarse(images, 4))
    return torch.where(_uniform(images, 0, 1) < 0.5, sharp, coarse).clamp(0, 1)


def displaced(images: Tensor) -> Tensor:
    """Shift by up to 3 percent of the side and scale by up to 5, each side by itself."""
    scale = _uniform(images, 0.95, 1 / 0.95, channels=2)
    shift = 2 * _uniform(images, -0.03, 0.03, channels=2)
    places = (_grid(images) * scale + shift).permute(0, 2, 3, 1)  # (B, S, S, 2)
    return F.grid_sample(images, places, padding_mode="reflection", align_corners=False)


def face_masks(images: Tensor, mask: BlendingMask) -> Tensor:
    """Draw a soft mask for each image.

    In units of half the side, from the middle: an ellipse with half-axes of 0.45 to 0.75 (across)
    and 0.55 to 0.85 (down) whose centre lies up to 0.1 away; a ``polygon`` is what 9 random
    tangents leave of it. The plane under it is bent by a smooth field of up to about 0.1. The edge
    is a logistic ramp, 0.01 to 0.08 wide.

    Args:
        images: (B, 3, S, S), whose number, side and device are used.
        mask: The shape.

    Returns:
        (B, 1, S, S) in [0, 1].
    """
    side = images.shape[-1]
    coarse = 0.05 * moved(torch.randn(len(images), 2, 5, 5), images.device)
    bent = _grid(images) + F.interpolate(
        coarse, size=(side, side), mode="bicubic", align_corners=False
    )
    axes = torch.cat([_uniform(images, 0.45, 0.75), _uniform(images, 0.55, 0.85)], dim=1)
    unit = (bent - _uniform(images, -0.1, 0.1, channels=2)) / axes  # (B, 2, S, S)
    distance = unit.square().sum(dim=1, keepdim=True).sqrt()
    if mask == "polygon":
        angle = _uniform(images, 0, 2 * math.pi, channels=CORNERS)
        reach = _uniform(images, 0.7, 1.0, channels=CORNERS)
        across, down = unit[:, :1], unit[:, 1:]
        tangents = (across * angle.cos() + down * angle.sin()) / reach  # (B, 9, S, S)
        distance = torch.maximum(distance, tangents.amax(dim=1, keepdim=True))
    return torch.sigmoid((1 - distance) / _uniform(images, 0.01, 0.08))


def _grid(images: Tensor) -> Tensor:
    """Give the (2, S, S) places of the pixels, across and down, from -1 to 1."""
    side = images.shape[-1]
    line = (torch.arange(side, device=images.device, dtype=images.dtype) + 0.5) * 2 / side - 1
    return torch.stack(torch.meshgrid(line, line, indexing="xy"))


def _coarse(images: Tensor, factor: int) -> Tensor:
    """Take every ``factor``-th sample's detail: reduced by area, enlarged again."""
    side = images.shape[-1]
    small = F.interpolate(images, size=max(1, side // factor), mode="area")
    return F.interpolate(small, size=side, mode="bilinear", align_corners=False)


def _uniform(images: Tensor, low: float, high: float, channels: int = 1) -> Tensor:
    """Draw (B, channels, 1, 1) uniform numbers, on the CPU's generator."""
    drawn = torch.rand(len(images), channels, 1, 1)
    return moved(low + (high - low) * drawn, images.device)
