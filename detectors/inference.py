"""A detector made ready to score many images: the same answers, sooner."""

import copy
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

if TYPE_CHECKING:
    from detectors.base import Detector

D = TypeVar("D", bound="Detector")


def ready_for_inference(detector: D, dtype: torch.dtype = torch.float32) -> D:
    """Copy ``detector`` for inference alone; the one given stays as it is.

    Batch norms that follow a convolution in an ``nn.Sequential`` become part of it, convolutions
    are laid out channels last, which CPUs compute faster, and no weight takes a gradient. Logits
    stay the same to 1e-4. With a half-precision ``dtype`` linear and convolution weights but the
    last layer's are kept in it and the forward pass runs under autocast: faster where the processor
    has it, logits then move by about 1e-2.

    The copy cannot be trained or saved.
    """
    ready = copy.deepcopy(detector).eval().requires_grad_(False)
    for module in ready.modules():
        if isinstance(module, nn.Sequential):
            _fold(module)
    last_layer = ready.deciding_layer()
    kept = set() if last_layer is None else set(last_layer.modules())
    for module in ready.modules():
        if isinstance(module, nn.Conv2d):
            module.to(memory_format=torch.channels_last)
        if isinstance(module, nn.Conv2d | nn.Linear) and module not in kept:
            module.to(dtype=dtype)
    if dtype != torch.float32:
        cast = torch.autocast(ready.device.type, dtype)
        for name in ("forward", "features"):
            setattr(ready, name, cast(getattr(ready, name)))
    return ready


def _fold(layers: nn.Sequential) -> None:
    """Put each batch norm into the convolution before it, in place."""
    names = list(layers._modules)
    for name, after in pairwise(names):
        convolution, norm = layers._modules[name], layers._modules[after]
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            layers._modules[name] = fuse_conv_bn_eval(convolution, norm)
            layers._modules[after] = nn.Identity()
