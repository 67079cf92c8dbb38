"""SSP: the noise of the simplest patch alone, and a ResNet-50."""

from typing import Any, Unpack

import torch
from torch import Tensor
from torch.nn import functional as F

from detectors.base import Sides
from detectors.cards import frequency as cards
from detectors.loading import check_fit
from detectors.parts.backbones import BACKBONES, TimmDetector, load_trunk
from detectors.parts.filters import NoiseResidual
from detectors.parts.network import AnySideOptions, register_statistics
from detectors.parts.streams import follow_quickly
from detectors.parts.textures import Cutter, texture
from detectors.pretrained import KeyMap, init_of, read_weights, refuse_last_layer, renamed

RESNET = BACKBONES["resnet50"]
# Names of a checkpoint of the public code -> ours.
_NAMES: KeyMap = [(r"^module\.", ""), (r"^srm\.kernel$", None), (r"^disc\.", "")]


class SSP(TimmDetector):
    """The noise residual of the one patch with the least texture, enlarged, through a ResNet-50.

    Trained by binary cross-entropy. Of the 64 patches drawn, of equals the first is taken.

    ``tiny`` is timm's test network (input 128, patch enlarged to 64), ``base`` a ResNet-50 (input
    256, patch enlarged to 256). Published weights are ImageNet's; others are in timm's names (all
    but the last layer is taken) or as the public code saves a trained SSP (all is).

    Args:
        patch: Side of the patches, in pixels.
        shared: As ``AnySideDetector``; the side is at least a patch.

    Raises:
        WeightsError: The weights asked for are not to be had or do not fit.
        DetectorError: The patch does not fit into the input.
    """

    card = cards.SSP
    sides = Sides(tiny=128, base=256)
    published = RESNET.published
    mean: Tensor
    std: Tensor

    def __init__(self, *, patch: int = 32, **shared: Unpack[AnySideOptions]) -> None:
        super().__init__(**shared)
        side = self.transform.size
        # As many as a grid would have: what the patches cover does not depend on their side.
        self.cutter = Cutter(patch, max(1, (side // max(patch, 1)) ** 2), detector="ssp")
        self.cutter.places(torch.empty(1, 3, side, side), training=False)
        self.enlarged = 256 if self.size == "base" else 64
        self.network = (RESNET.base if self.size == "base" else RESNET.tiny)(1)
        if self.start is not None:
            self.init = _fill(self, self.start)
        register_statistics(self, *RESNET.statistics)
        self.filters = NoiseResidual(unit=2**-6)  # normalised colours are below 3
        if self.size == "tiny":
            follow_quickly(self)
        self.to(memory_format=torch.channels_last)

    def simplest(self, inputs: Tensor) -> Tensor:
        """Cut the patch of least texture out of each image: (B, 3, S, S) to (B, 3, p, p)."""
        places = self.cutter.places(inputs, training=self.training)
        least = texture(inputs, places, self.cutter.side).argmin(dim=1)
        corners = places.gather(1, least[:, None, None].expand(-1, -1, 2))  # (B, 1, 2)
        return self.cutter.cut(inputs, corners)[:, 0]

    def residual(self, patches: Tensor) -> Tensor:
        """Give the (B, 3, E, E) noise of patches in [0, 1], enlarged; E is 256, 64 for tiny."""
        normalised = (patches - self.mean) / self.std
        large = F.interpolate(normalised, (self.enlarged,) * 2, mode="bilinear")
        found: Tensor = self.filters(large)
        return found

    def features(self, inputs: Tensor) -> Tensor:
        """Give the (B, d) pooled activations; d is 2048 for base and 96 for tiny."""
        noise = self.residual(self.simplest(inputs))
        return self.pooled(noise.contiguous(memory_format=torch.channels_last))

    def architecture(self) -> dict[str, Any]:
        """Add the side of the patches to what rebuilds the network."""
        return {**super().architecture(), "patch": self.cutter.side}


def _fill(detector: SSP, source: str) -> str:
    """Fill the network from ImageNet weights or a trained SSP; return what ``init`` says."""
    tensors, digest = read_weights(source, "ssp")
    if not any(name.startswith(("disc.", "module.disc.")) for name in tensors):
        refuse_last_layer(tensors, RESNET.head, source, "ssp", detector.last_layer)
        load_trunk(detector.network, source, "ssp", RESNET.head)
        return init_of(source, RESNET.published, digest)
    ours, wanted = renamed(tensors, _NAMES), detector.network.state_dict()
    is_whole = detector.last_layer == "keep"
    ours, wanted = (
        {name: t for name, t in some.items() if is_whole or not name.startswith(RESNET.head)}
        for some in (ours, wanted)
    )
    check_fit(ours, wanted, source)
    if is_whole:
        for name in ("fc.weight", "fc.bias"):
            ours[name] = -ours[name]  # there the logit is of being real
        detector.mark_trained()
    detector.network.load_state_dict(ours, strict=is_whole)
    return f"weights:{digest}"
