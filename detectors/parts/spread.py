"""How features lie on the sphere: those of a class together, all of them spread out."""

import torch
from torch import Tensor


def alignment(features: Tensor, labels: Tensor) -> Tensor:
    """Give the mean squared distance over all pairs of one class.

    Args:
        features: (B, d), of norm 1.
        labels: (B,), equal for images of one class.

    Source: Wang and Isola, ICML 2020 (arXiv 2005.10242), on classes in place of views.
    """
    first, second = _pairs(features)
    same = labels[first] == labels[second]
    return (_squared(features)[first, second] * same).sum() / same.sum().clamp(min=1)


def uniformity(features: Tensor) -> Tensor:
    """Give ln of the mean of e^(-2 d^2) over all pairs of (B, d) features of norm 1, B >= 2.

    Source: as ``alignment``.
    """
    first, second = _pairs(features)
    return (-2 * _squared(features)[first, second]).exp().mean().log()


def _pairs(features: Tensor) -> tuple[Tensor, Tensor]:
    """Give both ends of each of the B (B - 1) / 2 pairs."""
    count = len(features)
    first, second = torch.triu_indices(count, count, offset=1, device=features.device)
    return first, second


def _squared(features: Tensor) -> Tensor:
    """Give the (B, B) squared distances between features of norm 1."""
    with torch.autocast(features.device.type, enabled=False):
        return 2 - 2 * features.float() @ features.float().T
