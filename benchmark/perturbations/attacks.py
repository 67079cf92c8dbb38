"""White-box attacks: pixels moved within a bound so that a detector is wrong.

The attacks are those of the Adversarial Robustness Toolbox, the extra ``attacks``. They see the
detector's own preprocessing: the gradient goes through resizing to the image's pixels.
What is found is rounded to eight bits, as a file would hold it, which stays within the bound.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.errors import PerturbationError
from benchmark.perturbations import random_stream
from benchmark.perturbations.pixels import Image
from detectors.base import Detector
from protocols import Condition, UnknownNameError, perturbations
from protocols.conditions import ATTACKS, values_of

_Pixels = NDArray[np.float32]


def attacked(
    condition: Condition,
    images: Sequence[Image],
    labels: Sequence[bool],
    detector: Detector,
    *,
    noise_seed: int,
    sample_ids: Sequence[str],
) -> list[Image]:
    """Attack images of both classes, each away from its label.

    With another detector than the one that is then scored it is a black-box transfer.

    Args:
        condition: ``adversarial/...`` with its level.
        images: (h, w, 3) uint8 RGB, any sizes; not changed.
        labels: Of each: is it fake?
        detector: The one whose gradient is followed, in evaluation mode, on its device.
        noise_seed: The protocol's; with the sample's id it gives the random start of APGD.
        sample_ids: Whose images they are.

    Returns:
        As many (h, w, 3) uint8 RGB, no value further from its own than the bound.

    Raises:
        PerturbationError: The toolbox is not installed, or the detector has no gradient.
        UnknownNameError: There is no such attack.
    """
    if condition.perturbation not in perturbations() or not condition.is_attack:
        known = [name for name in perturbations() if name.startswith(ATTACKS)]
        raise UnknownNameError("attack", condition.perturbation, known)
    found: list[Image] = [image.copy() for image in images]
    with _still(detector):
        for places in _by_size(images):
            model = _Classifier(detector)
            _check_gradient(model, images[places[0]], detector)
            stack = np.stack([images[place] for place in places])
            pixels = (stack.transpose(0, 3, 1, 2) / 255).astype(np.float32)
            targets = np.eye(2, dtype=np.float32)[[int(labels[place]) for place in places]]
            randoms = [random_stream(condition, noise_seed, sample_ids[p]) for p in places]
            moved = _attack(condition, model, pixels, targets, randoms)
            eight_bits = np.rint(moved * 255).astype(np.uint8).transpose(0, 2, 3, 1)
            for place, image in zip(places, eight_bits, strict=True):
                found[place] = np.ascontiguousarray(image)
    return found


class _Classifier(nn.Module):
    """A detector as a classifier of images in [0, 1]: logits of real and fake."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, images: Tensor) -> Tensor:
        """Give (B, 2) logits -z/2 and z/2 of (B, 3, h, w)."""
        half = self.detector(self.detector.transform.resize(images)) / 2
        return torch.stack([-half, half], dim=1)


def _attack(
    condition: Condition,
    model: _Classifier,
    pixels: _Pixels,
    targets: _Pixels,
    randoms: Sequence[np.random.Generator],
) -> _Pixels:
    """Move (B, 3, h, w) pixels in [0, 1] away from their (B, 2) labels."""
    try:
        from art.attacks.evasion import (
            AutoProjectedGradientDescent,
            FastGradientMethod,
            ProjectedGradientDescentPyTorch,
        )
        from art.estimators.classification import PyTorchClassifier
    except ModuleNotFoundError as error:
        raise PerturbationError(
            f"{condition.label}: attacks need the Adversarial Robustness Toolbox, and there is no "
            f"'{error.name}' here: pip install 'forgerybench[attacks]'"
        ) from error
    classifier = PyTorchClassifier(
        model,
        loss=nn.CrossEntropyLoss(),
        input_shape=pixels.shape[1:],
        nb_classes=2,
        clip_values=(0.0, 1.0),
        device_type="gpu" if model.detector.device.type == "cuda" else "cpu",
    )
    bound, *steps = values_of(condition.value)
    options: dict[str, Any] = {"eps": bound / 255, "batch_size": len(pixels)}
    kind = condition.perturbation.removeprefix(ATTACKS)
    if kind == "fgsm":
        return cast(_Pixels, FastGradientMethod(classifier, **options).generate(pixels, targets))
    options |= {"max_iter": int(steps[0]), "verbose": False}
    if kind == "pgd":
        options |= {"eps_step": bound / 255 / 4, "num_random_init": 0}
        attack = ProjectedGradientDescentPyTorch(classifier, **options)
        return cast(_Pixels, attack.generate(pixels, targets))
    # Its steps depend on the whole batch, and its start on NumPy's global state: one at a time.
    options |= {"eps_step": bound / 255 * 2, "nb_random_init": 1, "batch_size": 1}
    options["loss_type"] = "cross_entropy"
    parts = []
    for place, random in enumerate(randoms):
        attack = AutoProjectedGradientDescent(classifier, **options)
        with _global_seed(int(random.integers(2**32))):
            parts.append(attack.generate(pixels[[place]], targets[[place]]))
    return cast(_Pixels, np.concatenate(parts))


def _by_size(images: Sequence[Image]) -> list[list[int]]:
    """Group the places of images of one size."""
    places: dict[tuple[int, ...], list[int]] = {}
    for place, image in enumerate(images):
        places.setdefault(image.shape, []).append(place)
    return list(places.values())


def _check_gradient(model: _Classifier, image: Image, detector: Detector) -> None:
    """Raise PerturbationError unless the logit depends on the pixels by a gradient."""
    planes = np.ascontiguousarray(image.transpose(2, 0, 1))[None] / np.float32(255)
    pixels = torch.from_numpy(planes).to(detector.device).requires_grad_()
    logits = model(pixels)
    gradient = None
    if logits.requires_grad:
        (gradient,) = torch.autograd.grad(logits[:, 1].sum(), pixels, allow_unused=True)
    if gradient is None or not torch.isfinite(gradient).all() or not gradient.any():
        raise PerturbationError(
            f"{detector.card.name} gives no gradient with respect to the image, which white-box "
            "attacks need: say image_gradient=False on its card, and it is a stated gap"
        )


@contextmanager
def _still(detector: Detector) -> Iterator[None]:
    """Keep the weights out of the gradient for a while."""
    moving = [parameter for parameter in detector.parameters() if parameter.requires_grad]
    for parameter in moving:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in moving:
            parameter.requires_grad_(True)


@contextmanager
def _global_seed(seed: int) -> Iterator[None]:
    """Give NumPy's global state a seed for a while, then what it was."""
    before = np.random.get_state()  # noqa: NPY002 - the toolbox draws from nothing else
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002
