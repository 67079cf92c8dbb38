"""The constructors that most detectors have, and the usual way from features to a logit."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, TypedDict, get_args

import torch
from torch import Tensor, nn

from detectors.base import Detector, Size
from detectors.errors import DetectorError
from detectors.pretrained import LastLayer, Pretrained, resolve_weights


class FixedSideOptions(TypedDict, total=False):
    """What every detector takes, for constructors that pass it on."""

    size: Size
    taxa: Iterable[Sequence[str]]
    untrained: bool


class AnySideOptions(FixedSideOptions, total=False):
    """What an ``AnySideDetector`` takes, for constructors that pass it on."""

    pretrained: Pretrained
    last_layer: LastLayer
    input_size: int | None


class FixedSideDetector(Detector):
    """A detector whose input has the side of its size, and no other.

    Args:
        size: ``tiny`` for CPUs and tests, or ``base``, as published; ``sides`` says their inputs.
        taxa: Kinds of training image, each (label, forgery, family, generator).
        untrained: Give logits before training too.
    """

    def __init__(
        self,
        *,
        size: Size = "base",
        taxa: Iterable[Sequence[str]] = (),
        untrained: bool = False,
    ) -> None:
        super().__init__(input_size=None, size=size, taxa=taxa, untrained=untrained)


class AnySideDetector(Detector):
    """A detector that takes an input of any side, and may start from weights.

    Args:
        size: ``tiny`` for CPUs and tests, from random weights, or ``base``, as published.
        pretrained: False, True (the ``published`` weights), a Hub repository, a local folder or
            file; by default True for ``base`` and False for ``tiny``. Where none are published,
            False or None.
        last_layer: What becomes of the last layer of weights that ``pretrained`` names: ``keep``
            takes one of one output, the logit of fake, or of two, real and fake, and the detector
            is then trained; ``drop`` starts without it. One of other outputs, of ImageNet say, is
            never taken.
        input_size: Side of the input in pixels; ``sides`` says the usual one.
        taxa: Kinds of training image; kept, not used unless the card needs them.
        untrained: Give logits before training too.

    Attributes:
        published: Hub repository of the weights that it starts from; None: there are none.
        lacks: What there is none of where ``published`` is None, for the message.
        start: The Hub repository, folder or file that it starts from; None: random weights.

    Raises:
        WeightsError: The weights asked for are not to be had or do not fit.
        DetectorError: Weights are asked for, and there are none.
    """

    published: str | None = None
    lacks: ClassVar[str] = "pretrained weights"

    def __init__(
        self,
        *,
        size: Size = "base",
        pretrained: Pretrained = None,
        last_layer: LastLayer = "keep",
        input_size: int | None = None,
        taxa: Iterable[Sequence[str]] = (),
        untrained: bool = False,
    ) -> None:
        super().__init__(input_size=input_size, size=size, taxa=taxa, untrained=untrained)
        if last_layer not in get_args(LastLayer):
            raise DetectorError(
                f"{self.card.name}: last_layer is {' or '.join(get_args(LastLayer))}, not "
                f"{last_layer!r}"
            )
        self.last_layer: LastLayer = last_layer
        self.start = self.start_of(pretrained)

    def start_of(self, pretrained: Pretrained) -> str | None:
        """Say where the first weights come from; None for random ones."""
        name = self.card.name
        if self.published is not None:
            return resolve_weights(
                pretrained, size=self.size, published=self.published, detector=name
            )
        if pretrained:
            made = "fitted" if self.card.fit == "estimator" else "trained"
            raise DetectorError(
                f"{name} has no {self.lacks}: leave pretrained out, or load a {made} one with "
                "from_pretrained"
            )
        return None

    def architecture(self) -> dict[str, Any]:
        """Rebuild it as it is, fetching nothing: the saved weights replace those it began with."""
        return {"size": self.size, "pretrained": False, "input_size": self.transform.size}


class NetworkDetector(AnySideDetector):
    """A network that ends in ``head``, a layer of one output; a subclass defines ``features``."""

    head: nn.Module

    def forward(self, inputs: Tensor) -> Tensor:
        """Give (B,) logits for (B, 3, S, S) inputs in [0, 1]; > 0 means fake."""
        return self.decide(self.features(inputs))

    def deciding_layer(self) -> nn.Module:
        """Give the layer of one output."""
        return self.head

    def decide(self, features: Tensor) -> Tensor:
        """Give (B,) float32 logits of (B, d) features."""
        return in_float32(self.deciding_layer(), features).squeeze(1)


def in_float32(layer: nn.Module, features: Tensor) -> Tensor:
    """Apply a layer to (B, d) features in float32, whatever the precision around it.

    What decides is a thousandth of the work, and in 8 bits many images would get equal logits.
    """
    with torch.autocast(features.device.type, enabled=False):
        found: Tensor = layer(features.float())
        return found


def register_statistics(detector: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
    """Give ``detector`` the buffers ``mean`` and ``std``, (1, 3, 1, 1), by which it normalises."""
    for name, values in (("mean", mean), ("std", std)):
        detector.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)
