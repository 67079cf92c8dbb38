"""SPSL: the image's phase beside its colours, and a network that sees small regions."""

import math
from typing import Any, Literal, Unpack, get_args

import torch
from torch import Tensor, nn

from detectors.base import Sides
from detectors.cards import frequency as cards
from detectors.errors import DetectorError
from detectors.loading import check_fit
from detectors.parts.network import AnySideOptions, NetworkDetector
from detectors.parts.streams import STREAM_BACKBONE, Stream, fill_streams
from detectors.pretrained import KeyMap, one_logit, read_weights, renamed

Depth = Literal["shallow", "full"]
_HEAD = ("head.",)
# Below it a frequency is rounding (of float64), whose phase is noise; 8-bit images are far above.
_LEAST_AMPLITUDE = 1e-6
# Names of a checkpoint of DeepfakeBench -> ours; its layer for other backbones is never run.
_NAMES: KeyMap = [
    (r"^module\.", ""),
    (r"^backbone\.adjust_channel\.", None),
    (r"^backbone\.last_linear\.(1\.)?", "head."),
    (r"^backbone\.", "stream.network."),
]


def phase_image(images: Tensor) -> Tensor:
    """Rebuild images from their phase alone, every frequency given the amplitude 1.

    x = IDFT(F / abs(F)), F the DFT of the mean of the channels; a frequency of abs(F) < 1e-6 is
    left out. In float64, scaled by the side, so that x has the mean square 1.

    Args:
        images: (B, C, S, S).

    Returns:
        (B, 1, S, S) float32.

    Source: Liu et al., CVPR 2021, section 3.
    """
    grey = images.double().mean(dim=1, keepdim=True)
    if torch.compiler.is_exporting():
        return phase_by_products(grey)
    spectrum = torch.fft.fft2(grey)
    amplitude = spectrum.abs()
    phase = torch.where(
        amplitude < _LEAST_AMPLITUDE, 0, spectrum / amplitude.clamp(min=_LEAST_AMPLITUDE)
    )
    rebuilt: Tensor = torch.fft.ifft2(phase, norm="ortho").real.float()
    return rebuilt


def phase_by_products(grey: Tensor) -> Tensor:
    """Compute ``phase_image`` by products of real matrices: other programs lack complex numbers.

    Args:
        grey: (B, 1, S, S) float64, the mean of the channels.

    Returns:
        (B, 1, S, S) float32; equal to the transforms' but for rounding of float64.
    """
    side = grey.shape[-1]
    place = torch.arange(side, dtype=torch.float64, device=grey.device)
    angle = 2 * math.pi / side * (place[:, None] * place).remainder(side)
    cosine, sine = angle.cos(), angle.sin()  # symmetric (S, S)
    even, odd = grey @ cosine, grey @ sine
    real, imaginary = cosine @ even - sine @ odd, -(cosine @ odd + sine @ even)
    amplitude = (real.square() + imaginary.square()).sqrt()
    scale = torch.where(amplitude < _LEAST_AMPLITUDE, 0, 1 / amplitude.clamp(min=_LEAST_AMPLITUDE))
    real, imaginary = real * scale, imaginary * scale
    rebuilt = cosine @ (real @ cosine - imaginary @ sine) - sine @ (
        real @ sine + imaginary @ cosine
    )
    return (rebuilt / side).float()


class SPSL(NetworkDetector):
    """An Xception on colours and phase, trained by binary cross-entropy.

    ``tiny`` is narrow (input 128), ``base`` has Xception's widths (input 256). Published weights
    are Xception's of ImageNet; others are in timm's names, or a trained SPSL as DeepfakeBench saves
    it (for ``full``).

    Args:
        depth: ``shallow`` leaves out the eight blocks of Xception's middle flow, ``full`` keeps
            them, as DeepfakeBench does.
        shared: As ``AnySideDetector``.

    Raises:
        WeightsError: The weights asked for are not to be had or do not fit.
        DetectorError: There is no such depth.
    """

    card = cards.SPSL
    sides = Sides(tiny=128, base=256)
    published = STREAM_BACKBONE.published

    def __init__(self, *, depth: Depth = "shallow", **shared: Unpack[AnySideOptions]) -> None:
        super().__init__(**shared)
        if depth not in get_args(Depth):
            raise DetectorError(f"spsl has the depths shallow and full, not '{depth}'")
        self.depth = depth
        self.stream = Stream(self.size, channels=4, shallow=depth == "shallow")
        self.head = nn.Linear(self.stream.outputs, 1)
        if self.start is not None:
            self.init = _fill(self, self.start)
        self.to(memory_format=torch.channels_last)  # faster depthwise convolutions on a CPU

    def features(self, inputs: Tensor) -> Tensor:
        """Give the (B, d) pooled activations; d is 2048 for base and 128 for tiny."""
        colour = 2 * inputs - 1
        seen = torch.cat([colour, phase_image(colour)], dim=1)  # (B, 4, S, S)
        maps: Tensor = self.stream(seen.contiguous(memory_format=torch.channels_last))
        return maps.mean(dim=(2, 3))

    def architecture(self) -> dict[str, Any]:
        """Add the depth to what rebuilds the network."""
        return {**super().architecture(), "depth": self.depth}


def _fill(detector: SPSL, source: str) -> str:
    """Fill the stream from an Xception, or all from a trained SPSL; return what ``init`` says."""
    tensors, digest = read_weights(source, "spsl")
    if not any(name.startswith(("backbone.", "module.backbone.")) for name in tensors):
        return fill_streams([detector.stream], source, "spsl", last_layer=detector.last_layer)
    ours = one_logit(renamed(tensors, _NAMES), _HEAD)
    unused = ("trained", *(_HEAD if detector.last_layer == "drop" else ()))
    ours, wanted = (
        {name: t for name, t in some.items() if not name.startswith(unused)}
        for some in (ours, detector.state_dict())
    )
    check_fit(ours, wanted, source)
    # There the phase image is smaller by the side.
    first = ours["stream.network.conv1.weight"]
    scale = torch.tensor([1, 1, 1, 1 / detector.transform.size])
    ours["stream.network.conv1.weight"] = first * scale.view(1, 4, 1, 1)
    detector.load_state_dict(ours, strict=False)
    if detector.last_layer == "keep":
        detector.mark_trained()
    return f"weights:{digest}"
