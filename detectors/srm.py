"""SRM (Luo et al.): colours and high-frequency noise in two streams that attend to each other."""

from typing import Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectors.base import Batch, Sides
from detectors.cards import frequency as cards
from detectors.errors import WeightsError
from detectors.parts.filters import (
    COMMON_SCALES,
    TRUNCATION,
    NoiseResidual,
    common_filters,
)
from detectors.parts.network import AnySideDetector, AnySideOptions
from detectors.parts.streams import STREAM_BACKBONE, Stream, fill_streams, follow_quickly, map_side
from detectors.pretrained import read_weights

# AM-softmax: the cosines are scaled, and the right class's is made harder by the margin.
SCALE, MARGIN = 30.0, 0.45
# What attention adds starts small: at 0, as in public code, nothing behind it would learn at first.
START = 0.1


class NoiseOfMaps(nn.Module):
    """Noise residuals of feature maps: three fixed filters a channel, then a 1 x 1 convolution.

    Source: Luo et al., CVPR 2021, section 3.2 (multi-scale high-frequency features).
    """

    filters: Tensor
    scales: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        # Whole numbers cancel what is constant at any precision; 1 / 12 would not.
        filters = common_filters()[:, None].repeat(channels, 1, 1, 1)  # (3 channels, 1, 5, 5)
        scales = torch.tensor(COMMON_SCALES).repeat(channels)[:, None, None]
        self.register_buffer("filters", filters, persistent=False)
        self.register_buffer("scales", scales, persistent=False)
        self.mix = _mixed(3 * channels, channels)

    def forward(self, maps: Tensor) -> Tensor:
        """Give (B, C, H, W) noise features of (B, C, H, W) maps."""
        with torch.autocast(maps.device.type, enabled=False):
            noise = F.conv2d(maps.float(), self.filters, padding=2, groups=maps.shape[1])
            noise = (noise / self.scales).clamp(-TRUNCATION, TRUNCATION)
        found: Tensor = self.mix(noise)
        return found


class NoiseAttention(nn.Module):
    """Where the residual says to look: a map in (0, 1) at the size of the stem's.

    Source: Luo et al., CVPR 2021, section 3.3 (residual guided spatial attention); the map from
    mean and maximum over channels is that of CBAM (Woo et al., ECCV 2018).
    """

    def __init__(self, stems: tuple[int, int]) -> None:
        super().__init__()
        first, second = stems
        self.encode = nn.Sequential(
            nn.Conv2d(3, first, 3, stride=2, bias=False),
            nn.BatchNorm2d(first),
            nn.ReLU(),
            nn.Conv2d(first, second, 3, bias=False),
            nn.BatchNorm2d(second),
            nn.ReLU(),
        )
        self.attend = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, residual: Tensor) -> Tensor:
        """Give (B, 1, H, W) for a (B, 3, S, S) residual."""
        maps = self.encode(residual)
        seen = torch.cat([maps.mean(dim=1, keepdim=True), maps.amax(dim=1, keepdim=True)], dim=1)
        weights: Tensor = self.attend(seen).sigmoid()
        return weights


class CrossAttention(nn.Module):
    """Each stream takes from the other what lies where the two agree.

    Keys of both streams share their last convolution; their products over all pairs of places go
    through a linear layer each way before the softmax, so that the number of places is fixed.

    Args:
        channels: C of both streams.
        places: H W of their maps.

    Source: Luo et al., CVPR 2021, section 3.4 (dual cross-modality attention).
    """

    def __init__(self, channels: int, places: int) -> None:
        super().__init__()
        narrow = channels // 8
        self.keys = nn.ModuleList(nn.Conv2d(channels, narrow, 1) for _ in range(2))
        self.shared = nn.Conv2d(narrow, narrow, 1)
        self.pairs = nn.ModuleList(nn.Linear(places, places) for _ in range(2))
        self.values = nn.ModuleList(nn.Conv2d(channels, channels, 1) for _ in range(2))
        self.gains = nn.Parameter(torch.full((2,), START))

    def forward(self, colour: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Exchange between two (B, C, H, W) maps."""
        streams = (colour, noise)
        pairs = zip(self.keys, streams, strict=True)
        first, second = (self.shared(key(maps)).flatten(2) for key, maps in pairs)
        energy = first.mT @ second  # (B, H W, H W), colour's places by noise's
        to_colour = self.pairs[0](energy).softmax(dim=-1)
        to_noise = self.pairs[1](energy.mT).softmax(dim=-1)
        values = [value(maps).flatten(2) for value, maps in zip(self.values, streams, strict=True)]
        from_noise = (values[1] @ to_colour.mT).view_as(colour)
        from_colour = (values[0] @ to_noise.mT).view_as(noise)
        return colour + self.gains[0] * from_noise, noise + self.gains[1] * from_colour


class Fusion(nn.Module):
    """Both streams as one: a 1 x 1 convolution, its channels weighed by attention.

    Source: Luo et al., CVPR 2021, section 3.5; the weights are CBAM's channel attention.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = _mixed(2 * channels, channels)
        self.squeeze = nn.Conv2d(channels, channels // 16, 1, bias=False)
        self.excite = nn.Conv2d(channels // 16, channels, 1, bias=False)

    def forward(self, colour: Tensor, noise: Tensor) -> Tensor:
        """Fuse two (B, C, H, W) maps into one."""
        maps: Tensor = self.mix(torch.cat([colour, noise], dim=1))
        pooled = (maps.mean(dim=(2, 3), keepdim=True), maps.amax(dim=(2, 3), keepdim=True))
        both = [self.excite(self.squeeze(values).relu()) for values in pooled]
        weights: Tensor = (both[0] + both[1]).sigmoid()
        return maps * weights


class SRM(AnySideDetector):
    """Two Xceptions, on colours and on their noise residual, trained by AM-softmax.

    A logit is 30 (cos(fake) - cos(real)), the difference of the two that the softmax sees: cosines
    between the feature and one direction a class. In training the right one is lowered by 0.45.

    ``tiny`` is narrow (input 96), ``base`` has Xception's widths (input 256). Published weights are
    Xception's of ImageNet, in both streams; others are in timm's names.

    Args:
        shared: As ``AnySideDetector``; the network's size follows from ``input_size``.

    Raises:
        WeightsError: The weights asked for are not to be had or do not fit.
    """

    card = cards.SRM
    sides = Sides(tiny=96, base=256)
    published = STREAM_BACKBONE.published

    def __init__(self, **shared: Unpack[AnySideOptions]) -> None:
        super().__init__(**shared)
        self.colour, self.noise = Stream(self.size), Stream(self.size)
        if self.start is not None:
            _refuse_deepfakebench(self.start)
            self.init = fill_streams(
                [self.colour, self.noise], self.start, "srm", last_layer=self.last_layer
            )
        stems, places = self.colour.stems, map_side(self.transform.size) ** 2
        self.noise_of_maps = nn.ModuleList(NoiseOfMaps(channels) for channels in stems)
        self.attention = NoiseAttention(stems)
        self.attended = nn.Sequential(nn.BatchNorm2d(stems[1]), nn.ReLU())
        middle = self.colour.middle
        self.crossing = nn.ModuleList(CrossAttention(middle, places) for _ in range(2))
        self.fusion = Fusion(self.colour.outputs)
        self.classes = nn.Parameter(torch.randn(2, self.colour.outputs))  # real, fake
        self.filters = NoiseResidual(unit=2**-8)  # colours are in [-1, 1]
        if self.size == "tiny":
            follow_quickly(self)
        self.to(memory_format=torch.channels_last)  # faster depthwise convolutions on a CPU

    def residual(self, normalised: Tensor) -> Tensor:
        """Give the (B, 3, S, S) noise residual of (B, 3, S, S) colours in [-1, 1]."""
        found: Tensor = self.filters(normalised)
        return found

    def features(self, inputs: Tensor) -> Tensor:
        """Give the (B, d) pooled fused activations; d is 2048 for base and 128 for tiny."""
        colour = (2 * inputs - 1).contiguous(memory_format=torch.channels_last)
        noise = residual = self.residual(colour)
        for number, noise_of_maps in enumerate(self.noise_of_maps, start=1):
            colour, noise = self.colour.stem(colour, number), self.noise.stem(noise, number)
            noise = (noise + noise_of_maps(colour)).relu()
        colour = self.attended(colour * (1 + self.attention(residual)))
        first = 1
        for last, crossing in zip((3, 7), self.crossing, strict=True):
            colour = self.colour.blocks(colour, first, last)
            noise = self.noise.blocks(noise, first, last)
            colour, noise = crossing(colour, noise)
            first = last + 1
        colour = self.colour.finish(self.colour.blocks(colour, first, 12))
        noise = self.noise.finish(self.noise.blocks(noise, first, 12))
        fused: Tensor = self.fusion(colour, noise)
        return fused.mean(dim=(2, 3))

    def cosines(self, inputs: Tensor) -> Tensor:
        """Give the (B, 2) float32 cosines with the directions of real and fake."""
        features = self.features(inputs)
        # A cosine of 8 bits times 30 would give logits in steps of a tenth.
        with torch.autocast(inputs.device.type, enabled=False):
            directions = F.normalize(self.classes.float(), dim=1)
            return F.normalize(features.float(), dim=1) @ directions.T

    def forward(self, inputs: Tensor) -> Tensor:
        """Give (B,) logits for (B, 3, S, S) inputs in [0, 1]; > 0 means fake."""
        real, fake = self.cosines(inputs).unbind(dim=1)
        return SCALE * (fake - real)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Give the AM-softmax loss (Wang et al. 2018) as ``total``."""
        labels = batch.labels.long()
        lowered = self.cosines(batch.inputs) - MARGIN * F.one_hot(labels, 2)
        return {"total": F.cross_entropy(SCALE * lowered, labels)}


def _mixed(channels: int, outputs: int) -> nn.Sequential:
    """Build a 1 x 1 convolution with its normalisation and activation."""
    return nn.Sequential(
        nn.Conv2d(channels, outputs, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


def _refuse_deepfakebench(source: str) -> None:
    """Raise WeightsError for a trained SRM of DeepfakeBench, whose tensors mean something else."""
    tensors, _ = read_weights(source, "srm")
    if any(name.removeprefix("module.").startswith("backbone_srm.") for name in tensors):
        raise WeightsError(
            f"{source}: a trained SRM of DeepfakeBench, which is another network than srm: it "
            "filters the residual twice and each stem map by one filter, and ends in a linear "
            "layer, not in cosines; start from Xception's weights, or train srm"
        )
