"""NPR: what up-sampling leaves between neighbouring pixels, and a short ResNet."""

from pathlib import Path
from typing import Any, Literal, Unpack, get_args

import torch
from timm.models.resnet import Bottleneck, ResNet
from torch import Tensor, nn
from torch.nn import functional as F

from detectors.base import Sides, Size
from detectors.cards import frequency as cards
from detectors.errors import DetectorError, WeightsError
from detectors.loading import check_fit
from detectors.parts.backbones import IMAGENET_STATISTICS, TimmDetector
from detectors.parts.network import AnySideOptions, register_statistics
from detectors.parts.streams import follow_quickly
from detectors.pretrained import KeyMap, Pretrained, one_logit, read_weights, renamed
from detectors.transform import NativeCrop, Transform

Policy = Literal["resize", "no_resize"]
# Names of the published checkpoint -> ours.
_NAMES: KeyMap = [(r"^module\.", ""), (r"^fc1\.", "fc.")]
_HEAD = ("fc.",)


def neighbouring_residual(images: Tensor) -> Tensor:
    """Subtract from every pixel the first of its 2 x 2 cell.

    x - up(down(x, 1/2)), both to the nearest: the upper left pixel of each cell becomes 0.

    Args:
        images: (..., H, W), H and W even.

    Source: Tan et al., CVPR 2024, equations 3 to 5.
    """
    half = F.interpolate(images, scale_factor=0.5, mode="nearest")
    return images - F.interpolate(half, scale_factor=2.0, mode="nearest")


class NPR(TimmDetector):
    """A ResNet-50 cut after its second stage, on relations of neighbouring pixels.

    ``tiny`` is narrow (input 128), ``base`` has 1.4 M parameters (input 256). It starts from random
    weights, as in the paper; ``pretrained`` may name a trained network, in the names of the public
    code.

    Args:
        resize: ``resize`` brings the shorter side to the input's; ``no_resize`` crops the centre
            out of the image's own pixels, and repeats an image that is smaller. The traces are of
            single pixels, so that the two measure different things.
        shared: As ``AnySideDetector``; ``input_size`` is even.

    Raises:
        WeightsError: The weights asked for are not to be had or do not fit.
        DetectorError: There is no such policy, or the side is odd.
    """

    card = cards.NPR
    sides = Sides(tiny=128, base=256)
    mean: Tensor
    std: Tensor

    def __init__(self, *, resize: Policy = "resize", **shared: Unpack[AnySideOptions]) -> None:
        super().__init__(**shared)
        side = self.transform.size
        if resize not in get_args(Policy):
            raise DetectorError(f"npr has the policies resize and no_resize, not '{resize}'")
        if side % 2:
            raise DetectorError(f"npr: input_size is even, since cells are 2 x 2; got {side}")
        self.policy = resize
        self.transform = Transform(side) if resize == "resize" else NativeCrop(side)
        self.network = _network(self.size)
        if self.start is not None:
            self.init = _fill(self)
        register_statistics(self, *IMAGENET_STATISTICS)
        self.to(memory_format=torch.channels_last)

    def start_of(self, pretrained: Pretrained) -> str | None:
        """Say which trained network it is, if any."""
        if isinstance(pretrained, str | Path):
            return str(pretrained)
        if pretrained:
            raise WeightsError(
                "npr starts from random weights: leave pretrained out, or pass a folder or file "
                "with a trained network"
            )
        return None

    def features(self, inputs: Tensor) -> Tensor:
        """Give the (B, d) pooled activations; d is 512 for base and 64 for tiny."""
        residual = neighbouring_residual((inputs - self.mean) / self.std) * 2 / 3
        return self.pooled(residual)

    def architecture(self) -> dict[str, Any]:
        """Add the policy to what rebuilds the network."""
        return {**super().architecture(), "resize": self.policy}


def _network(size: Size) -> Any:
    """Build the first two stages of a ResNet-50 with a 3 x 3 stem, or of a narrow one."""
    layers, widths, stem = ((3, 4), (64, 128), 32) if size == "base" else ((1, 1), (8, 16), 8)
    network: Any = ResNet(
        Bottleneck,  # type: ignore[arg-type]
        layers,
        num_classes=1,
        channels=widths,
        # timm sets the stem's width for its deep stem only; the one it builds is replaced.
        stem_type="deep",
        stem_width=stem,
        zero_init_last=False,
    )
    network.conv1 = nn.Conv2d(3, 2 * stem, 3, stride=2, padding=1, bias=False)
    nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    network.layer3 = network.layer4 = nn.Identity()  # timm's forward asks for four stages
    return network if size == "base" else follow_quickly(network)


def _fill(detector: NPR) -> str:
    """Fill the network from a trained one; return what ``init`` says."""
    source = str(detector.start)
    tensors, digest = read_weights(source, "npr")
    ours, wanted = one_logit(renamed(tensors, _NAMES), _HEAD), detector.network.state_dict()
    if detector.last_layer == "drop":
        ours, wanted = (
            {name: t for name, t in some.items() if not name.startswith(_HEAD)}
            for some in (ours, wanted)
        )
    check_fit(ours, wanted, source)
    detector.network.load_state_dict(ours, strict=False)
    if detector.last_layer == "keep":
        detector.mark_trained()
    return f"weights:{digest}"
