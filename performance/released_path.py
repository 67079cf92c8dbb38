"""The way the public release of MFCLIP computes: image by image where it chooses and filters.

A reference for speed, written anew: for every patch of every image a grey-level co-occurrence
matrix by scikit-image, the noise filters on one patch at a time through NumPy arrays, then the
network in its default memory layout with batch norms of their own.
"""

import copy
from collections.abc import Callable
from types import MethodType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from skimage.feature import graycomatrix, graycoprops
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2.functional import rgb_to_grayscale

from detectors.mfclip.release import MFCLIPRelease, ReleaseVision
from detectors.mfclip.vision import ConvStack

# scikit-image types other functions, not these, so that strict checks would refuse a call.
_matrix: Callable[..., Any] = graycomatrix
_properties: Callable[..., Any] = graycoprops


def released(detector: MFCLIPRelease) -> MFCLIPRelease:
    """Copy ``detector`` so that it computes as the release does; its logits stay the same."""
    slow = copy.deepcopy(detector).eval()
    slow.vision.residual = MethodType(_residual, slow.vision)  # type: ignore[method-assign]
    for module in slow.modules():
        if isinstance(module, ConvStack):
            module.tokens = MethodType(_tokens, module)  # type: ignore[method-assign]
    return slow


def _tokens(stack: ConvStack, images: Tensor) -> Tensor:
    """Turn (B, 3, H, W) images into (B, N, outputs) tokens with the channels first."""
    grid: Tensor = stack(images.contiguous())
    return grid.flatten(2).transpose(1, 2)


@torch.no_grad()
def _residual(vision: ReleaseVision, inputs: Tensor) -> Tensor:
    """Choose and filter the richest patch of each of (B, 3, S, S) images, one by one."""
    filtered: list[npt.NDArray[np.float32]] = []
    for image in inputs.cpu().numpy():
        tensor = torch.from_numpy((image * 255).round().astype(np.uint8)).float() / 255
        patches = tensor.unfold(1, vision.patch, vision.patch).unfold(2, vision.patch, vision.patch)
        patches = patches.flatten(1, 2).transpose(0, 1).contiguous()  # (N, 3, p, p)
        evenness = [_homogeneity(patch) for patch in patches]
        chosen = patches[int(np.argmin(evenness))][None].to(inputs.device)
        residual = F.conv2d(chosen, vision.kernels, padding=2).clamp(-3, 3)
        filtered.append(residual[0].cpu().numpy())
    return torch.from_numpy(np.stack(filtered)).to(inputs.device)


def _homogeneity(patch: Tensor) -> float:
    """Measure a (3, p, p) patch through its whole co-occurrence matrix."""
    grey = (rgb_to_grayscale(patch)[0].numpy() * 255).astype(np.uint8)
    matrix = _matrix(grey, [1], [0], levels=256, symmetric=True, normed=True)
    return float(_properties(matrix, "homogeneity")[0, 0])
