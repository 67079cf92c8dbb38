"""Recipes: how a detector is trained, as strict YAML in ``benchmark/recipes``."""

from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from benchmark.errors import BenchmarkError
from protocols.reading import load_named, names_in

_FOLDER = files("benchmark") / "recipes"


class Augmentation(BaseModel):
    """What is done to training images, each keyed by (seed, step, sample id)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    flip: float = Field(ge=0, le=1)


class Recipe(BaseModel):
    """A training recipe for ``fit: gradient``.

    Attributes:
        optimizer: ``adam`` (weight decay in the gradient) or ``adamw`` (decoupled).
        lr: Learning rate after warm-up; ``weight_decay`` in the optimiser's own sense.
        schedule: ``constant``; ``cosine`` to zero at the last step; ``step``: times 0.1 at every
            ``decay_every`` steps.
        warmup: Steps of linear warm-up.
        clip: Largest norm of the gradient.
        batch_size: Images a step over all processes.
        steps: Most optimiser steps.
        balanced: Draw half of every batch from the real images, half from the forged ones.
        evaluate_every: Steps between measurements of the validation AUC.
        patience: Measurements without a better validation AUC after which training stops; None:
            never.
        precision: ``fp32``, ``bf16`` or ``fp16`` (not on a CPU).
        augmentation: Changes to the training images.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    citation: str
    optimizer: Literal["adam", "adamw"]
    lr: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    schedule: Literal["constant", "cosine", "step"]
    decay_every: int | None = Field(default=None, ge=1)
    warmup: int = Field(ge=0)
    clip: float = Field(gt=0)
    batch_size: int = Field(ge=2)
    steps: int = Field(ge=1)
    balanced: bool
    evaluate_every: int = Field(ge=1)
    patience: int | None = Field(ge=1)
    precision: Literal["fp32", "bf16", "fp16"]
    augmentation: Augmentation


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
    if (recipe.schedule == "step") != (recipe.decay_every is not None):
        raise BenchmarkError(
            f"recipe '{recipe.name}': decay_every goes with schedule: step, and only with it"
        )
    return recipe


def default_recipe(detector: str, size: str) -> Recipe:
    """Give the detector's own recipe at this size if it has one, else the size's."""
    own = f"{detector}-{size}"
    return load_recipe(own if own in recipe_names() else size)
