"""NPR: what up-sampling leaves between neighbouring pixels, and a short ResNet."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal, get_args

import torch
from timm.models.resnet import Bottleneck, ResNet
from torch import Tensor, nn
from torch.nn import functional as F

from detectors.base import Detector, Sides, Size
from detectors.card import Card
from detectors.cards.frequency import NPR as CARD
from detectors.errors import DetectorError, WeightsError
from detectors.loading import check_fit
from detectors.parts.streams import follow_quickly
from detectors.pretrained import Names, Pretrained, read_weights, renamed
from detectors.transform import NativeCrop, Transform

Policy = Literal["resize", "no_resize"]
# Names of the published checkpoint -> ours.
_NAMES: Names = [(r"^module\.", ""), (r"^fc1\.", "fc.")]
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def neighbouring_residual(images: Tensor) -> Tensor:
    """Subtract from every pixel the first of its 2 x 2 cell.

    x - up(down(x, 1/2)), both to the nearest: the upper left pixel of each cell becomes 0.

    Args:
        images: (..., H, W), H and W even.

    Source: Tan et al., CVPR 2024, equations 3 to 5.
    """
    half = F.interpolate(images, scale_factor=0.5, mode="nearest")
    return images - F.interpolate(half, scale_factor=2.0, mode="nearest")


class NPR(Detector):
    """A ResNet-50 cut after its second stage, on relations of neighbouring pixels.

    Args:
        size: ``tiny`` (narrow, input 128) or ``base`` (1.4 M parameters, input 256).
        resize: ``resize`` brings the shorter side to the input's; ``no_resize`` crops the centre
            out of the image's own pixels, and repeats an image that is smaller. The traces are of
            single pixels, so that the two measure different things.
        pretrained: False or None for random weights, as the paper starts; or a Hub repository, a
            local folder or file with a trained network, in the names of the public code.
        input_size: Side of the input in pixels, even.
        taxa: Kinds of training image; kept, not used.
        untrained: Give logits before training too.

    Raises:
        WeightsError: The weights asked for are not to be had or do not fit.
        DetectorError: There is no such policy, or the side is odd.
    """

    card: ClassVar[Card] = CARD
    sides = Sides(tiny=128, base=256)
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        size: Size = "base",
        resize: Policy = "resize",
        pretrained: Pretrained = None,
        input_size: int | None = None,
        taxa: Iterable[Sequence[str]] = (),
        untrained: bool = False,
    ) -> None:
        super().__init__(input_size=input_size, size=size, taxa=taxa, untrained=untrained)
        side = self.transform.size
        if resize not in get_args(Policy):
            raise DetectorError(f"npr has the policies resize and no_resize, not '{resize}'")
        if side % 2:
            raise DetectorError(f"npr: input_size is even, since cells are 2 x 2; got {side}")
        self.policy = resize
        self.transform = Transform(side) if resize == "resize" else NativeCrop(side)
        self.network = _network(size)
        if isinstance(pretrained, str):
            self.init = _fill(self.network, pretrained)
            self.mark_trained()
        elif pretrained:
            raise WeightsError(
                "npr starts from random weights: leave pretrained out, or pass a folder or file "
                "with a trained network"
            )
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)
        self.to(memory_format=torch.channels_last)

    def features(self, inputs: Tensor) -> Tensor:
        """Give the (B, d) pooled activations; d is 512 for base and 64 for tiny."""
        residual = neighbouring_residual((inputs - self.mean) / self.std) * 2 / 3
        maps = self.network.forward_features(residual)  # (B, d, S/8, S/8)
        pooled: Tensor = self.network.forward_head(maps, pre_logits=True)
        return pooled

    def forward(self, inputs: Tensor) -> Tensor:
        """Give (B,) logits for (B, 3, S, S) inputs in [0, 1]; > 0 means fake."""
        logits: Tensor = self.network.get_classifier()(self.features(inputs))  # (B, 1)
        return logits.squeeze(1).float()

    def architecture(self) -> dict[str, Any]:
        """Rebuild without reading the weights it started from."""
        return {
            "size": self.size,
            "resize": self.policy,
            "pretrained": False,
            "input_size": self.transform.size,
        }


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


def _fill(network: nn.Module, source: str) -> str:
    """Fill the whole network, last layer included; return what ``init`` says."""
    tensors, digest = read_weights(source, "npr")
    ours = renamed(tensors, _NAMES)
    check_fit(ours, network.state_dict(), source)
    network.load_state_dict(ours)
    return f"weights:{digest}"
