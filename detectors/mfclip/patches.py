"""The richest patch of a face, and the noise residual in it."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectors.errors import DetectorError
from detectors.parts.filters import TRUNCATION, NoiseResidual
from detectors.parts.squares import cut_squares

BLACK = 4  # of 255; JPEG leaves a black border a little above 0
BORDER_SHARE = 0.05
Choice = Literal["richest", "poorest", "random", "centre", "whole", "none"]
HALO = 2  # pixels that the 5 x 5 filters see around a patch

# Homogeneities are summed as whole numbers of 2^-36: exact, so that equal patches tie on every
# device and in every order of summation; 255 x 255 pairs still fit into a float64.
_UNIT = 2**36


def homogeneity(images: Tensor, patch: int) -> Tensor:
    """Measure how even each patch is: its co-occurrence homogeneity.

    The grey-level co-occurrence matrix of distance 1 and angle 0 enters only through the mean over
    horizontally adjacent pixels (a, b) of 1 / (1 + (a - b)^2), so no matrix is built. Grey is
    0.2989 R + 0.587 G + 0.114 B of the 8-bit image, truncated to a whole number.

    Args:
        images: (B, 3, H, W) RGB in [0, 1].
        patch: Side of the square patches, in pixels; what does not fill a patch is left out.

    Returns:
        (B, N) float64 in (0, 1], N patches row by row.

    Source: Haralick et al. 1973 (inverse difference moment); the choice by it is MFCLIP's.
    """
    bytes_ = _bytes(images)
    grey = (2989 * bytes_[:, 0] + 5870 * bytes_[:, 1] + 1140 * bytes_[:, 2]) // 10_000
    return grey_homogeneity(grey, patch)


def grey_homogeneity(grey: Tensor, patch: int) -> Tensor:
    """Measure ``homogeneity`` of (B, H, W) whole grey levels from 0 to 255."""
    rows, columns = _grid(grey, patch)
    grey = grey[:, : rows * patch, : columns * patch]
    cells = grey.reshape(-1, rows, patch, columns, patch)
    steps = cells.diff(dim=-1).abs()
    table = torch.arange(256, device=grey.device, dtype=torch.float64)
    table = (_UNIT / (1 + table**2)).round().long()
    total = table[steps.long()].sum(dim=(2, 4)).flatten(1)  # (B, N)
    return total.double() / (_UNIT * patch * (patch - 1))


def bordered(images: Tensor, patch: int) -> Tensor:
    """Find the patches that hold a black border, as alignment and video leave it.

    A pixel is border if it is black (no channel above 4 of 255) and so is all between it and an
    edge of the image, along its row or its column; dark hair inside a face is not. A patch holds
    a border if more than a twentieth of its pixels are border.

    Args:
        images: (B, 3, H, W) RGB in [0, 1].
        patch: Side of the square patches, in pixels.

    Returns:
        (B, N) bool.
    """
    lit = (_bytes(images) > BLACK).any(dim=1)  # (B, H, W)
    border = torch.zeros_like(lit)
    for axis in (1, 2):
        size = lit.shape[axis]
        place = torch.arange(size, device=lit.device)
        place = place[:, None] if axis == 1 else place
        first = torch.where(lit, place, size).amin(dim=axis, keepdim=True)
        last = torch.where(lit, place, -1).amax(dim=axis, keepdim=True)
        border |= (place < first) | (place > last)
    rows, columns = _grid(images, patch)
    share = F.avg_pool2d(border.float(), patch)[:, :rows, :columns].flatten(1)
    return share > BORDER_SHARE


def richest(images: Tensor, patch: int, k: int) -> Tensor:
    """Choose the k patches of lowest homogeneity; of equals, the first."""
    return choose(images, patch, k, "richest")


@torch.no_grad()
def choose(images: Tensor, patch: int, k: int, choice: Choice) -> Tensor:
    """Choose k patches of each image; of equals, the first.

    ``richest``: of lowest homogeneity; ``poorest``: of highest; ``random``: by a number made of the
    image's pixels, so that an image keeps its patch; ``centre``: nearest to the middle.

    Patches with a black border are taken only when there are fewer than k others.

    Args:
        images: (B, 3, H, W) RGB in [0, 1].
        patch: Side of the square patches, in pixels.
        k: How many.
        choice: By what.

    Returns:
        (B, k) int64, places among the patches row by row.
    """
    if choice in ("richest", "poorest"):
        evenness = homogeneity(images, patch)
        order = evenness if choice == "richest" else 1 - evenness
    elif choice == "random":
        order = _lot(images, patch)
    else:
        order = _from_middle(images, patch)
    order = order + 2 * bordered(images, patch)
    found = []
    # One after the other, each the first of equals: ONNX has no sort that keeps their order.
    for _ in range(k):
        found.append(order.argmin(dim=1, keepdim=True))
        order = order.scatter(1, found[-1], torch.inf)
    return torch.cat(found, dim=1)


class Residuals(nn.Module):
    """Noise residuals of chosen patches: three fixed filters of the spatial rich model.

    The filters are KB / 4, KV / 12 and the horizontal second difference / 2, each applied to every
    colour channel and summed over them, in units of 0..255. What lies beyond +-3 is truncated:
    that is content, not noise. On images in 0..1 the truncation would never act.

    Source: Fridrich and Kodovsky 2012 (the filters); Zhou et al. 2018 (the three together).
    """

    def __init__(self, patch: int, *, units: int = 255) -> None:
        """Set the side of the patches, and the value of white: 255, or 1 as in the release."""
        super().__init__()
        self.patch, self.units = patch, units
        self.residual = NoiseResidual(unit=1.0 if units == 255 else 2**-8)

    def forward(self, images: Tensor, chosen: Tensor) -> Tensor:
        """Filter patches of (B, 3, H, W) images in [0, 1] chosen by (B, k) places.

        Differentiable with respect to the images; the choice is not.

        Returns:
            (B, k, 3, patch, patch) float32 in [-1, 1]: residuals over the truncation of 3.
        """
        columns = _grid(images, self.patch)[1]
        padded = F.pad(images.float(), [HALO] * 4, mode="reflect")
        patches = cut_patches(padded, chosen, columns=columns, patch=self.patch, halo=HALO)
        whole = self.units * patches.flatten(0, 1)
        truncated: Tensor = self.residual(whole, padding=0) / TRUNCATION
        return truncated.reshape(*chosen.shape, *truncated.shape[1:])


def _lot(images: Tensor, patch: int) -> Tensor:
    """Give (B, N) float64 in [0, 1) that follow from an image's own pixels."""
    rows, columns = _grid(images, patch)
    place = torch.arange(rows * columns, device=images.device)
    seed = _bytes(images).long().sum(dim=(1, 2, 3))[:, None]
    number = (seed * 2_654_435_761 + (place + 1) * 40_503) & 0xFFFFFFFF
    for _ in range(2):  # neighbouring seeds are to give unrelated numbers
        number = ((number ^ (number >> 16)) * 73_244_475) & 0xFFFFFFFF
    return (number ^ (number >> 16)).double() / 2**32


def _from_middle(images: Tensor, patch: int) -> Tensor:
    """Give (B, N) float64 in [0, 1): how far a patch lies from the middle of the grid."""
    rows, columns = _grid(images, patch)
    down = torch.arange(rows, dtype=torch.float64, device=images.device) - (rows - 1) / 2
    across = torch.arange(columns, dtype=torch.float64, device=images.device) - (columns - 1) / 2
    distance = (down[:, None] ** 2 + across**2).flatten()
    return (distance / (rows**2 + columns**2)).expand(images.shape[0], -1)


def cut_patches(
    images: Tensor, chosen: Tensor, *, columns: int, patch: int, halo: int = 0
) -> Tensor:
    """Cut patches at (B, k) places out of images that are padded by ``halo`` pixels.

    Returns:
        (B, k, 3, patch + 2 halo, patch + 2 halo).
    """
    top, left = patch * (chosen // columns), patch * (chosen % columns)
    return cut_squares(images, top, left, patch + 2 * halo)


def _bytes(images: Tensor) -> Tensor:
    """Give the 8-bit image as int32."""
    return (images.detach() * 255).round().int()


def _grid(images: Tensor, patch: int) -> tuple[int, int]:
    """Give how many rows and columns of patches fit into the images."""
    rows, columns = images.shape[-2] // patch, images.shape[-1] // patch
    if rows == 0 or columns == 0:
        raise DetectorError(
            f"a patch of {patch} px does not fit into images of {tuple(images.shape[-2:])} px"
        )
    return rows, columns
