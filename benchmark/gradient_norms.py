"""How strongly each part of a loss pulls on the weights, measured beside the training."""

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call

from benchmark.optimisation import Step
from detectors.base import Batch, Detector

PREFIX = "gradient_"
LIMIT = 16  # images; a measurement is to cost a small part of the steps between two


def measured(detector: Detector, batch: Batch, *, seed: int) -> dict[str, float]:
    """Measure the gradient of each part of the loss on ``batch``.

    Nothing of the training changes: weights get no ``.grad``, running means are written into
    copies, and random numbers come from a stream of their own.

    Args:
        detector: Its loss is asked; already in training mode.
        batch: At most a few images.
        seed: Of the random numbers of the loss, dropout say.

    Returns:
        ``gradient_<part>`` -> norm over all trained weights; a part's weight in the total is not
        in it.
    """
    step = Step(detector)
    buffers = {name: buffer.clone() for name, buffer in step.named_buffers()}
    with torch.random.fork_rng(devices=_devices(detector)):
        torch.manual_seed(seed)
        losses: dict[str, Tensor] = functional_call(step, buffers, (batch,))
    parts = {name: loss for name, loss in losses.items() if name != "total"}
    norms = gradient_norms(parts, detector.parameters())
    return {PREFIX + name: norm for name, norm in norms.items()}


def gradient_norms(
    losses: Mapping[str, Tensor], parameters: Iterable[nn.Parameter]
) -> dict[str, float]:
    """Give the norm of the gradient of each loss over ``parameters``.

    Costs one backward pass a loss and keeps the graph; ``.grad`` is not touched. A loss that no
    parameter moves has 0.
    """
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    norms = {}
    for name, loss in losses.items():
        if not loss.requires_grad:
            norms[name] = 0.0
            continue
        pulls = torch.autograd.grad(loss, trained, retain_graph=True, allow_unused=True)
        squares = [pull.float().square().sum() for pull in pulls if pull is not None]
        norms[name] = math.sqrt(float(torch.stack(squares).sum())) if squares else 0.0
    return norms


def _devices(detector: Detector) -> list[torch.device]:
    """Give the graphics card whose stream of random numbers the loss draws from, if it does."""
    return [detector.device] if detector.device.type == "cuda" else []
