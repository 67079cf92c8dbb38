"""Xception, the field's common baseline: one convolutional network, one logit."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import timm
import torch
from timm.layers.conv_bn_act import ConvNormAct
from timm.models.xception_aligned import XceptionAligned
from torch import Tensor, nn

from detectors.base import Detector, Size
from detectors.card import Card
from detectors.cards.spatial import XCEPTION
from detectors.errors import WeightsError
from detectors.pretrained import (
    Pretrained,
    fingerprint,
    read_tensors,
    resolve,
    tensor_files,
    weights_folder,
)

PUBLISHED = "timm/legacy_xception.tf_in1k"
# The tiny network: channels of its two strided stem convolutions, then (in, out, stride) of blocks.
TINY_STEM = (16, 32)
TINY_BLOCKS = ((32, 64, 2), (64, 128, 1))


class Xception(Detector):
    """Xception with one logit, trained by binary cross-entropy.

    ``base`` is the network of Chollet 2017 with ImageNet weights at the 256 pixels that
    DeepfakeBench uses. ``tiny`` keeps the separable residual blocks of the aligned Xception, far
    narrower and three of them, at 128 pixels, from random weights.

    Args:
        size: ``tiny`` or ``base``.
        pretrained: False, True (the published ImageNet weights), a Hub repository or a local
            folder in timm's layout; by default True for ``base`` and False for ``tiny``.
        input_size: Side of the input in pixels; 128 (tiny) or 256 (base) by default.
        taxa: Kinds of training image; kept, not used.
        untrained: Give logits before training too.

    Raises:
        WeightsError: The weights asked for are not to be had or do not fit.
    """

    card: ClassVar[Card] = XCEPTION
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
        default = 128 if size == "tiny" else 256
        super().__init__(
            input_size=default if input_size is None else input_size,
            size=size,
            taxa=taxa,
            untrained=untrained,
        )
        source = resolve(pretrained, size=size, published=PUBLISHED, detector="xception")
        self.network = _tiny() if size == "tiny" else _base()
        if source is not None:
            self.init = _load_trunk(self.network, weights_folder(source, "xception"), source)
        # The published weights were trained on values in [-1, 1].
        self.register_buffer("mean", torch.full((1, 3, 1, 1), 0.5), persistent=False)
        self.register_buffer("std", torch.full((1, 3, 1, 1), 0.5), persistent=False)
        # Depthwise convolutions run about 1.4 times as fast on a CPU with channels last.
        self.to(memory_format=torch.channels_last)

    def features(self, inputs: Tensor) -> Tensor:
        """Give the (B, d) pooled activations; d is 2048 for base and 128 for tiny."""
        normalised = (inputs - self.mean) / self.std
        normalised = normalised.contiguous(memory_format=torch.channels_last)
        maps = self.network.forward_features(normalised)  # (B, d, S/32, S/32); tiny S/8
        pooled: Tensor = self.network.forward_head(maps, pre_logits=True)
        return pooled

    def forward(self, inputs: Tensor) -> Tensor:
        """Give (B,) logits for (B, 3, S, S) inputs in [0, 1]; > 0 means fake."""
        logits: Tensor = self.network.get_classifier()(self.features(inputs))  # (B, 1)
        return logits.squeeze(1).float()

    def architecture(self) -> dict[str, Any]:
        """Rebuild without fetching the ImageNet weights, which the saved ones replace."""
        return {"size": self.size, "pretrained": False, "input_size": self.transform.size}


def _base() -> Any:
    """Build the published network, unfilled, with one logit."""
    return timm.create_model("legacy_xception", pretrained=False, num_classes=1)


def _tiny() -> Any:
    """Build the narrow network: 0.07 M parameters."""
    blocks = [{"in_chs": i, "out_chs": o, "stride": s} for i, o, s in TINY_BLOCKS]
    network = XceptionAligned(block_cfg=blocks, num_classes=1)
    # The library's stem (32 and 64 full-width maps at half size) costs ten times all the blocks.
    # Two strides of 2, not one of 4: traces of a pixel or two are what it has to learn.
    first, second = TINY_STEM
    network.stem = nn.Sequential(
        ConvNormAct(3, first, kernel_size=5, stride=2),
        ConvNormAct(first, second, kernel_size=3, stride=2),
    )
    return network


def _load_trunk(network: Any, folder: Path, source: str) -> str:
    """Fill all of ``network`` but its last layer from ``folder``; return what ``init`` says."""
    files = tensor_files(folder)
    tensors = read_tensors(files)
    head = ("fc.", "head.fc.")
    trunk = {name: t for name, t in tensors.items() if not name.startswith(head)}
    wanted = {name: t for name, t in network.state_dict().items() if not name.startswith(head)}
    shared = wanted.keys() & trunk.keys()
    problems = {
        "missing": wanted.keys() - trunk.keys(),
        "unknown": trunk.keys() - wanted.keys(),
        "of another shape": {name for name in shared if wanted[name].shape != trunk[name].shape},
    }
    for problem, names in problems.items():
        if names:
            some = ", ".join(sorted(names)[:5])
            raise WeightsError(f"{folder}: {len(names)} tensors are {problem}: {some}")
    network.load_state_dict(trunk, strict=False)
    # Only the published weights are known to be ImageNet's; others are named by their bytes.
    return "imagenet" if source == PUBLISHED else f"weights:{fingerprint(files)}"
