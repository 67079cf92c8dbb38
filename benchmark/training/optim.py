"""What a recipe makes of accelerate and torch: precision, optimiser, schedule, averaged weights."""

import math
from collections.abc import Iterable, Mapping

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor, nn
from torch.func import functional_call
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import (
    ChainedScheduler,
    ConstantLR,
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    StepLR,
)
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from benchmark.errors import BenchmarkError
from benchmark.training.recipe import ResolvedRecipe
from detectors.base import Batch, Detector

MOMENTUM = 0.9


class Step(nn.Module):
    """The loss as a forward pass, which is what accelerate wraps for several processes."""

    def __init__(self, detector: Detector) -> None:
        """Wrap ``detector``."""
        super().__init__()
        self.detector = detector

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Give the training losses."""
        return self.detector.loss(batch)


def make_accelerator(recipe: ResolvedRecipe, device: torch.device) -> Accelerator:
    """Set accelerate up for a recipe.

    Raises:
        BenchmarkError: fp16 on a CPU, which changes nothing and says nothing; or a batch that does
            not fall into equal parts for the processes.
    """
    if recipe.precision == "fp16" and device.type == "cpu":
        raise BenchmarkError(
            f"recipe '{recipe.name}' asks for fp16, which a CPU does not have: use fp32 or bf16"
        )
    # One process trains models of different recipes, so the shared state starts afresh.
    AcceleratorState._reset_state(reset_partial_state=True)
    precision = "no" if recipe.precision == "fp32" else recipe.precision
    accelerator = Accelerator(
        mixed_precision=precision,
        cpu=device.type == "cpu",
        # Otherwise the schedule moves as many steps at once as there are processes.
        step_scheduler_with_optimizer=False,
    )
    parts = recipe.accumulate * accelerator.num_processes
    if recipe.batch_size % parts:
        raise BenchmarkError(
            f"recipe '{recipe.name}': a batch of {recipe.batch_size} images does not fall into "
            f"{parts} equal parts ({accelerator.num_processes} processes x accumulate: "
            f"{recipe.accumulate})"
        )
    return accelerator


def make_optimizer(recipe: ResolvedRecipe, detector: Detector) -> Optimizer:
    """Build the recipe's optimiser of what is trained; on a GPU it is one kernel."""
    trained = [parameter for parameter in detector.parameters() if parameter.requires_grad]
    fused = True if detector.device.type == "cuda" else None
    lr, decay = recipe.lr, recipe.weight_decay
    if recipe.optimizer == "sgd":
        return SGD(trained, lr=lr, momentum=MOMENTUM, weight_decay=decay, fused=fused)
    kinds: dict[str, type[Adam]] = {"adam": Adam, "adamw": AdamW}
    return kinds[recipe.optimizer](trained, lr=lr, weight_decay=decay, fused=fused)


def make_scheduler(recipe: ResolvedRecipe, optimizer: Optimizer) -> LRScheduler:
    """Build the scheduler of the learning rate: linear warm-up times the recipe's schedule."""
    parts: list[LRScheduler] = []
    if recipe.warmup > 1:  # the first step has 1 / warmup of the rate, the last of them all of it
        parts.append(LinearLR(optimizer, 1 / recipe.warmup, total_iters=recipe.warmup - 1))
    if recipe.schedule == "cosine":
        parts.append(CosineAnnealingLR(optimizer, recipe.steps))
    if recipe.schedule == "step" and recipe.decay_every is not None:
        parts.append(StepLR(optimizer, recipe.decay_every, gamma=0.1))
    return ChainedScheduler(parts or [ConstantLR(optimizer, factor=1.0)], optimizer)


def make_average(recipe: ResolvedRecipe, detector: Detector) -> AveragedModel | None:
    """Give the running mean of the weights, if the recipe has one; buffers are the detector's."""
    if recipe.ema is None:
        return None
    mean = get_ema_multi_avg_fn(recipe.ema)  # type: ignore[no-untyped-call]
    return AveragedModel(detector, multi_avg_fn=mean)


_GRADIENT = "gradient_"
GRADIENT_IMAGES = 16  # images; a measurement is to cost a small part of the steps between two


def measured_gradients(detector: Detector, batch: Batch, *, seed: int) -> dict[str, float]:
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
    return {_GRADIENT + name: norm for name, norm in norms.items()}


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
