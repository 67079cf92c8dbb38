"""The sizes of MFCLIP, and the building of its parts in them."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch

from detectors.errors import DetectorError
from detectors.mfclip.attention import PLACES
from detectors.mfclip.language import FineGrainedLanguageEncoder, Fle
from detectors.mfclip.native import WithNative
from detectors.mfclip.patches import Choice
from detectors.mfclip.prompts import Prompts
from detectors.mfclip.vision import (
    ConvolutionStage,
    NoiseEncoder,
    VisionEncoder,
    build_image_encoder,
)
from detectors.parts.clip import SCRATCH, Tuning
from detectors.transform import Aliased, Transform

NoiseInput = Literal["resized", "native"]
Resize = Literal["antialiased", "aliased"]
PositionCode = Literal["patch", "row"]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The dimensions of one size of MFCLIP; both sizes have the same parts in the same order."""

    input_size: int
    width: int
    heads: int
    text_layers: int
    image_stages: tuple[ConvolutionStage, ...]
    image_layers: int
    noise_widths: tuple[int, ...]
    noise_convolutions: int
    noise_grid: int
    noise_layers: int

    @property
    def patch(self) -> int:
        """Side of a noise patch: a quarter of the image's, so that there are 16."""
        return self.input_size // 4


SHAPES = {
    "tiny": Shape(
        input_size=128,
        width=64,
        heads=4,
        text_layers=2,
        image_stages=tuple(
            ConvolutionStage(width=width, convolutions=1) for width in (8, 16, 32, 64, 64)
        ),
        image_layers=1,
        noise_widths=(16, 32, 64),
        noise_convolutions=1,
        noise_grid=8,
        noise_layers=1,
    ),
    "base": Shape(
        input_size=224,
        width=512,
        heads=8,
        text_layers=12,
        image_stages=tuple(
            ConvolutionStage(width=width, convolutions=convolutions)
            for width, convolutions in zip((32, 64, 128, 256, 512), (3, 3, 3, 4, 4), strict=True)
        ),
        image_layers=6,
        noise_widths=(32, 64, 128, 256),
        noise_convolutions=3,
        noise_grid=8,
        noise_layers=3,
    ),
}


def one_of(option: str, value: str, choices: Any) -> None:
    """Raise DetectorError unless ``value`` is one of a Literal's ``choices``."""
    if value not in get_args(choices):
        raise DetectorError(f"{option} is one of {', '.join(get_args(choices))}, not '{value}'")


def build_language(
    shape: Shape,
    prompts: Prompts,
    *,
    fle: Fle,
    encoder: str | dict[str, Any],
    tuning: Tuning,
    centred: bool | None,
) -> FineGrainedLanguageEncoder:
    """Build the language encoder; the options are those of ``MFCLIP``."""
    tuning_fits("text", encoder, tuning)
    return FineGrainedLanguageEncoder(
        prompts,
        mode=fle,
        encoder=encoder,
        tuning=tuning,
        width=shape.width,
        heads=shape.heads,
        layers=shape.text_layers,
        centred=centred,
    )


def build_vision(
    shape: Shape,
    *,
    width: int,
    encoder: str | dict[str, Any],
    tuning: Tuning,
    choice: Choice,
    patch: int | None,
    k: int,
    units: int,
    positions: PositionCode,
    widened: bool,
) -> VisionEncoder:
    """Build the vision encoder to ``width``; the other options are those of ``MFCLIP``."""
    one_of("noise_choice", choice, Choice)
    one_of("positions", positions, PositionCode)
    tuning_fits("image", encoder, tuning)
    for option, asked in (("positions='row'", positions == "row"), ("widened=True", widened)):
        if asked and encoder != SCRATCH:
            raise DetectorError(f"{option} is for image_encoder='{SCRATCH}': a tower has its own")
    if widened and choice != "none":
        raise DetectorError(
            "widened=True gives the image encoder what the noise encoder has in parameters: use it "
            "with noise_choice='none'"
        )
    rows = PLACES if positions == "row" else None
    patch = shape.patch if patch is None else patch
    image = build_image_encoder(
        encoder,
        shape.image_stages,
        size=shape.input_size,
        width=shape.width,
        heads=shape.heads,
        layers=shape.image_layers,
        tuning=tuning,
        rows=rows,
        hidden=widened_hidden(shape, patch, k) if widened else None,
    )
    noise = None
    if choice != "none":
        noise = build_noise(shape, choice=choice, patch=patch, k=k, units=units, rows=rows)
    return VisionEncoder(image, noise, width=width)


def build_noise(
    shape: Shape, *, choice: Choice, patch: int, k: int, units: int, rows: int | None
) -> NoiseEncoder:
    """Build the noise encoder; the options are those of ``NoiseEncoder``."""
    return NoiseEncoder(
        size=shape.input_size,
        patch=patch,
        k=k,
        widths=shape.noise_widths,
        convolutions=shape.noise_convolutions,
        grid=shape.noise_grid,
        width=shape.width,
        heads=shape.heads,
        layers=shape.noise_layers,
        choice=choice,
        units=units,
        rows=rows,
    )


def widened_hidden(shape: Shape, patch: int, k: int) -> int:
    """Give the width of the image encoder's MLPs that makes up for a noise encoder left out."""
    with torch.device("meta"):
        lost = build_noise(shape, choice="richest", patch=patch, k=k, units=255, rows=None)
    a_unit = shape.image_layers * (2 * shape.width + 1)
    count = sum(parameter.numel() for parameter in lost.parameters())
    return 4 * shape.width + round(count / a_unit)


def build_transform(size: int, noise_input: NoiseInput, resize: Resize) -> Transform:
    """Build what prepares an image; the options are those of ``MFCLIP``."""
    one_of("noise_input", noise_input, NoiseInput)
    one_of("resize", resize, Resize)
    if resize == "antialiased":
        return Transform(size) if noise_input == "resized" else WithNative(size)
    if noise_input == "native":
        raise DetectorError("resize='aliased' is for noise_input='resized': native is not resized")
    return Aliased(size)


def tuning_fits(which: str, encoder: str | dict[str, Any], tuning: Tuning) -> None:
    """Raise DetectorError for a scratch tower of which not all is trained: it would stay noise."""
    one_of(f"{which}_tuning", tuning, Tuning)
    if encoder == SCRATCH and tuning != "full":
        raise DetectorError(
            f"{which}_tuning='{tuning}' is for a CLIP tower, and {which}_encoder is '{SCRATCH}'"
        )
