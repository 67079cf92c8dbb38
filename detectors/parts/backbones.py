"""Published image networks that detectors are built on, each with a narrow twin for CPUs."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import timm
import torch
from timm.layers.conv_bn_act import ConvNormAct
from timm.models.xception_aligned import XceptionAligned
from torch import Tensor, nn

from detectors.base import Detector, Size
from detectors.errors import DetectorError
from detectors.loading import check_fit
from detectors.pretrained import Pretrained, read_weights, resolve

TINY_SIDE = 128
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_SYMMETRIC = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
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
    """

    published: str
    base: Callable[[int], Any]
    tiny: Callable[[int], Any]
    input_size: int
    statistics: _Statistics
    head: tuple[str, ...]


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
        statistics=_SYMMETRIC,
        head=("fc.", "head.fc."),
    ),
    "efficientnet-b4": Backbone(
        published="timm/tf_efficientnet_b4.aa_in1k",
        base=_named("tf_efficientnet_b4"),
        tiny=_named("test_efficientnet"),
        input_size=256,
        statistics=_IMAGENET,
        head=("classifier.",),
    ),
    "resnet50": Backbone(
        published="timm/resnet50.tv_in1k",
        base=_named("resnet50", zero_init_last=False),  # as torchvision starts it
        tiny=_named("test_resnet", zero_init_last=False),
        input_size=224,
        statistics=_IMAGENET,
        head=("fc.",),
    ),
    "vit-b16": Backbone(
        published="timm/vit_base_patch16_224.augreg_in21k_ft_in1k",
        base=_named("vit_base_patch16_224", **_ANY_SIDE),
        tiny=_named("test_vit", img_size=TINY_SIDE, **_ANY_SIDE),
        input_size=224,
        statistics=_SYMMETRIC,
        head=("head.",),
    ),
}


class BackboneDetector(Detector):
    """One network of ``BACKBONES`` with one logit; a subclass names it.

    Args:
        size: ``tiny`` (a narrow network of the same kind, from random weights) or ``base``.
        pretrained: False, True (the published ImageNet weights), a Hub repository, a local folder
            or file in timm's layout; by default True for ``base`` and False for ``tiny``.
        input_size: Side of the input in pixels; 128 (tiny) or the network's own by default.
        taxa: Kinds of training image; kept, not used.
        untrained: Give logits before training too.

    Attributes:
        backbone: Its name in ``BACKBONES``.

    Raises:
        WeightsError: The weights asked for are not to be had or do not fit.
        DetectorError: There is no such backbone.
    """

    backbone: str
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        size: Size = "base",
        pretrained: Pretrained = None,
        input_size: int | None = None,
        taxa: Iterable[Sequence[str]] = (),
        untrained: bool = False,
    ) -> None:
        name = self.card.name
        if self.backbone not in BACKBONES:
            raise DetectorError(
                f"{name} has no backbone '{self.backbone}'; there are {', '.join(BACKBONES)}"
            )
        found = BACKBONES[self.backbone]
        default = TINY_SIDE if size == "tiny" else found.input_size
        side = default if input_size is None else input_size
        super().__init__(input_size=side, size=size, taxa=taxa, untrained=untrained)
        source = resolve(pretrained, size=size, published=found.published, detector=name)
        self.network = (found.tiny if size == "tiny" else found.base)(1)
        if source is not None:
            digest = load_trunk(self.network, source, name, found.head)
            # Only the published weights are known to be ImageNet's; others are named by bytes.
            self.init = "imagenet" if source == found.published else f"weights:{digest}"
        for buffer, values in zip(("mean", "std"), found.statistics, strict=True):
            self.register_buffer(buffer, torch.tensor(values).view(1, 3, 1, 1), persistent=False)
        # Depthwise convolutions run about 1.4 times as fast on a CPU with channels last.
        self.to(memory_format=torch.channels_last)

    def features(self, inputs: Tensor) -> Tensor:
        """Give the (B, d) pooled activations of (B, 3, S, S) inputs in [0, 1]."""
        normalised = (inputs - self.mean) / self.std
        normalised = normalised.contiguous(memory_format=torch.channels_last)
        maps = self.network.forward_features(normalised)
        pooled: Tensor = self.network.forward_head(maps, pre_logits=True)
        return pooled

    def forward(self, inputs: Tensor) -> Tensor:
        """Give (B,) logits for (B, 3, S, S) inputs in [0, 1]; > 0 means fake."""
        return self.decide(self.features(inputs))

    def decide(self, features: Tensor) -> Tensor:
        """Give (B,) float32 logits of (B, d) features."""
        logits: Tensor = self.network.get_classifier()(features)  # (B, 1)
        return logits.squeeze(1).float()

    def architecture(self) -> dict[str, Any]:
        """Rebuild without fetching the ImageNet weights, which the saved ones replace."""
        return {"size": self.size, "pretrained": False, "input_size": self.transform.size}


def load_trunk(network: nn.Module, source: str, detector: str, head: tuple[str, ...]) -> str:
    """Fill all of ``network`` but its last layer from published weights.

    Args:
        network: What is filled, in place.
        source: A Hub repository, a local folder or a local file.
        detector: Name for messages.
        head: What the names of the last layer's tensors start with, here and there.

    Returns:
        The fingerprint of the files.

    Raises:
        WeightsError: A tensor is missing, unknown or of another shape, or a file unreadable.
    """
    tensors, digest = read_weights(source, detector)
    trunk = {name: t for name, t in tensors.items() if not name.startswith(head)}
    wanted = {name: t for name, t in network.state_dict().items() if not name.startswith(head)}
    check_fit(trunk, wanted, source)
    network.load_state_dict(trunk, strict=False)
    return digest
