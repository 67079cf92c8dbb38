"""F3-Net: an image split into bands of frequency beside the frequencies of each small window."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Unpack, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectors.base import Sides
from detectors.cards import frequency as cards
from detectors.errors import DetectorError, WeightsError
from detectors.loading import check_fit
from detectors.parts.filters import dct_bands, dct_matrix, grey
from detectors.parts.network import AnySideOptions, NetworkDetector
from detectors.parts.streams import STREAM_BACKBONE, Stream, fill_streams
from detectors.pretrained import KeyMap, one_logit, read_weights, renamed

Branches = Literal["both", "fad", "lfs"]
WINDOW, STRIDE, BANDS = 10, 2, 6
# The window begins 3 pixels outside: its maps are then as large as Xception's after a stride of 2.
OUTSIDE = 3
MIXED_AFTER = (7, 12)  # blocks
_BANDS = "FAD_head."
_HEAD = ("head.",)
# Names of a checkpoint of DeepfakeBench -> ours; its layer for other networks is never run.
_NAMES: KeyMap = [
    (r"^module\.", ""),
    (r"^FAD_head\._DCT_all(_T)?$", None),
    (r"^backbone\.adjust_channel\.", None),
    (r"^backbone\.last_linear\.(1\.)?", "head."),
    (r"^backbone\.", "streams.0.network."),
]
_FILTER = re.compile(r"^FAD_head\.filters\.([0-3])\.(base|learnable)$")


class FrequencyBands(nn.Module):
    """Frequency-aware decomposition (FAD): an image as its low, middle, high and all frequencies.

    Each is C^T (C x C^T * (base + tanh(w / 2))) C: C the cosine transform of the whole image, base
    the band of 0 and 1, w learned and 0 at the start. The bands of u + v are [0, S / sqrt(8)),
    [S / sqrt(8), S / 2) and the rest: a sixteenth, another and seven eighths of all frequencies.

    Args:
        side: S.
        touching: Let bands share their edges, rounded to whole frequencies, as DeepfakeBench does.

    Source: Qian et al., ECCV 2020, section 3.1.
    """

    transform: Tensor
    base: Tensor

    def __init__(self, side: int, *, touching: bool = False) -> None:
        super().__init__()
        bands = dct_bands(side, [0, side / 8**0.5, side / 2, 2 * side])
        if touching:
            low, high = side // 2.82, side // 2
            edges = ((0, low + 1), (low, high + 1), (high, 2 * side))
            bands = torch.cat([dct_bands(side, list(each)) for each in edges])
        base = torch.cat([bands, torch.ones(1, side, side)])
        self.register_buffer("transform", dct_matrix(side).float(), persistent=False)
        self.register_buffer("base", base[:, None], persistent=False)  # (4, 1, S, S)
        self.learned = nn.Parameter(torch.zeros_like(base[:, None]))

    def forward(self, images: Tensor) -> Tensor:
        """Split (B, 3, S, S) into (B, 12, S, S): the colours of each band in turn."""
        with torch.autocast(images.device.type, enabled=False):
            spectrum = self.transform @ images.float() @ self.transform.T
            kept = spectrum[:, None] * (self.base + torch.tanh(self.learned / 2))
            split: Tensor = self.transform.T @ kept @ self.transform  # (B, 4, 3, S, S)
        return split.flatten(1, 2)


class WindowStatistics(nn.Module):
    """Local frequency statistics (LFS): how much of each band a sliding window holds.

    q_i = log10(1 + sum over (u, v) of abs(D(u, v) (base_i + tanh(w_i / 2)))), D the cosine
    transform of a 10 x 10 window of the luma in 0..255, every 2 pixels; base_i is 1 where
    20 i / 6 <= u + v < 20 (i + 1) / 6. The 1, a grey level, keeps rounding in flat windows from
    deciding.

    Source: Qian et al., ECCV 2020, section 3.2.
    """

    waves: Tensor
    base: Tensor

    def __init__(self) -> None:
        super().__init__()
        matrix = dct_matrix(WINDOW).float()
        waves = torch.einsum("ui,vj->uvij", matrix, matrix).reshape(-1, 1, WINDOW, WINDOW)
        edges = [2 * WINDOW * band / BANDS for band in range(BANDS + 1)]
        base = dct_bands(WINDOW, edges).flatten(1)[:, :, None, None]
        self.register_buffer("waves", waves, persistent=False)  # (100, 1, 10, 10)
        self.register_buffer("base", base, persistent=False)  # (6, 100, 1, 1)
        self.learned = nn.Parameter(torch.zeros_like(base))

    def forward(self, images: Tensor) -> Tensor:
        """Give (B, 6, S / 2 - 1, S / 2 - 1) for (B, 3, S, S) images in [0, 1], S even."""
        with torch.autocast(images.device.type, enabled=False):
            luma = 255 * grey(images.float())
            local = F.conv2d(luma, self.waves, stride=STRIDE, padding=OUTSIDE)  # (B, 100, ., .)
            weights = (self.base + torch.tanh(self.learned / 2)).abs()
            return torch.log10(1 + F.conv2d(local.abs(), weights))


class MixBlock(nn.Module):
    """Lets two streams attend to each other.

    A channel's rows of both streams give an attention map; each stream gets the other's maps,
    weighed by it, through a depthwise convolution and a normalisation whose scale starts small,
    so that streams start nearly as they are.

    Source: Qian et al., ECCV 2020, section 3.3.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = nn.ModuleList(nn.Conv2d(channels, channels, 1) for _ in range(2))
        self.key = nn.ModuleList(nn.Conv2d(channels, channels, 1) for _ in range(2))
        self.pass_on = nn.ModuleList(_passing(channels) for _ in range(2))

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Mix two (B, C, H, H) maps."""
        streams = (first, second)
        queries = [query(maps) for query, maps in zip(self.query, streams, strict=True)]
        keys = [key(maps) for key, maps in zip(self.key, streams, strict=True)]
        # (B, C, H, 2 H) times (B, C, 2 H, H)
        energy = torch.cat(queries, dim=3) @ torch.cat([k.mT for k in keys], dim=2)
        attention = energy.softmax(dim=3)
        return (
            first + self.pass_on[0](second * attention),
            second + self.pass_on[1](first * attention),
        )


class F3Net(NetworkDetector):
    """Two Xceptions on bands and on window statistics, mixed twice; binary cross-entropy.

    ``tiny`` is narrow (input 96), ``base`` has Xception's widths (input 256). Published weights are
    Xception's of ImageNet, in every stream; others are in timm's names, or a trained F3-Net as
    DeepfakeBench saves it (``fad`` with touching bands, which it then is).

    Args:
        branches: ``both``; ``fad`` (bands alone, as DeepfakeBench has it) or ``lfs`` (windows
            alone), which do not mix.
        touching: As ``FrequencyBands``.
        shared: As ``AnySideDetector``; ``input_size`` is even.

    Raises:
        WeightsError: The weights asked for are not to be had or do not fit.
        DetectorError: There are no such branches, or the side is odd.
    """

    card = cards.F3NET
    sides = Sides(tiny=96, base=256)
    published = STREAM_BACKBONE.published

    def __init__(
        self,
        *,
        branches: Branches = "both",
        touching: bool = False,
        **shared: Unpack[AnySideOptions],
    ) -> None:
        super().__init__(**shared)
        side = self.transform.size
        trained = None if self.start is None else read_weights(self.start, "f3net")
        if trained is not None and any(_BANDS in name for name in trained[0]):
            branches, touching = "fad", True
        else:
            trained = None
        self.touching = touching
        if branches not in get_args(Branches):
            raise DetectorError(f"f3net has the branches both, fad and lfs, not '{branches}'")
        if side % 2:
            raise DetectorError(f"f3net: input_size is even, since windows step 2 px; got {side}")
        self.branches = branches
        self.heads, self.streams = nn.ModuleList(), nn.ModuleList()
        if branches != "lfs":
            self.heads.append(FrequencyBands(side, touching=touching))
            self.streams.append(Stream(self.size, channels=12))
        if branches != "fad":
            self.heads.append(WindowStatistics())
            self.streams.append(Stream(self.size, channels=BANDS, stride=1))
        mixed = len(self.streams) == 2
        stream: Any = self.streams[0]
        widths = (stream.middle, stream.last) if mixed else ()
        self.mixing = nn.ModuleList(MixBlock(width) for width in widths)
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(len(self.streams) * stream.outputs, 1)
        if trained is not None:
            self.init = _fill(self, *trained)
        elif self.start is not None:
            streams = list(self._streams())
            self.init = fill_streams(streams, self.start, "f3net", last_layer=self.last_layer)
        self.to(memory_format=torch.channels_last)  # faster depthwise convolutions on a CPU

    def features(self, inputs: Tensor) -> Tensor:
        """Give the (B, d) pooled activations; d is 2048 a stream for base and 128 for tiny."""
        flow = []
        for head, stream in zip(self.heads, self._streams(), strict=True):
            # Bands are of values in [-1, 1], windows of grey levels.
            seen = head(2 * inputs - 1 if isinstance(head, FrequencyBands) else inputs)
            flow.append(stream.stem(stream.stem(seen, 1), 2))
        first = 1
        for number, last in enumerate(MIXED_AFTER):
            pairs = zip(self._streams(), flow, strict=True)
            flow = [stream.blocks(maps, first, last) for stream, maps in pairs]
            if self.mixing:
                flow = list(self.mixing[number](*flow))
            first = last + 1
        ends = zip(self._streams(), flow, strict=True)
        return torch.cat([stream.finish(maps).mean(dim=(2, 3)) for stream, maps in ends], dim=1)

    def decide(self, features: Tensor) -> Tensor:
        """Give (B,) float32 logits of (B, d) features, some of which are left out in training."""
        return super().decide(self.dropout(features))

    def architecture(self) -> dict[str, Any]:
        """Add branches and bands to what rebuilds the network."""
        more = {"branches": self.branches, "touching": self.touching}
        return {**super().architecture(), **more}

    def _streams(self) -> Iterable[Stream]:
        """Give the streams by their type."""
        return (stream for stream in self.streams if isinstance(stream, Stream))


def _passing(channels: int) -> nn.Sequential:
    """Build what takes one stream's maps into the other."""
    norm = nn.BatchNorm2d(channels)
    nn.init.constant_(norm.weight, 0.1)
    return nn.Sequential(nn.Conv2d(channels, channels, 1, groups=channels), norm)


def _fill(detector: F3Net, tensors: Mapping[str, Tensor], digest: str) -> str:
    """Fill the network from one that DeepfakeBench trained; return what ``init`` says.

    Raises:
        WeightsError: A tensor is missing, unknown or of another shape, or its bands are others.
    """
    ours = one_logit(renamed(tensors, _NAMES), _HEAD)
    found = {match[0]: match for name in ours if (match := _FILTER.match(name))}
    parts: dict[str, dict[int, Tensor]] = {"base": {}, "learnable": {}}
    for name, match in found.items():
        parts[match[2]][int(match[1])] = ours.pop(name)
    stacked = {
        kind: torch.stack([each[number] for number in sorted(each)])[:, None]
        for kind, each in parts.items()
        if len({part.shape for part in each.values()}) == 1
    }
    bands = detector.get_buffer("heads.0.base")
    if "base" not in stacked or not torch.equal(stacked["base"].float(), bands.float()):
        raise WeightsError(
            f"{detector.start}: its bands are not those of {detector.transform.size} pixels: pass "
            "the input_size that it was trained at"
        )
    ours["heads.0.learned"] = stacked["learnable"]
    is_whole = detector.last_layer == "keep"
    ours, wanted = (
        {n: t for n, t in some.items() if n != "trained" and (is_whole or not n.startswith(_HEAD))}
        for some in (ours, detector.state_dict())
    )
    check_fit(ours, wanted, detector.start)
    detector.load_state_dict(ours, strict=False)
    if is_whole:
        detector.mark_trained()
    return f"weights:{digest}"
