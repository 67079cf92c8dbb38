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

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import PerturbationError
from protocols import Condition, UnknownNameError

Image = NDArray[np.uint8]
Perturb = Callable[[Image, float, np.random.Generator], Image]

SUITES = {
    "deeperforensics/gaussian-blur": "benchmark.perturbations.deeperforensics:gaussian_blur",
    "deeperforensics/gaussian-noise": "benchmark.perturbations.deeperforensics:gaussian_noise",
    "real-world/jpeg": "benchmark.perturbations.real_world:jpeg",
    "real-world/resize": "benchmark.perturbations.real_world:resize",
}


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
    if condition.name not in SUITES:
        raise UnknownNameError("perturbation", condition.name, SUITES)
    module, _, function = SUITES[condition.name].partition(":")
    perturb: Perturb = getattr(import_module(module), function)
    return perturb(image, condition.value, random_stream(condition, noise_seed, sample_id))


def random_stream(condition: Condition, noise_seed: int, sample_id: str) -> np.random.Generator:
    """Build the generator that one sample's perturbation draws from, equal at all severities."""
    key = "\x1f".join((str(noise_seed), condition.name, str(condition.version), sample_id))
    digest = hashlib.sha256(key.encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))
