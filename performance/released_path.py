"""The way the public release of MFCLIP computes: image by image where it chooses and filters.

A reference for speed, written anew: for every patch of every image a grey-level co-occurrence
matrix by scikit-image, the noise filters on one patch at a time through NumPy arrays, batches put
together from lists of arrays, then the network in its default memory layout with batch norms and
copying activations of their own.
"""

import copy
import warnings
from collections.abc import Callable
from types import MethodType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from skimage.feature import graycomatrix, graycoprops
from torch import Tensor, nn
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
    slow.vision.forward = MethodType(_encode, slow.vision)  # type: ignore[method-assign]
    for module in slow.modules():
        if isinstance(module, ConvStack):
            module.tokens = MethodType(_tokens, module)  # type: ignore[method-assign]
        if isinstance(module, nn.ReLU):
            module.inplace = False
    return slow


def _tokens(stack: ConvStack, images: Tensor) -> Tensor:
    """Turn (B, 3, H, W) images into (B, N, outputs) tokens with the channels first."""
    grid: Tensor = stack(images.contiguous())
    return grid.flatten(2).transpose(1, 2)


def _encode(vision: ReleaseVision, inputs: Tensor) -> Tensor:
    """Encode (B, 3, S, S) RGB in [0, 1]: every image through NumPy, then lists made tensors.

    Tensors are made of lists of arrays, as the release does: that alone is a sixth of its time.
    """
    images: list[npt.NDArray[np.float32]] = []
    residuals: list[npt.NDArray[np.float32]] = []
    for image in (255 * inputs).round().permute(0, 2, 3, 1).cpu().numpy():
        residuals.append(_residual(vision, torch.tensor(image.transpose(2, 0, 1)[None])[0] / 255))
        images.append(image)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Creating a tensor from a list")
        filtered = torch.tensor(residuals).float().to(inputs.device)
        whole = torch.tensor(images).to(inputs.device).permute(0, 3, 2, 1).float()
    return vision.image(whole) + vision.noise(filtered)  # type: ignore[no-any-return]


def _residual(vision: ReleaseVision, image: Tensor) -> npt.NDArray[np.float32]:
    """Choose and filter the richest patch of a (3, S, S) image."""
    patches = image.unfold(1, vision.patch, vision.patch).unfold(2, vision.patch, vision.patch)
    patches = patches.flatten(1, 2).transpose(0, 1).contiguous()  # (N, 3, p, p)
    evenness = [_homogeneity(patch) for patch in patches]
    chosen = patches[int(np.argmin(evenness))][None].to(vision.kernels.device)
    residual = F.conv2d(chosen, vision.kernels, padding=2).clamp(-3, 3)
    found: npt.NDArray[np.float32] = residual[0].cpu().numpy()
    return found


def _homogeneity(patch: Tensor) -> float:
    """Measure a (3, p, p) patch through its whole co-occurrence matrix."""
    grey = (rgb_to_grayscale(patch)[0].numpy() * 255).astype(np.uint8)
    matrix = _matrix(grey, [1], [0], levels=256, symmetric=True, normed=True)
    return float(_properties(matrix, "homogeneity")[0, 0])
