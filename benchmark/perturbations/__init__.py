"""Perturbations: what is done to an image before it is scored. The levels are in ``protocols``.

A perturbed image is a pure function of (image, condition, noise seed, sample id): no global random
state is read or written, so order, workers and resumption cannot move a pixel. The random stream
is keyed without the severity: one image's noise has the same pattern at every severity and only
its strength differs, which takes sampling noise out of a robustness curve. The stage is not in the
key either.
"""

import hashlib
from collections.abc import Callable
from importlib import import_module
from typing import cast

import numpy as np

from benchmark.errors import PerturbationError
from benchmark.perturbations.pixels import Image
from protocols import Condition, UnknownNameError, perturbations
from protocols.conditions import values_of

Perturb = Callable[..., Image]
given: dict[str, Perturb] = {}
"""Functions of the user's own, by ``own/name``: ``benchmark.scoring.own`` binds them."""

# ``suite/some-name`` is the function ``some_name`` of the suite's module.
SUITES = {
    "deeperforensics": "benchmark.perturbations.deeperforensics",
    "evasion": "benchmark.perturbations.evasion",
    "imagenet-c": "benchmark.perturbations.imagenet_c",
    "real-world": "benchmark.perturbations.real_world",
}


def names() -> list[str]:
    """List the perturbations of single images, as ``suite/name``."""
    table = perturbations()
    return [
        name for name in table if name.partition("/")[0] in SUITES and "crop" in table[name].stages
    ]


def apply(condition: Condition, image: Image, *, noise_seed: int, sample_id: str) -> Image:
    """Perturb one image.

    Args:
        condition: What to do, with its level; ``clean`` gives ``image`` itself back.
        image: (h, w, 3) uint8 RGB, any size; it is not changed.
        noise_seed: The protocol's seed; the same for all models and training seeds.
        sample_id: Whose image it is; two samples with equal pixels get different noise.

    Returns:
        (h, w, 3) uint8 RGB of the same size.

    Raises:
        UnknownNameError: No perturbation has the condition's name.
        PerturbationError: ``image`` is not an (h, w, 3) uint8 array.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise PerturbationError(
            f"{condition.label} of '{sample_id}': an image is an (h, w, 3) uint8 array, got "
            f"{image.shape} {image.dtype}"
        )
    if condition.name == "clean":
        return image
    random = random_stream(condition, noise_seed, sample_id)
    return function_of(condition.name)(image, random, *values_of(condition.value))


def function_of(name: str) -> Perturb:
    """Give the code of a perturbation: (image, generator, values of the level) -> image.

    Raises:
        UnknownNameError: No perturbation has that name.
    """
    if name in given:
        return given[name]
    known = [*names(), *given]
    if name not in known:
        raise UnknownNameError("perturbation", name, known)
    suite, _, function = name.partition("/")
    return cast(Perturb, getattr(import_module(SUITES[suite]), function.replace("-", "_")))


def random_stream(condition: Condition, noise_seed: int, sample_id: str) -> np.random.Generator:
    """Build the generator that one sample's perturbation draws from, equal at all severities."""
    key = "\x1f".join((str(noise_seed), condition.perturbation, str(condition.version), sample_id))
    digest = hashlib.sha256(key.encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))
