"""A detector made ready to score many images: the same answers, sooner."""

import copy
from collections import Counter
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

if TYPE_CHECKING:
    from detectors.base import Detector

D = TypeVar("D", bound="Detector")


def ready_for_inference(detector: D, dtype: torch.dtype = torch.float32) -> D:
    """Copy ``detector`` for inference alone; the one given stays as it is.

    Batch norms that take what a convolution gives become part of it, convolutions are laid out
    channels last, which CPUs compute faster, and no weight takes a gradient. Logits stay the same
    to 1e-4. With a half-precision ``dtype`` linear and convolution weights but the last layer's
    are kept in it and the forward pass runs under autocast: faster where the processor has it,
    logits then move by about 1e-2.

    The copy cannot be trained or saved.
    """
    ready = copy.deepcopy(detector).eval().requires_grad_(False)
    for convolution, norm in _pairs(ready):
        _fold(ready, convolution, norm)
    last_layer = ready.deciding_layer()
    kept = set() if last_layer is None else set(last_layer.modules())
    for module in ready.modules():
        if isinstance(module, nn.Conv2d):
            module.to(memory_format=torch.channels_last)
        if isinstance(module, nn.Conv2d | nn.Linear) and module not in kept:
            module.to(dtype=dtype)
    if dtype != torch.float32:
        cast = torch.autocast(ready.device.type, dtype)
        for name in ("forward", "features", "answer"):
            setattr(ready, name, cast(getattr(ready, name)))
    return ready


def _pairs(detector: "Detector") -> list[tuple[str, str]]:
    """Name each convolution with the batch norm that alone among modules takes what it gives.

    Seen in a forward pass of one grey image: where a network calls its layers is code.
    """
    names = {module: name for name, module in detector.named_modules()}
    convolutions = [each for each in names if type(each) is nn.Conv2d]
    norms = [each for each in names if _is_norm(each)]
    if not (convolutions and norms):
        return []
    # Tensors are held, so that their ids stay theirs; what was changed in place has a new version.
    given: dict[tuple[int, int], tuple[Tensor, nn.Module]] = {}
    calls: dict[nn.Module, list[nn.Module | None]] = {}
    passes = Counter[nn.Module]()

    def gives(module: nn.Module, _: object, output: Tensor) -> None:
        passes[module] += 1
        given[id(output), output._version] = output, module

    def takes(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        _, source = given.get((id(inputs[0]), inputs[0]._version), (None, None))
        calls.setdefault(module, []).append(source)
        if source is not None:
            calls.setdefault(source, []).append(module)

    hooks = [each.register_forward_hook(gives) for each in convolutions]
    hooks += [each.register_forward_pre_hook(takes) for each in norms]
    try:
        # A tensor made in inference mode has no version.
        with torch.inference_mode(mode=False), torch.no_grad():
            detector(torch.full((1, *detector.transform.shape), 0.5, device=detector.device))
    finally:
        for hook in hooks:
            hook.remove()
    found = []
    for convolution in convolutions:
        norm, *others = calls.get(convolution, [None])
        # What is called several times may have other company elsewhere.
        once = passes[convolution] == 1 and not others
        if norm is not None and once and calls[norm] == [convolution]:
            found.append((names[convolution], names[norm]))
    return found


def _is_norm(module: nn.Module) -> bool:
    """Tell whether a module is a batch norm with statistics of its own."""
    return isinstance(module, nn.BatchNorm2d) and module.running_mean is not None


def _fold(detector: nn.Module, convolution: str, norm: str) -> None:
    """Put a batch norm into the convolution before it, in place."""
    before, after = detector.get_submodule(convolution), detector.get_submodule(norm)
    assert isinstance(before, nn.Conv2d)
    assert isinstance(after, nn.BatchNorm2d)
    detector.set_submodule(convolution, fuse_conv_bn_eval(before, after))
    # timm's batch norms bring the activation that follows.
    activation = getattr(after, "act", None)
    rest = activation if isinstance(activation, nn.Module) else nn.Identity()
    detector.set_submodule(norm, rest)
