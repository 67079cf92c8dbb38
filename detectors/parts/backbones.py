"""Published image networks that detectors are built on, each with a narrow twin for CPUs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Unpack, cast

import timm
import torch
from timm.layers.conv_bn_act import ConvNormAct
from timm.models._manipulate import group_parameters
from timm.models.xception_aligned import XceptionAligned
from torch import Tensor, nn

from detectors.errors import DetectorError, WeightsError
from detectors.loading import check_fit
from detectors.parts.network import AnySideOptions, NetworkDetector, register_statistics
from detectors.pretrained import (
    KeyMap,
    LastLayer,
    init_of,
    last_outputs,
    one_logit,
    read_weights,
    renamed,
)

TINY_SIDE = 128
IMAGENET_STATISTICS = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_SYMMETRIC_STATISTICS = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
_PARALLEL: KeyMap = [(r"^module\.", "")]  # what training on several devices puts before all names
_Statistics = tuple[tuple[float, float, float], tuple[float, float, float]]


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """A network of timm.

    Attributes:
        published: Hub repository of its ImageNet weights.
        base: Builds the published network with so many outputs, unfilled.
        tiny: Builds the narrow one.
        input_size: Side of its input in pixels where a detector asks for no other.
        statistics: Mean and standard deviation per channel of the values it was trained on.
        head: What the names of its last layer's tensors start with.
        names: From the names of public code that trains it on forgeries to timm's.
        unlike: How names begin of a network that is called the same, and what it is.
    """

    published: str
    base: Callable[[int], Any]
    tiny: Callable[[int], Any]
    input_size: int
    statistics: _Statistics
    head: tuple[str, ...]
    names: KeyMap = ()
    unlike: tuple[str, str] | None = None


def _named(name: str, **options: Any) -> Callable[[int], Any]:
    """Give the builder of a network that timm knows by name."""
    return lambda outputs: timm.create_model(name, num_classes=outputs, **options)


def _tiny_xception(outputs: int) -> Any:
    """Build a narrow aligned Xception: 0.07 M parameters."""
    # Channels of two strided stem convolutions, then (in, out, stride) of the blocks.
    first, second, shapes = 16, 32, ((32, 64, 2), (64, 128, 1))
    blocks = [{"in_chs": i, "out_chs": o, "stride": s} for i, o, s in shapes]
    network = XceptionAligned(block_cfg=blocks, num_classes=outputs)
    # The library's stem (32 and 64 full-width maps at half size) costs ten times all the blocks.
    # Two strides of 2, not one of 4: traces of a pixel or two are what it has to learn.
    network.stem = nn.Sequential(
        ConvNormAct(3, first, kernel_size=5, stride=2),
        ConvNormAct(first, second, kernel_size=3, stride=2),
    )
    return network


# Positions follow the input, and an input that no patch divides is padded.
_ANY_SIDE = {"dynamic_img_size": True, "dynamic_img_pad": True}

BACKBONES = {
    "xception": Backbone(
        published="timm/legacy_xception.tf_in1k",
        base=_named("legacy_xception"),
        tiny=_tiny_xception,
        input_size=256,
        statistics=_SYMMETRIC_STATISTICS,
        head=("fc.", "head.fc."),
        # DeepfakeBench; its layer for other networks is never run.
        names=(
            (r"^backbone\.adjust_channel\.", None),
            (r"^backbone\.last_linear\.(1\.)?", "fc."),
            (r"^backbone\.", ""),
        ),
    ),
    "efficientnet-b4": Backbone(
        published="timm/tf_efficientnet_b4.aa_in1k",
        base=_named("tf_efficientnet_b4"),
        tiny=_named("test_efficientnet"),
        input_size=256,
        statistics=IMAGENET_STATISTICS,
        head=("classifier.",),
        unlike=(
            "backbone.efficientnet.",
            "DeepfakeBench's EfficientNet-B4, whose first layer pads nothing, whose others pad as "
            "for 380 pixels and whose inputs are in [-1, 1]: its weights would give other scores "
            "here; score with its own code, and bring the scores with forgerybench import",
        ),
    ),
    "resnet50": Backbone(
        published="timm/resnet50.tv_in1k",
        base=_named("resnet50", zero_init_last=False),  # as torchvision starts it
        tiny=_named("test_resnet", zero_init_last=False),
        input_size=224,
        statistics=IMAGENET_STATISTICS,
        head=("fc.",),
    ),
    "vit-b16": Backbone(
        published="timm/vit_base_patch16_224.augreg_in21k_ft_in1k",
        base=_named("vit_base_patch16_224", **_ANY_SIDE),
        tiny=_named("test_vit", img_size=TINY_SIDE, **_ANY_SIDE),
        input_size=224,
        statistics=_SYMMETRIC_STATISTICS,
        head=("head.",),
    ),
}


class TimmDetector(NetworkDetector):
    """A network of timm, whose own last layer decides.

    Attributes:
        network: Built with one output.
    """

    network: Any

    def pooled(self, inputs: Tensor) -> Tensor:
        """Give the (B, d) pooled activations of what goes into the network."""
        maps = self.network.forward_features(inputs)
        pooled: Tensor = self.network.forward_head(maps, pre_logits=True)
        return pooled

    def towers(self) -> dict[str, list[list[nn.Parameter]]]:
        """Give the layers of the network but the last, as timm groups them."""
        last = {id(parameter) for parameter in self.deciding_layer().parameters()}
        if not hasattr(self.network, "group_matcher"):
            return {"image": [[p for p in self.network.parameters() if id(p) not in last]]}
        by_layer = group_parameters(self.network, self.network.group_matcher())
        named = dict(self.network.named_parameters())
        layers = [[named[name] for name in by_layer[place]] for place in sorted(by_layer)]
        kept = [[p for p in layer if id(p) not in last] for layer in layers]
        return {"image": [layer for layer in kept if layer]}

    def deciding_layer(self) -> nn.Module:
        """Give timm's own last layer."""
        return cast(nn.Module, self.network.get_classifier())


class BackboneDetector(TimmDetector):
    """One network of ``BACKBONES`` with one logit; a subclass names it.

    ``tiny`` is a narrow network of the same kind, from random weights. Published weights are
    ImageNet's; others are in timm's layout, and their last layer is taken where it tells fakes.
    ``input_size`` is 128 (tiny) or the network's own by default.

    Args:
        shared: As ``AnySideDetector``.

    Attributes:
        backbone: Its name in ``BACKBONES``.

    Raises:
        WeightsError: The weights asked for are not to be had or do not fit.
        DetectorError: There is no such backbone.
    """

    backbone: str
    mean: Tensor
    std: Tensor

    def __init__(self, **shared: Unpack[AnySideOptions]) -> None:
        if self.backbone not in BACKBONES:
            raise DetectorError(
                f"{self.card.name} has no backbone '{self.backbone}'; "
                f"there are {', '.join(BACKBONES)}"
            )
        found = BACKBONES[self.backbone]
        self.published = found.published
        if shared.get("input_size") is None:
            shared["input_size"] = TINY_SIDE if shared.get("size") == "tiny" else found.input_size
        super().__init__(**shared)
        self.network = (found.tiny if self.size == "tiny" else found.base)(1)
        if self.start is not None:
            digest, is_whole = load_network(
                self.network,
                self.start,
                self.card.name,
                found.head,
                last_layer=self.last_layer,
                names=found.names,
                unlike=found.unlike,
            )
            self.init = init_of(self.start, found.published, digest)
            if is_whole:
                self.mark_trained()
        register_statistics(self, *found.statistics)
        # Depthwise convolutions run about 1.4 times as fast on a CPU with channels last.
        self.to(memory_format=torch.channels_last)

    def features(self, inputs: Tensor) -> Tensor:
        """Give the (B, d) pooled activations of (B, 3, S, S) inputs in [0, 1]."""
        normalised = (inputs - self.mean) / self.std
        return self.pooled(normalised.contiguous(memory_format=torch.channels_last))


def load_network(
    network: nn.Module,
    source: str,
    detector: str,
    head: tuple[str, ...],
    *,
    last_layer: LastLayer = "keep",
    names: KeyMap = (),
    unlike: tuple[str, str] | None = None,
) -> tuple[str, bool]:
    """Fill ``network``, whose last layer has one output, from weights.

    Args:
        network: What is filled, in place.
        source: A Hub repository, a local folder or a local file.
        detector: Name for messages.
        head: What the names of the last layer's tensors start with, here and there.
        last_layer: Whether a last layer of one output, or of two, real and fake, is taken; one of
            others never is.
        names: From names of others to ours.
        unlike: As in ``Backbone``.

    Returns:
        The fingerprint of the files, and whether the last layer was taken.

    Raises:
        WeightsError: A tensor is missing, unknown or of another shape, or a file unreadable.
    """
    tensors, digest = read_weights(source, detector)
    given = renamed(tensors, _PARALLEL)
    if unlike is not None and any(name.startswith(unlike[0]) for name in given):
        raise WeightsError(f"{source}: {unlike[1]}")
    given = one_logit(renamed(given, names), head)
    is_whole = last_layer == "keep" and last_outputs(given, head) == 1
    given, wanted = (
        {name: t for name, t in some.items() if is_whole or not name.startswith(head)}
        for some in (given, network.state_dict())
    )
    check_fit(given, wanted, source)
    network.load_state_dict(given, strict=is_whole)
    return digest, is_whole


def load_trunk(network: nn.Module, source: str, detector: str, head: tuple[str, ...]) -> str:
    """Fill all of ``network`` but its last layer; otherwise as ``load_network``.

    Returns:
        The fingerprint of the files.
    """
    return load_network(network, source, detector, head, last_layer="drop")[0]
