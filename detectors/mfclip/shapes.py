"""The sizes of MFCLIP, and the building of its parts in them."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

from detectors.errors import DetectorError
from detectors.mfclip.clip import SCRATCH, Tuning
from detectors.mfclip.language import FineGrainedLanguageEncoder, Fle
from detectors.mfclip.patches import Choice
from detectors.mfclip.prompts import Prompts
from detectors.mfclip.vision import (
    NoiseEncoder,
    Stage,
    VisionEncoder,
    build_image_encoder,
)

NoiseInput = Literal["resized", "native"]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The dimensions of one size of MFCLIP."""

    input_size: int
    width: int
    heads: int
    text_layers: int
    image_stages: tuple[Stage, ...]
    image_layers: int
    noise_widths: tuple[int, ...]
    noise_convolutions: int
    noise_grid: int
    noise_layers: int
    patch: int
    k: int


SHAPES = {
    "tiny": Shape(
        input_size=128,
        width=64,
        heads=4,
        text_layers=2,
        image_stages=(
            Stage(width=16, convolutions=1, stride=2),
            Stage(width=32, convolutions=1),
            Stage(width=64, convolutions=1),
        ),
        image_layers=1,
        noise_widths=(16, 32, 64),
        noise_convolutions=1,
        noise_grid=4,
        noise_layers=1,
        patch=32,
        k=2,
    ),
    "base": Shape(
        input_size=224,
        width=512,
        heads=8,
        text_layers=12,
        image_stages=tuple(
            Stage(width=width, convolutions=convolutions)
            for width, convolutions in zip((32, 64, 128, 256, 512), (3, 3, 3, 4, 4), strict=True)
        ),
        image_layers=6,
        noise_widths=(32, 64, 128, 256),
        noise_convolutions=3,
        noise_grid=8,
        noise_layers=3,
        patch=56,
        k=1,
    ),
}


def one_of(option: str, value: str, choices: Any) -> None:
    """Raise DetectorError unless ``value`` is one of a Literal's ``choices``."""
    if value not in get_args(choices):
        raise DetectorError(f"{option} is one of {', '.join(get_args(choices))}, not '{value}'")


def build_language(
    shape: Shape, prompts: Prompts, *, fle: Fle, encoder: str | dict[str, Any], tuning: Tuning
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
    )


def build_vision(
    shape: Shape,
    *,
    width: int,
    encoder: str | dict[str, Any],
    tuning: Tuning,
    choice: Choice,
    patch: int | None,
    k: int | None,
    units: int,
) -> VisionEncoder:
    """Build the vision encoder to ``width``; the other options are those of ``MFCLIP``."""
    one_of("noise_choice", choice, Choice)
    tuning_fits("image", encoder, tuning)
    common = {"size": shape.input_size, "width": shape.width, "heads": shape.heads}
    image = build_image_encoder(
        encoder, shape.image_stages, layers=shape.image_layers, tuning=tuning, **common
    )
    noise = None
    if choice != "none":
        noise = NoiseEncoder(
            patch=shape.patch if patch is None else patch,
            k=shape.k if k is None else k,
            widths=shape.noise_widths,
            convolutions=shape.noise_convolutions,
            grid=shape.noise_grid,
            layers=shape.noise_layers,
            choice=choice,
            units=units,
            **common,
        )
    return VisionEncoder(image, noise, width=width)


def tuning_fits(which: str, encoder: str | dict[str, Any], tuning: Tuning) -> None:
    """Raise DetectorError for a scratch tower of which not all is trained: it would stay noise."""
    one_of(f"{which}_tuning", tuning, Tuning)
    if encoder == SCRATCH and tuning != "full":
        raise DetectorError(
            f"{which}_tuning='{tuning}' is for a CLIP tower, and {which}_encoder is '{SCRATCH}'"
        )
