"""SSP: the noise of the simplest patch alone, and a ResNet-50."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from detectors.base import Detector, Sides, Size
from detectors.card import Card
from detectors.cards.frequency import SSP as CARD
from detectors.loading import check_fit
from detectors.parts.backbones import BACKBONES, load_trunk
from detectors.parts.filters import srm_kernels
from detectors.parts.streams import follow_quickly
from detectors.parts.textures import Cutter, texture
from detectors.pretrained import Names, Pretrained, read_weights, renamed, resolve

RESNET = BACKBONES["resnet50"]
TRUNCATION = 3.0
# Names of a checkpoint of the public code -> ours.
_NAMES: Names = [(r"^module\.", ""), (r"^srm\.kernel$", None), (r"^disc\.", "")]


class SSP(Detector):
    """The noise residual of the one patch with the least texture, enlarged, through a ResNet-50.

    Trained by binary cross-entropy. Of the 64 patches drawn, of equals the first is taken.

    Args:
        size: ``tiny`` (timm's test network, input 128, patch 32) or ``base`` (ResNet-50, input
            256, patch 32 enlarged to 256).
        patch: Side of the patches, in pixels.
        pretrained: False, True (ImageNet weights), a Hub repository, a local folder or file, in
            timm's names (all but the last layer is taken) or as the public code saves a trained SSP
            (all is); by default True for ``base`` and False for ``tiny``.
        input_size: Side of the input in pixels, at least a patch.
        taxa: Kinds of training image; kept, not used.
        untrained: Give logits before training too.

    Raises:
        WeightsError: The weights asked for are not to be had or do not fit.
        DetectorError: The patch does not fit into the input.
    """

    card: ClassVar[Card] = CARD
    sides = Sides(tiny=128, base=256)
    mean: Tensor
    std: Tensor
    kernels: Tensor

    def __init__(
        self,
        *,
        size: Size = "base",
        patch: int = 32,
        pretrained: Pretrained = None,
        input_size: int | None = None,
        taxa: Iterable[Sequence[str]] = (),
        untrained: bool = False,
    ) -> None:
        super().__init__(input_size=input_size, size=size, taxa=taxa, untrained=untrained)
        side = self.transform.size
        source = resolve(pretrained, size=size, published=RESNET.published, detector="ssp")
        # As many as a grid would have: what the patches cover does not depend on their side.
        self.cutter = Cutter(patch, max(1, (side // max(patch, 1)) ** 2), detector="ssp")
        self.cutter.places(torch.empty(1, 3, side, side), training=False)
        self.enlarged = 256 if size == "base" else 64
        self.network = (RESNET.base if size == "base" else RESNET.tiny)(1)
        if source is not None:
            self.init = _fill(self, source)
        for buffer, values in zip(("mean", "std"), RESNET.statistics, strict=True):
            self.register_buffer(buffer, torch.tensor(values).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("kernels", srm_kernels(), persistent=False)
        if size == "tiny":
            follow_quickly(self)
        self.to(memory_format=torch.channels_last)

    def simplest(self, inputs: Tensor) -> Tensor:
        """Cut the patch of least texture out of each image: (B, 3, S, S) to (B, 3, p, p)."""
        places = self.cutter.places(inputs, training=self.training)
        least = texture(inputs, places, self.cutter.side).argmin(dim=1)
        image = torch.arange(len(inputs), device=inputs.device)
        return self.cutter.cut(inputs, places[image, least][:, None])[:, 0]

    def residual(self, patches: Tensor) -> Tensor:
        """Give the (B, 3, E, E) noise of patches in [0, 1], enlarged; E is 256, 64 for tiny."""
        normalised = (patches - self.mean) / self.std
        large = F.interpolate(normalised, (self.enlarged,) * 2, mode="bilinear")
        # Half precision has no bits left for differences of neighbouring values.
        with torch.autocast(patches.device.type, enabled=False):
            residual = F.conv2d(large.float(), self.kernels, padding=2)
        return residual.clamp(-TRUNCATION, TRUNCATION)

    def features(self, inputs: Tensor) -> Tensor:
        """Give the (B, d) pooled activations; d is 2048 for base and 96 for tiny."""
        noise = self.residual(self.simplest(inputs))
        noise = noise.contiguous(memory_format=torch.channels_last)
        maps = self.network.forward_features(noise)
        pooled: Tensor = self.network.forward_head(maps, pre_logits=True)
        return pooled

    def forward(self, inputs: Tensor) -> Tensor:
        """Give (B,) logits for (B, 3, S, S) inputs in [0, 1]; > 0 means fake."""
        logits: Tensor = self.network.get_classifier()(self.features(inputs))  # (B, 1)
        return logits.squeeze(1).float()

    def architecture(self) -> dict[str, Any]:
        """Rebuild without fetching the ImageNet weights, which the saved ones replace."""
        return {
            "size": self.size,
            "patch": self.cutter.side,
            "pretrained": False,
            "input_size": self.transform.size,
        }


def _fill(detector: SSP, source: str) -> str:
    """Fill the network from ImageNet weights or a trained SSP; return what ``init`` says."""
    tensors, digest = read_weights(source, "ssp")
    if not any(name.startswith(("disc.", "module.disc.")) for name in tensors):
        load_trunk(detector.network, source, "ssp", RESNET.head)
        return "imagenet" if source == RESNET.published else f"weights:{digest}"
    ours = renamed(tensors, _NAMES)
    check_fit(ours, detector.network.state_dict(), source)
    for name in ("fc.weight", "fc.bias"):
        ours[name] = -ours[name]  # there the logit is of being real
    detector.network.load_state_dict(ours)
    detector.mark_trained()
    return f"weights:{digest}"
