"""Fixed filters: cosine transforms and the noise residuals of the spatial rich model."""

import math
from itertools import pairwise

import torch
from torch import Tensor
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
    weights = torch.tensor(GREY, dtype=images.dtype, device=images.device).view(1, 3, 1, 1)
    return (images * weights).sum(dim=1, keepdim=True)


def srm_kernels() -> Tensor:
    """Give the three common filters as (3 filters, 3 channels, 5, 5) convolution weights.

    They are KB / 4, KV / 12 and the horizontal second difference / 2, summed over the channels.

    Source: Fridrich and Kodovsky 2012 (the filters); Zhou et al. 2018 (the three together).
    """
    filters = torch.stack([_centred(_KB) / 4, _centred(_KV) / 12, _centred(_SECOND) / 2])
    return filters[:, None].repeat(1, 3, 1, 1)


def noise_residual(images: Tensor, kernels: Tensor, *, padding: int = 2) -> Tensor:
    """Filter (B, 3, H, W) images by ``srm_kernels``; what lies beyond +-3 is truncated.

    In float32 whatever the precision around it: half of that has no bits left for differences of
    neighbouring values.
    """
    with torch.autocast(images.device.type, enabled=False):
        residual = F.conv2d(images.float(), kernels, padding=padding)
        return residual.clamp(-TRUNCATION, TRUNCATION)


def srm_bank() -> Tensor:
    """Give all 30 linear filters of the spatial rich model, (30, 1, 5, 5), centre scaled to 1.

    In order: first differences in 8 directions, second in 4, third in 8, SQUARE 3 x 3, EDGE 3 x 3
    in 4, SQUARE 5 x 5 and EDGE 5 x 5 in 4.

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
    bank = torch.stack(filters)
    return (bank / bank[:, 2, 2].abs()[:, None, None])[:, None]


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
