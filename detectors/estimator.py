"""A scikit-learn estimator as a detector, in one line."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Unpack

import numpy as np
import torch
from torch import Tensor

from detectors.base import Batch, Sides
from detectors.card import Card
from detectors.errors import DetectorError
from detectors.parts.network import FixedSideDetector, FixedSideOptions
from detectors.parts.regression import need_both_classes

Measure = Callable[[Tensor], Tensor]
# Where a forest is sure: a logit of 13.8, and not infinite.
_SURE = 1e-6


class EstimatorDetector(FixedSideDetector):
    """A classifier of scikit-learn on numbers that are measured in each image.

    What is saved is what it was fitted to, the numbers and labels of the training images: an
    estimator itself is only to be had as a pickle, which can run code when it is read. A loaded
    detector is fitted again, when it is first asked; its random numbers are fixed, so the same
    version of scikit-learn gives the same detector. Before training all logits are 0.

    Args:
        images: How many training images a saved detector has.
        numbers: How many numbers it has of each.
        shared: As ``FixedSideDetector``; both sizes are the same.

    Attributes:
        estimator: The classifier, never fitted itself: ``fit`` fits a copy.
        measure: (B, 3, S, S) inputs in [0, 1] to (B, d) numbers.
    """

    estimator: ClassVar[Any]
    measure: ClassVar[Measure]
    init = "none"
    fitted_to: Tensor
    fitted_labels: Tensor

    def __init__(
        self, *, images: int = 0, numbers: int = 0, **shared: Unpack[FixedSideOptions]
    ) -> None:
        super().__init__(**shared)
        self.register_buffer("fitted_to", torch.zeros(images, numbers, dtype=torch.float64))
        self.register_buffer("fitted_labels", torch.zeros(images, dtype=torch.int64))
        self._model: Any = None

    def features(self, inputs: Tensor) -> Tensor:
        """Give the (B, d) measured numbers of (B, 3, S, S) inputs, float64."""
        return type(self).measure(inputs).double()

    def forward(self, inputs: Tensor) -> Tensor:
        """Give (B,) logits for (B, 3, S, S) inputs in [0, 1]; > 0 means fake.

        The log-odds of ``predict_proba`` where the estimator has it, else ``decision_function``.
        """
        if self._model is None and len(self.fitted_labels):
            self._model = self._fit()
        if self._model is None:
            return inputs.new_zeros(len(inputs), dtype=torch.float32)
        found = self.features(inputs).detach().cpu().numpy()
        if hasattr(self._model, "predict_proba"):
            share = self._model.predict_proba(found)[:, 1].clip(_SURE, 1 - _SURE)
            logits = np.log(share) - np.log1p(-share)
        else:
            logits = self._model.decision_function(found)
        return torch.from_numpy(np.asarray(logits, dtype=np.float32)).to(inputs.device)

    @torch.no_grad()
    def fit(self, train: Iterable[Batch], val: Iterable[Batch]) -> dict[str, float]:
        """Fit the estimator to ``train``; ``val`` is not looked at.

        Returns:
            ``images`` and ``numbers`` of the fit.

        Raises:
            DetectorError: ``train`` lacks a class.
        """
        parts = [(self.features(b.inputs.to(self.device)), b.labels.long()) for b in train]
        labels = torch.cat([part for _, part in parts]) if parts else torch.zeros(0)
        need_both_classes(self.card.name, fakes=int(labels.sum()), images=len(labels))
        self.fitted_to = torch.cat([part for part, _ in parts])
        self.fitted_labels = labels.to(self.device)
        self._model = self._fit()
        self.mark_trained()
        return {"images": float(len(labels)), "numbers": float(self.fitted_to.shape[1])}

    def architecture(self) -> dict[str, Any]:
        """Say how much it was fitted to."""
        images, numbers = self.fitted_to.shape
        return {"size": self.size, "images": images, "numbers": numbers}

    def _fit(self) -> Any:
        """Fit a copy of the estimator to the numbers that are kept."""
        from sklearn.base import clone

        model = clone(self.estimator)
        drawn = [name for name in model.get_params() if name.endswith("random_state")]
        model.set_params(**{name: 0 for name in drawn if model.get_params()[name] is None})
        return model.fit(self.fitted_to.cpu().numpy(), self.fitted_labels.cpu().numpy())


def pixels(inputs: Tensor) -> Tensor:
    """Give (B, 3 S S) values of the pixels."""
    return inputs.flatten(1)


def from_estimator(
    name: str, estimator: Any, *, measure: Measure = pixels, input_size: int = 32
) -> type[EstimatorDetector]:
    """Make a detector class of a scikit-learn classifier.

        Forest = from_estimator("forest", RandomForestClassifier())

    in a module of one's own is the detector ``module:Forest``.

    Args:
        name: What the detector is called.
        estimator: A classifier with ``fit`` and ``predict_proba`` or ``decision_function``, or a
            pipeline that ends in one.
        measure: What it learns from: (B, 3, S, S) in [0, 1] to (B, d); by default the pixels.
        input_size: S, in pixels.

    Raises:
        DetectorError: The estimator gives no scores.
    """
    if not (hasattr(estimator, "predict_proba") or hasattr(estimator, "decision_function")):
        raise DetectorError(
            f"{name}: {estimator} has neither predict_proba nor decision_function, so no scores"
        )
    card = Card(
        name=name,
        title=name,
        paper=f"scikit-learn's {type(estimator).__name__}",
        year=2026,
        kind="floor",
        fidelity="a user's own",
        licence="the user's",
        pretraining="none",
        fit="estimator",
    )
    attributes = {
        "card": card,
        "estimator": estimator,
        "measure": staticmethod(measure),
        "sides": Sides(tiny=input_size, base=input_size),
    }
    return type(name, (EstimatorDetector,), attributes)
