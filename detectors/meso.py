"""Meso-4: four small convolutions, the classic small network against forged videos."""

from pathlib import Path
from typing import Any, Unpack

import torch
from torch import Tensor, nn

from detectors.base import Sides
from detectors.cards import spatial as cards
from detectors.errors import DetectorError
from detectors.loading import check_fit
from detectors.parts.network import AnySideOptions, NetworkDetector
from detectors.pretrained import KeyMap, Pretrained, one_logit, read_weights, renamed

# (channels, kernel, pooling) of the four blocks.
_BLOCKS = ((8, 3, 2), (8, 5, 2), (16, 5, 2), (16, 5, 4))
SHRINKS = 32
HIDDEN = 16
_HEAD = ("head.",)
# Names of a checkpoint of DeepfakeBench -> ours. Blocks 1 and 2 share a normalisation there, and so
# do blocks 3 and 4; convolutions have no bias.
_NAMES: KeyMap = [
    (r"^module\.", ""),
    (r"^backbone\.conv1\.", "blocks.0."),
    (r"^backbone\.conv2\.", "blocks.4."),
    (r"^backbone\.conv3\.", "blocks.8."),
    (r"^backbone\.conv4\.", "blocks.12."),
    (r"^backbone\.bn1\.", "blocks.2."),
    (r"^backbone\.bn2\.", "blocks.10."),
    (r"^backbone\.fc1\.", "hidden.2."),
    (r"^backbone\.fc2\.", "head.1."),
]
_SHARED = {"blocks.2.": "blocks.6.", "blocks.10.": "blocks.14."}
_BIASES = ("blocks.0.bias", "blocks.4.bias", "blocks.8.bias", "blocks.12.bias")


class Meso4(NetworkDetector):
    """Four blocks of convolution, ReLU, batch norm and max-pooling, then 16 units and one logit.

    27,977 parameters at 256 pixels, as the paper counts.

    Source: Afchar et al., WIFS 2018 (arXiv 1809.00888), figure 4.

    Args:
        symmetric: Bring inputs to [-1, 1] first, as DeepfakeBench does.
        shared: As ``AnySideDetector``; ``tiny`` is the same network at 128 pixels. The side is at
            least 32. ``pretrained`` may be a file with a Meso-4 that DeepfakeBench trained, whose
            inputs are then symmetric.

    Raises:
        DetectorError: Other pretrained weights are asked for, or the input is too small.
        WeightsError: The file cannot be read or does not fit.
    """

    card = cards.MESO4
    sides = Sides(tiny=128, base=256)
    lacks = "weights in safetensors to start from"
    head: nn.Sequential

    def __init__(self, *, symmetric: bool = False, **shared: Unpack[AnySideOptions]) -> None:
        super().__init__(**shared)
        self.symmetric = symmetric
        side = self.transform.size
        if side < SHRINKS:
            raise DetectorError(f"meso4: input_size is at least {SHRINKS}, not {side}")
        layers: list[nn.Module] = []
        inputs = 3
        for channels, kernel, pooling in _BLOCKS:
            layers += [
                nn.Conv2d(inputs, channels, kernel, padding="same"),
                nn.ReLU(inplace=True),
                nn.BatchNorm2d(channels),
                nn.MaxPool2d(pooling),
            ]
            inputs = channels
        self.blocks = nn.Sequential(*layers)
        self.hidden = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(0.5),
            nn.Linear(inputs * (side // SHRINKS) ** 2, HIDDEN),
            nn.LeakyReLU(0.1),
        )
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(HIDDEN, 1))
        if self.start is not None:
            self.init = _fill(self, self.start)

    def start_of(self, pretrained: Pretrained) -> str | None:
        """Say which trained network it is, if any."""
        is_file = isinstance(pretrained, str | Path) and Path(pretrained).is_file()
        return str(pretrained) if is_file else super().start_of(pretrained)

    def architecture(self) -> dict[str, Any]:
        """Add what the inputs are to what rebuilds the network."""
        return {**super().architecture(), "symmetric": self.symmetric}

    def features(self, inputs: Tensor) -> Tensor:
        """Give the (B, 16) hidden units of (B, 3, S, S) inputs in [0, 1]."""
        maps = self.blocks(2 * inputs - 1 if self.symmetric else inputs)  # (B, 16, S / 32, S / 32)
        hidden: Tensor = self.hidden(maps)
        return hidden


def _fill(detector: Meso4, source: str) -> str:
    """Fill the network from one that DeepfakeBench trained; return what ``init`` says."""
    tensors, digest = read_weights(source, "meso4")
    ours = one_logit(renamed(tensors, _NAMES), _HEAD)
    for first, second in _SHARED.items():
        copies = {n.replace(first, second, 1): t for n, t in ours.items() if n.startswith(first)}
        ours |= copies
    wanted = {name: t for name, t in detector.state_dict().items() if name != "trained"}
    ours |= {name: torch.zeros_like(wanted[name]) for name in _BIASES}
    is_whole = detector.last_layer == "keep"
    ours, wanted = (
        {name: t for name, t in some.items() if is_whole or not name.startswith(_HEAD)}
        for some in (ours, wanted)
    )
    check_fit(ours, wanted, source)
    detector.load_state_dict(ours, strict=False)
    detector.symmetric = True
    if is_whole:
        detector.mark_trained()
    return f"weights:{digest}"
