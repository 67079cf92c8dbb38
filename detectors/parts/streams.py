"""Xception as one of several streams: without a last layer, and run part by part."""

from collections.abc import Iterable
from typing import Any

import timm
import torch
from timm.models._manipulate import adapt_input_conv
from timm.models.xception import Block, SeparableConv2d, Xception
from torch import Tensor, nn
from torch.nn import functional as F

from detectors.base import Size
from detectors.loading import check_fit
from detectors.parts.backbones import BACKBONES
from detectors.pretrained import LastLayer, init_of, read_weights, refuse_last_layer

STREAM_BACKBONE = BACKBONES["xception"]
MIDDLE = range(4, 12)  # blocks of equal width, which can be left out
# The narrow network: channels of both stem convolutions, of blocks 1 to 11, 12, and of the last two
# convolutions. Of the eight equal blocks it has two.
_TINY = {"stem": (8, 16), "entry": (24, 32, 48), "exit": (64, 96, 128), "middle": (4, 8)}


class Stream(nn.Module):
    """Xception up to its last maps.

    Args:
        size: ``tiny`` (the same parts, far narrower) or ``base`` (Chollet 2017).
        channels: Channels of its input.
        stride: Of the first convolution; 1 for input at half size, which is then padded, so that
            its maps are as large as those of a stream that sees the whole size S, if S is even.
        shallow: Leave out the eight blocks of the middle flow.

    Attributes:
        stems: Channels after both convolutions of the stem.
        middle: Channels after blocks 3 to 11.
        last: Channels after block 12.
        outputs: Channels of the last maps.
    """

    def __init__(
        self, size: Size, *, channels: int = 3, stride: int = 2, shallow: bool = False
    ) -> None:
        super().__init__()
        self.network: Any = (_base if size == "base" else _narrow)(channels)
        if shallow:
            for number in MIDDLE:
                setattr(self.network, f"block{number}", nn.Identity())
        if stride == 1:
            self.network.conv1.stride, self.network.conv1.padding = (1, 1), (1, 1)
        self.stems = (self.network.conv1.out_channels, self.network.conv2.out_channels)
        self.middle: int = self.network.block3.skip.out_channels
        self.last: int = self.network.block12.skip.out_channels
        self.outputs: int = self.network.num_features

    def stem(self, maps: Tensor, number: int) -> Tensor:
        """Run convolution 1 or 2 of the stem with its normalisation and activation."""
        network = self.network
        maps = getattr(network, f"conv{number}")(maps)
        # Out of place: two streams may read what the activation would overwrite.
        return F.relu(getattr(network, f"bn{number}")(maps))

    def blocks(self, maps: Tensor, first: int, last: int) -> Tensor:
        """Run the blocks from ``first`` to ``last``, both counted from 1."""
        for number in range(first, last + 1):
            maps = getattr(self.network, f"block{number}")(maps)
        return maps

    def finish(self, maps: Tensor) -> Tensor:
        """Run the two separable convolutions after block 12."""
        network = self.network
        maps = network.act3(network.bn3(network.conv3(maps)))
        finished: Tensor = network.act4(network.bn4(network.conv4(maps)))
        return finished

    def forward(self, maps: Tensor) -> Tensor:
        """Run all parts: (B, channels, S, S) to (B, outputs, about S/32, the same)."""
        maps = self.stem(self.stem(maps, 1), 2)
        return self.finish(self.blocks(maps, 1, 12))


def map_side(side: int) -> int:
    """Give the side of the maps after blocks 3 to 11 for an input of ``side`` pixels."""
    side = (side - 3) // 2 + 1 - 2
    for _ in range(3):
        side = (side - 1) // 2 + 1
    return side


def fill_streams(
    streams: Iterable[Stream], source: str, detector: str, *, last_layer: LastLayer = "keep"
) -> str:
    """Fill every stream with the weights of one Xception on colour images.

    The first convolution of a stream with other channels gets the colours' filters repeated and
    scaled, so that its output keeps its size.

    Args:
        streams: Filled in place.
        source: A Hub repository, a local folder or file, in timm's names.
        detector: Name for messages.
        last_layer: ``drop`` takes the rest of an Xception that tells fakes; its last layer reads
            one stream on colours, which is not what decides here.

    Returns:
        What ``init`` says.

    Raises:
        WeightsError: The weights are not to be had, or do not fit, each tensor named; or they have
            a last layer that tells fakes, and it is not to be dropped.
    """
    tensors, digest = read_weights(source, detector)
    refuse_last_layer(tensors, STREAM_BACKBONE.head, source, detector, last_layer)
    trunk = {name: t for name, t in tensors.items() if not name.startswith(STREAM_BACKBONE.head)}
    for stream in streams:
        wanted, given = stream.network.state_dict(), dict(trunk)
        if isinstance(stream.network.block4, nn.Identity):  # shallow
            left_out = tuple(f"block{number}." for number in MIDDLE)
            given = {name: t for name, t in given.items() if not name.startswith(left_out)}
        if given.get("conv1.weight", torch.empty(0)).ndim == 4:
            channels = wanted["conv1.weight"].shape[1]
            given["conv1.weight"] = adapt_input_conv(channels, given["conv1.weight"])
        check_fit(given, wanted, source)
        stream.network.load_state_dict(given)
    return init_of(source, STREAM_BACKBONE.published, digest)


def _base(channels: int) -> Any:
    """Build the published network without its last layer, unfilled."""
    return timm.create_model("legacy_xception", in_chans=channels, num_classes=0, global_pool="")


def _narrow(channels: int) -> Any:
    """Build the same parts far narrower: 0.05 M parameters."""
    with torch.device("meta"):  # all of it is replaced
        network: Any = Xception(in_chans=channels, num_classes=0, global_pool="")
    (first, second), (one, two, three), (last, third, fourth) = (
        _TINY["stem"],
        _TINY["entry"],
        _TINY["exit"],
    )
    network.conv1 = nn.Conv2d(channels, first, 3, 2, bias=False)
    network.conv2 = nn.Conv2d(first, second, 3, bias=False)
    network.block1 = Block(second, one, 2, 2, start_with_relu=False)
    network.block2 = Block(one, two, 2, 2)
    network.block3 = Block(two, three, 2, 2)
    for number in MIDDLE:
        block = Block(three, three, 3) if number in _TINY["middle"] else nn.Identity()
        setattr(network, f"block{number}", block)
    network.block12 = Block(three, last, 2, 2, grow_first=False)
    network.conv3 = SeparableConv2d(last, third, 3, 1, 1)
    network.conv4 = SeparableConv2d(third, fourth, 3, 1, 1)
    for number, width in enumerate((first, second, third, fourth), start=1):
        setattr(network, f"bn{number}", nn.BatchNorm2d(width))
    network.num_features = fourth
    return follow_quickly(network)


def follow_quickly(network: Any) -> Any:
    """Let the statistics of batch normalisation follow within ten steps instead of thirty.

    For narrow networks: they learn in so few steps that the statistics would lag behind.
    """
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.3
    return network
