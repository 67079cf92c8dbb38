"""What a recipe makes of accelerate and torch: precision, optimiser, schedule, averaged weights."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

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
from benchmark.training.recipe import Compilation, ResolvedRecipe, Tower
from detectors.base import Batch, Detector

MOMENTUM = 0.9
# Positions and class tokens, here, in timm and in transformers.
_PLACES = re.compile(r"(^|\.|_)(positions?|position_embeddings?|pos_embed|cls|cls_token)(\.|$|_)")


class Step(nn.Module):
    """The loss as a forward pass, which is what accelerate wraps for several processes."""

    def __init__(self, detector: Detector) -> None:
        """Wrap ``detector``."""
        super().__init__()
        self.detector = detector

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Give the training losses."""
        return self.detector.loss(batch)


def compile_step(recipe: ResolvedRecipe, step: Step) -> None:
    """Compile the training step in place, if the recipe says so."""
    if isinstance(recipe.compile, Compilation):
        step.compile(mode=recipe.compile.mode)
    elif recipe.compile:
        step.compile()


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
    groups = parameter_groups(recipe, detector)
    fused = True if detector.device.type == "cuda" else None
    lr, decay = recipe.lr, recipe.weight_decay
    if recipe.optimizer == "sgd":
        return SGD(groups, lr=lr, momentum=MOMENTUM, weight_decay=decay, fused=fused)
    kinds: dict[str, type[Adam]] = {"adam": Adam, "adamw": AdamW}
    return kinds[recipe.optimizer](groups, lr=lr, weight_decay=decay, fused=fused)


def parameter_groups(recipe: ResolvedRecipe, detector: Detector) -> list[dict[str, Any]]:
    """Split what is trained by the rate and the weight decay that a recipe gives it.

    The same rate and decay is one group, in the order of the detector's parameters.
    """
    factors: dict[int, float] = {}
    for name, layers in detector.towers().items():
        for below, layer in enumerate(reversed(layers)):
            factor = recipe.rates.get(cast(Tower, name), 1.0) * recipe.layer_decay**below
            factors.update((id(parameter), factor) for parameter in layer)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in detector.named_parameters():
        if parameter.requires_grad:
            spared = recipe.decayed == "matrices" and is_spared(name, parameter)
            decay = 0.0 if spared else recipe.weight_decay
            groups.setdefault((factors.get(id(parameter), 1.0), decay), []).append(parameter)
    return [
        {"params": members, "lr": factor * recipe.lr, "weight_decay": decay}
        for (factor, decay), members in groups.items()
    ]


def is_spared(name: str, parameter: nn.Parameter) -> bool:
    """Tell whether a parameter is no matrix or filter: a norm's, a bias, a position, a scale."""
    return parameter.ndim < 2 or _PLACES.search(name) is not None


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


_GRADIENT, _STATE = "gradient_", "state_"
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
        in it. ``state_gradient_<tower>`` -> norm of the total's gradient over a tower's weights.
    """
    step = Step(detector)
    buffers = {name: buffer.clone() for name, buffer in step.named_buffers()}
    with torch.random.fork_rng(devices=_devices(detector)):
        torch.manual_seed(seed)
        losses: dict[str, Tensor] = functional_call(step, buffers, (batch,))
    parts = {name: loss for name, loss in losses.items() if name != "total"}
    norms = gradient_norms(parts, detector.parameters())
    found = {_GRADIENT + name: norm for name, norm in norms.items()}
    total = {"total": losses["total"]}
    for name, layers in detector.towers().items():
        of_tower = gradient_norms(total, [p for layer in layers for p in layer])
        found[f"{_STATE}gradient_{name}"] = of_tower["total"]
    return found


def measured_state(detector: Detector, batch: Batch) -> dict[str, float]:
    """Measure a detector's ``vitals`` on ``batch``, in evaluation mode: ``state_<vital>``."""
    training = detector.training
    detector.eval()
    with torch.no_grad():
        found = {_STATE + name: float(value) for name, value in detector.vitals(batch).items()}
    detector.train(training)
    return found


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
        if not loss.requires_grad or not trained:
            norms[name] = 0.0
            continue
        pulls = torch.autograd.grad(loss, trained, retain_graph=True, allow_unused=True)
        squares = [pull.float().square().sum() for pull in pulls if pull is not None]
        norms[name] = math.sqrt(float(torch.stack(squares).sum())) if squares else 0.0
    return norms


def _devices(detector: Detector) -> list[torch.device]:
    """Give the graphics card whose stream of random numbers the loss draws from, if it does."""
    return [detector.device] if detector.device.type == "cuda" else []
