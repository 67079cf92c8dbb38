"""Recipes: how a detector is trained, as strict YAML in ``benchmark/recipes``."""

import math
import re
from importlib.resources import files
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from benchmark.errors import BenchmarkError
from protocols.reading import load_named, names_in

_FOLDER = files("benchmark") / "recipes"
_EPOCHS = re.compile(r"([1-9][0-9]*) epochs?")


def _ascending(value: tuple[float, float]) -> tuple[float, float]:
    """Refuse a range that is not one, or is below zero."""
    if not 0 <= value[0] <= value[1]:
        raise ValueError("a range is [least, greatest], neither below 0")
    return value


def _quality(value: tuple[int, int]) -> tuple[int, int]:
    """Refuse what is no range of JPEG qualities."""
    if not 1 <= value[0] <= value[1] <= 100:
        raise ValueError("a range of JPEG qualities is [least, greatest] within 1 to 100")
    return value


class Augmentation(BaseModel):
    """What is done to training images, each keyed by (seed, step, sample id).

    Attributes:
        flip: Probability of a mirrored image.
        blur: Probability of a Gaussian blur.
        blur_sigma: Least and greatest deviation of the blur, in pixels of the detector's input.
        jpeg: Probability of JPEG compression.
        jpeg_quality: Least and greatest quality, of 1 to 100.
        rotate: Probability of a rotation about the middle, before the blur.
        rotate_degrees: Its greatest angle, to either side.
        light: Probability of another contrast and brightness, between blur and JPEG.
        light_change: Greatest change of either: values in [0, 1] are multiplied by 1 +- it, and
            +- it is added.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    flip: float = Field(ge=0, le=1)
    blur: float = Field(default=0, ge=0, le=1)
    blur_sigma: Annotated[tuple[float, float], AfterValidator(_ascending)] = (0.0, 3.0)
    jpeg: float = Field(default=0, ge=0, le=1)
    jpeg_quality: Annotated[tuple[int, int], AfterValidator(_quality)] = (30, 100)
    rotate: float = Field(default=0, ge=0, le=1)
    rotate_degrees: float = Field(default=10.0, gt=0, le=180)
    light: float = Field(default=0, ge=0, le=1)
    light_change: float = Field(default=0.1, gt=0, lt=1)

    @model_serializer(mode="wrap")
    def _stated(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what has its default, so that a new augmentation renames no older model."""
        fields = type(self).model_fields
        values: dict[str, Any] = serialise(self)
        return {
            name: v for name, v in values.items() if getattr(self, name) != fields[name].default
        }


def _duration(value: object) -> object:
    """Refuse what is neither a whole number of steps nor ``"15 epochs"``."""
    is_steps = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if not (is_steps or (isinstance(value, str) and _EPOCHS.fullmatch(value))):
        raise ValueError("a duration is a number of steps, or text such as '15 epochs'")
    return value


def _some(value: object) -> object:
    """Refuse a duration of no steps."""
    if value == 0:
        raise ValueError("it lasts at least one step")
    return value


Duration = Annotated[int | str, BeforeValidator(_duration)]
"""Optimiser steps, or passes over the training images: ``"15 epochs"``."""
SomeTime = Annotated[Duration, BeforeValidator(_some)]
Tower = Literal["image", "noise", "text"]
Rate = Annotated[float, Field(ge=0)]
# Keys, with their defaults, that came after models had ids.
_LEFT_OUT: list[tuple[str, Any]] = [
    ("input_size", None),
    ("rates", {}),
    ("layer_decay", 1.0),
    ("decayed", "all"),
]


class Compilation(BaseModel):
    """How ``torch.compile`` compiles.

    Attributes:
        mode: ``reduce-overhead`` records what a GPU is told and plays it back: for steps of many
            small kernels, at the price of memory.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    mode: Literal["default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"]


class Recipe(BaseModel):
    """A training recipe for ``fit: gradient``.

    ``steps``, ``warmup``, ``decay_every`` and ``evaluate_every`` are durations: optimiser steps, or
    text such as ``15 epochs``, which becomes steps when the training set is known (``resolved``).

    Attributes:
        optimizer: ``adam`` (weight decay in the gradient), ``adamw`` (decoupled) or ``sgd`` (with
            momentum 0.9).
        lr: Learning rate after warm-up; ``weight_decay`` in the optimiser's own sense.
        schedule: ``constant``; ``cosine`` to zero at the last step; ``step``: times 0.1 at every
            ``decay_every`` steps.
        warmup: Steps of linear warm-up.
        clip: Largest norm of the gradient; None: it is not clipped.
        batch_size: Images a step over all processes.
        accumulate: In how many parts a process takes its share of a batch, one after the other:
            less memory, the same images a step. Batch norm and losses between images see a part.
        ema: Decay of a running mean of the weights, which is then what is measured and kept; None:
            the weights themselves.
        steps: Most optimiser steps.
        balanced: Draw half of every batch from the real images, half from the forged ones.
        evaluate_every: Steps between measurements of the validation AUC.
        patience: Measurements without a better validation AUC after which training stops; None:
            never.
        precision: ``fp32``, ``bf16`` or ``fp16`` (not on a CPU).
        channels_last: Lay images and filters out with the channels innermost.
        compile: Compile the training step with ``torch.compile``, or so and in which mode.
        augmentation: Changes to the training images.
        input_size: Side of the input, in pixels, of every detector that can take it; None: each
            has its own.
        rates: Factors on the learning rate of a detector's towers, where it has them: ``image``,
            ``noise``, ``text``. What is in none has the whole rate.
        layer_decay: Factor on the rate from a layer of a tower to the one below it, nearer to the
            input.
        decayed: What weight decay is for: ``all``, or ``matrices`` and filters: no norm, bias,
            position, class token or temperature.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    citation: str
    optimizer: Literal["adam", "adamw", "sgd"]
    lr: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    schedule: Literal["constant", "cosine", "step"]
    decay_every: SomeTime | None = None
    warmup: Duration
    clip: float | None = Field(gt=0)
    batch_size: int = Field(ge=2)
    accumulate: int = Field(default=1, ge=1)
    ema: float | None = Field(default=None, gt=0, lt=1)
    steps: SomeTime
    balanced: bool
    evaluate_every: SomeTime
    patience: int | None = Field(ge=1)
    precision: Literal["fp32", "bf16", "fp16"]
    channels_last: bool = False
    compile: bool | Compilation = False
    augmentation: Augmentation
    input_size: int | None = Field(default=None, ge=8)
    rates: dict[Tower, Rate] = Field(default_factory=dict)
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    decayed: Literal["all", "matrices"] = "all"

    @model_serializer(mode="wrap")
    def _stated(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what has its default, where recipes did without it before it was a key."""
        values: dict[str, Any] = serialise(self)
        return {name: v for name, v in values.items() if (name, v) not in _LEFT_OUT}

    def resolved(self, images: int) -> "ResolvedRecipe":
        """State every duration in steps, for a training set of so many images.

        The steps of some epochs are rounded up: the last image is seen too.
        """
        stated = self.model_dump()
        for name in ("steps", "warmup", "decay_every", "evaluate_every"):
            if isinstance(stated[name], str):
                epochs = int(stated[name].split()[0])
                stated[name] = math.ceil(epochs * images / self.batch_size)
        return ResolvedRecipe(**stated)


class ResolvedRecipe(Recipe):
    """A recipe whose durations are all steps."""

    decay_every: int | None = Field(default=None, ge=1)
    warmup: int = Field(ge=0)
    steps: int = Field(ge=1)
    evaluate_every: int = Field(ge=1)


def recipe_names() -> list[str]:
    """List the recipes that come with the package."""
    return names_in(_FOLDER)


def load_recipe(name: str) -> Recipe:
    """Read a recipe by its name or the path of one's own ``.yaml`` file.

    Raises:
        UnknownNameError: There is no such recipe.
        BenchmarkError: The file contradicts itself.
        ProtocolError: The file is not there or breaks the schema.
    """
    recipe = load_named(Recipe, "recipe", name, _FOLDER)
    if recipe.batch_size % recipe.accumulate:
        raise BenchmarkError(
            f"recipe '{recipe.name}': a batch of {recipe.batch_size} images does not fall into "
            f"accumulate: {recipe.accumulate} equal parts"
        )
    if (recipe.schedule == "step") != (recipe.decay_every is not None):
        raise BenchmarkError(
            f"recipe '{recipe.name}': decay_every goes with schedule: step, and only with it"
        )
    return recipe


def common_recipe(detector: str, size: str) -> Recipe:
    """Give the recipe of the track ``common``: the size's, or the detector's exception from it."""
    return load_recipe(common_name(detector, size))


def common_name(detector: str, size: str) -> str:
    """Name that recipe; none is read."""
    exception = f"{detector}-{size}"
    return exception if exception in recipe_names() else size
