"""The fine-grained language encoder: from prompts to one feature a class."""

from typing import Any, Literal, get_args

from torch import Tensor, nn

from detectors.errors import DetectorError
from detectors.mfclip.prompts import Prompts
from detectors.mfclip.readers import (
    ConcatenatedReader,
    LevelReader,
    Reader,
    ReleaseReader,
    TableReader,
)
from detectors.parts.clip import SCRATCH, Tuning
from detectors.parts.texts import TextReader

Fle = Literal["packed", "per-level", "concat308", "table", "orthonormal", "release"]
TAKE_CLIP = ("packed", "per-level")


class FineGrainedLanguageEncoder(nn.Module):
    """One language feature for each distinct prompt; run once a step, never at inference.

    Modes:
        ``packed``: the levels as one text, read at its end token.
        ``per-level``: each level is a text of its own; they are pooled by learned weights.
        ``concat308``: the levels end to end in 4 x 77 positions, padding masked.
        ``table``: one free vector a class, no text (control).
        ``orthonormal``: one fixed vector a class, each at a right angle to all others (control).
        ``release``: the levels end to end, read at the end of the first (defect of the release).

    Source: MFCLIP's FLE (Zhang et al. 2025). The published one reads all levels at the end of the
    first under a causal mask, so it cannot tell prompts that differ later.

    The K features of a tower from random weights lie around zero: their mean is taken off, at every
    step. Prompts share most of their words, so without it all their cosines would be above 0.99;
    and a bias that takes it off at the start alone is overtaken within five steps, as all texts are
    drawn to what all images have in common. Features of a pretrained tower are left as they are:
    its cosines mean something.

    Attributes:
        outputs: d, the width of the feature and of the space that image and language share.
    """

    def __init__(
        self,
        prompts: Prompts,
        *,
        mode: Fle,
        encoder: str | dict[str, Any],
        width: int,
        heads: int,
        layers: int,
        tuning: Tuning = "full",
        centred: bool | None = None,
    ) -> None:
        """Build the encoder of ``prompts``, whose tokens become part of it.

        Args:
            prompts: The K prompts.
            mode: How the levels of a prompt become one feature.
            encoder: ``scratch``, or a CLIP text tower: Hub name, folder or configuration.
            width: Width of a scratch tower, and of its feature.
            heads: Attention heads of a scratch tower.
            layers: Layers of a scratch tower.
            tuning: What of a CLIP tower is trained.
            centred: Take off the mean over the prompts; None: unless a tower is pretrained.
        """
        super().__init__()
        if mode not in get_args(Fle):
            raise DetectorError(f"fle is one of {', '.join(get_args(Fle))}, not '{mode}'")
        source = None if encoder == SCRATCH else encoder
        if source is not None and mode not in TAKE_CLIP:
            raise DetectorError(
                f"fle='{mode}' reads otherwise than CLIP was trained to: leave text_encoder at "
                f"'{SCRATCH}', or take fle {' or '.join(TAKE_CLIP)}"
            )
        scratch = {"width": width, "heads": heads, "layers": layers}
        self.reader = _reader(mode, prompts, source, tuning, scratch)
        self.outputs = self.reader.outputs
        self.centred = not isinstance(source, str) if centred is None else centred

    def forward(self) -> Tensor:
        """Give the (K, d) features of all prompts, not normalised."""
        read: Tensor = self.reader()
        return read - read.mean(dim=0) if self.centred else read

    def layers(self) -> list[list[nn.Parameter]]:
        """Give its parameters, from the words to the feature."""
        tower = self.reader.tower
        inner = [] if tower is None else tower.layers()
        known = {id(parameter) for layer in inner for parameter in layer}
        return [*inner, [p for p in self.parameters() if id(p) not in known]]


def _reader(
    mode: Fle,
    prompts: Prompts,
    source: str | dict[str, Any] | None,
    tuning: Tuning,
    scratch: dict[str, int],
) -> Reader:
    """Build the reader of ``mode``."""
    if mode == "packed":
        return TextReader(prompts.packed(), source, tuning, **scratch)
    if mode == "per-level":
        return LevelReader(prompts, source, tuning, **scratch)
    if mode == "concat308":
        return ConcatenatedReader(prompts, **scratch)
    if mode == "release":
        return ReleaseReader(prompts, **scratch)
    return TableReader(prompts, width=scratch["width"], trained=mode == "table")
