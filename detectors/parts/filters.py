"""Fixed filters: cosine transforms and the noise residuals of the spatial rich model."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

TRUNCATION = (
    3.0  # beyond it lies content, not noise: that of the filters' own papers, in grey levels
)
GREY = (0.299, 0.587, 0.114)  # of R, G, B: the luma of ITU-R BT.601

_KB = [[-1, 2, -1], [2, -4, 2], [-1, 2, -1]]
_KV = [
    [-1, 2, -2, 2, -1],
    [2, -6, 8, -6, 2],
    [-2, 8, -12, 8, -2],
    [2, -6, 8, -6, 2],
    [-1, 2, -2, 2, -1],
]
_SECOND = [[1, -2, 1]]
COMMON_SCALES = (4.0, 12.0, 2.0)
_SPLIT = 2048  # the second summand of an image counts in this part of the first one's unit


def dct_matrix(size: int) -> Tensor:
    """Give the (size, size) float64 orthonormal matrix of the DCT-II; row u is frequency u.

    ``C @ x @ C.T`` transforms a (size, size) image, ``C.T @ y @ C`` transforms it back.
    """
    place = torch.arange(size, dtype=torch.float64)
    waves = torch.cos(math.pi / size * place[:, None] * (place + 0.5))
    waves[0] /= math.sqrt(2)
    return waves * math.sqrt(2 / size)


def dct_bands(size: int, edges: list[float]) -> Tensor:
    """Split the frequencies (u, v) of a DCT into bands of u + v.

    Args:
        size: Side of the transform.
        edges: Ascending; band i holds edges[i] <= u + v < edges[i + 1], each frequency one band.

    Returns:
        (len(edges) - 1, size, size) float32 of 0 and 1.
    """
    place = torch.arange(size)
    total = place[:, None] + place
    pairs = pairwise(edges)
    return torch.stack([((low <= total) & (total < high)).float() for low, high in pairs])


def grey(images: Tensor) -> Tensor:
    """Give the (B, 1, H, W) luma of (B, 3, H, W) RGB, in their units."""
    luma = GREY[0] * images[:, 0] + GREY[1] * images[:, 1] + GREY[2] * images[:, 2]
    return luma[:, None]


class FixedFilters(nn.Module):
    """Fixed filters of the sum over the channels of images, exact in float32 on any hardware.

    A GPU rounds what goes into a convolution to 11 bits (TF32, on by default) and autocast to 8: a
    grey level of 200 is then off by up to .06, and weights such as 1 / 12 no longer cancel
    brightness. So the images come in three summands that 11 bits hold, and the weights as the whole
    numbers that they are multiples of.

    Args:
        filters: (F, h, w) whole numbers.
        scales: By what the result of each is divided.
        unit: A power of two; sums over the channels lie within +-1024 of it.
    """

    filters: Tensor
    scales: Tensor

    def __init__(self, filters: Tensor, scales: Sequence[float], *, unit: float) -> None:
        super().__init__()
        self.unit = unit
        self.register_buffer("filters", filters[:, None], persistent=False)
        self.register_buffer("scales", torch.tensor(scales)[:, None, None], persistent=False)

    def forward(self, images: Tensor, *, padding: int = 2) -> Tensor:
        """Filter (B, C, H, W) images, zeros around them: (B, F, H', W') float32."""
        with torch.autocast(images.device.type, enabled=False):
            total = images.float().sum(dim=1, keepdim=True)
            return filtered(total, self.filters, unit=self.unit, padding=padding) / self.scales


def filtered(images: Tensor, filters: Tensor, *, unit: float, padding: int) -> Tensor:
    """Convolve (B, C, H, W) float32 images by (F, C, h, w) whole numbers, as ``FixedFilters``."""
    coarse = unit * (images.detach() / unit).round()
    rest = images - coarse
    step = unit / _SPLIT
    fine = step * (rest.detach() / step).round()
    # The gradient comes by the last summand: the others are constants.
    parts = torch.cat([coarse, fine, rest - fine], dim=1)
    return F.conv2d(parts, filters.repeat(1, 3, 1, 1), padding=padding)


def common_filters() -> Tensor:
    """Give KB, KV and the horizontal second difference as (3, 5, 5) whole numbers."""
    return torch.stack([_centred(_KB), _centred(_KV), _centred(_SECOND)])


def srm_kernels() -> Tensor:
    """Give the three common filters as (3 filters, 3 channels, 5, 5) convolution weights.

    They are KB / 4, KV / 12 and the horizontal second difference / 2, summed over the channels.

    Source: Fridrich and Kodovsky 2012 (the filters); Zhou et al. 2018 (the three together).
    """
    scales = torch.tensor(COMMON_SCALES)[:, None, None]
    return (common_filters() / scales)[:, None].repeat(1, 3, 1, 1)


class NoiseResidual(FixedFilters):
    """The three common filters, summed over RGB; what lies beyond +-3 is truncated.

    Args:
        unit: As for ``FixedFilters``: 1 for values of 0..255.
    """

    def __init__(self, *, unit: float) -> None:
        super().__init__(common_filters(), COMMON_SCALES, unit=unit)

    def forward(self, images: Tensor, *, padding: int = 2) -> Tensor:
        """Give (B, 3, H', W') residuals of (B, 3, H, W) images."""
        return super().forward(images, padding=padding).clamp(-TRUNCATION, TRUNCATION)


def whole_bank() -> tuple[Tensor, list[float]]:
    """Give all 30 linear filters of the spatial rich model as whole numbers.

    Returns:
        (30, 5, 5) filters and the size of the centre of each. In order: first differences in 8
        directions, second in 4, third in 8, SQUARE 3 x 3, EDGE 3 x 3 in 4, SQUARE 5 x 5 and EDGE
        5 x 5 in 4.

    Source: Fridrich and Kodovsky 2012, Rich Models for Steganalysis of Digital Images.
    """
    second = _centred(_SECOND)
    slanted = torch.diag(torch.tensor([0.0, 1, -2, 1, 0]))
    edge3, edge5 = _centred(_KB), _centred(_KV)
    edge3[3:] = 0
    edge5[3:] = 0
    filters = [
        *_turned(_ray([-1, 1]), 4),
        *_turned(_ray([-1, 1], slanted=True), 4),
        *_turned(second, 2),
        *_turned(slanted, 2),
        *_turned(_ray([-3, 3, -1], before=1), 4),
        *_turned(_ray([-3, 3, -1], before=1, slanted=True), 4),
        _centred(_KB),
        *_turned(edge3, 4),
        _centred(_KV),
        *_turned(edge5, 4),
    ]
    # Said in numbers: under torch.device("meta") a tensor has none.
    centres = [1.0] * 8 + [2.0] * 4 + [3.0] * 8 + [4.0] * 5 + [12.0] * 5
    return torch.stack(filters), centres


def _ray(values: list[float], *, before: float = 0, slanted: bool = False) -> Tensor:
    """Lay ``values`` from the centre of a 5 x 5 kernel to the right, or down to the right."""
    kernel = torch.zeros(5, 5)
    for step, value in enumerate([before, *values], start=-1):
        kernel[2 + step if slanted else 2, 2 + step] = value
    return kernel


def _turned(kernel: Tensor, count: int) -> list[Tensor]:
    """Give ``count`` quarter turns of a kernel, itself first."""
    return [kernel.rot90(turn) for turn in range(count)]


def _centred(kernel: list[list[int]]) -> Tensor:
    """Put a small odd-sided kernel into the middle of a 5 x 5 one."""
    values = torch.tensor(kernel, dtype=torch.float32)
    down, across = (5 - values.shape[0]) // 2, (5 - values.shape[1]) // 2
    return F.pad(values, [across, across, down, down])
