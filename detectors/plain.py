"""Networks that know nothing of the contract as detectors: one's own, or one of timm."""

from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, Literal, Unpack, get_args

import timm
import torch
from torch import Tensor, nn

from detectors.base import Detector, Sides
from detectors.card import Card
from detectors.errors import DetectorError, UnknownDetectorError
from detectors.loading import check_fit
from detectors.parts.backbones import BACKBONES, IMAGENET_STATISTICS, Backbone, BackboneDetector
from detectors.parts.network import AnySideDetector, AnySideOptions, register_statistics
from detectors.pretrained import KeyMap, Pretrained, read_weights, renamed

Normalise = Literal["none", "symmetric", "imagenet"]
_STATISTICS = {
    "none": ((0.0,) * 3, (1.0,) * 3),
    "symmetric": ((0.5,) * 3, (0.5,) * 3),
    "imagenet": IMAGENET_STATISTICS,
}
_PARALLEL: KeyMap = [(r"^module\.", "")]


class PlainDetector(AnySideDetector):
    """A network that gives one logit an image, or two outputs, real and fake.

    Args:
        network: Arguments of the network's constructor.
        normalise: What is done to inputs in [0, 1] first: nothing, to [-1, 1], or by the mean and
            deviation of ImageNet.
        shared: As ``AnySideDetector``; ``input_size`` is 224 by default. ``pretrained`` may be a
            file or folder with the network's own tensors: it is then trained.

    Attributes:
        kind: The network's class.

    Raises:
        DetectorError: The network cannot be built of these arguments.
        WeightsError: The tensors cannot be read or do not fit.
    """

    kind: ClassVar[type[nn.Module]]
    sides = Sides(tiny=224, base=224)
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        network: Mapping[str, Any] | None = None,
        normalise: Normalise = "none",
        **shared: Unpack[AnySideOptions],
    ) -> None:
        super().__init__(**shared)
        name = self.card.name
        if normalise not in get_args(Normalise):
            raise DetectorError(
                f"{name}: normalise is {', '.join(get_args(Normalise))}, not '{normalise}'"
            )
        self.normalise, self.arguments = normalise, dict(network or {})
        try:
            self.network = self.kind(**self.arguments)
        except TypeError as error:
            raise DetectorError(
                f"{name}: its network takes other arguments ({error}); give them as the option "
                "network, or a subclass with a constructor that needs none"
            ) from error
        except SystemExit as error:
            raise DetectorError(f"{name}: its network ends the program ({error})") from error
        register_statistics(self, *_STATISTICS[normalise])
        if self.start is not None:
            tensors, digest = read_weights(self.start, name)
            ours = renamed(tensors, _PARALLEL)
            check_fit(ours, self.network.state_dict(), self.start)
            self.network.load_state_dict(ours)
            self.init = f"weights:{digest}"
            self.mark_trained()

    def start_of(self, pretrained: Pretrained) -> str | None:
        """Say which file or folder its weights are in, if any."""
        return None if isinstance(pretrained, bool) or pretrained is None else str(pretrained)

    def features(self, inputs: Tensor) -> Tensor:
        """Give the (B, 1) or (B, 2) outputs of the network.

        Raises:
            DetectorError: It gives something else.
        """
        found = self.network((inputs - self.mean) / self.std)
        if isinstance(found, Tensor) and found.shape == inputs.shape[:1]:
            found = found[:, None]
        told = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        if told not in ((len(inputs), 1), (len(inputs), 2)):
            raise DetectorError(
                f"{self.card.name}: its network gives {told} for {len(inputs)} images: one logit "
                "an image, (B,) or (B, 1), or two outputs, real and fake, (B, 2)"
            )
        outputs: Tensor = found
        return outputs

    def forward(self, inputs: Tensor) -> Tensor:
        """Give (B,) logits for (B, 3, S, S) inputs in [0, 1]; > 0 means fake."""
        outputs = self.features(inputs).float()
        return outputs[:, -1] - outputs[:, 0] if outputs.shape[1] == 2 else outputs[:, 0]

    def architecture(self) -> dict[str, Any]:
        """Add the network's arguments to what rebuilds it."""
        more = {"network": self.arguments, "normalise": self.normalise}
        return {**super().architecture(), **more}


@cache
def plain_detector(target: str, kind: Any) -> type[Detector]:
    """Make a detector class of a network's class.

    Args:
        target: ``package.module:Class``, its name.
        kind: The class of the network: (B, 3, S, S) to (B,), (B, 1) or (B, 2).
    """
    card = _card(target, kind.__name__, "a user's own network", licence="the user's")
    return type(kind.__name__, (PlainDetector,), {"card": card, "kind": kind})


@cache
def timm_detector(name: str) -> type[Detector]:
    """Make a detector class of a network of timm with one logit.

    Args:
        name: ``timm:NAME``, as timm calls it. ``tiny`` starts it from random weights, ``base`` from
            those that timm publishes.

    Raises:
        UnknownDetectorError: timm has no such network.
    """
    called = name.partition(":")[2]
    try:
        config: Any = timm.get_pretrained_cfg(called, allow_unregistered=False)
        with torch.device("meta"):
            built: Any = timm.create_model(called, num_classes=1)
        head = str(built.default_cfg["classifier"])
    except (RuntimeError, KeyError, TypeError) as error:
        close = timm.list_models(f"*{called.split('.')[0]}*")[:3]
        hint = f"; did you mean {', '.join(f'timm:{each}' for each in close)}?" if close else ""
        raise UnknownDetectorError(f"timm has no network '{called}' with one head{hint}") from error

    def build(outputs: int) -> Any:
        return timm.create_model(called, num_classes=outputs)

    BACKBONES[name] = Backbone(
        published=config.hf_hub_id or "",
        base=build,
        tiny=build,
        input_size=config.input_size[-1],
        statistics=(config.mean, config.std),
        head=(f"{head}.",),
    )
    paper = f"timm's {called}; its paper is named there"
    card = _card(name, called, paper, licence="timm's (Apache-2.0); the weights have their own")
    return type("TimmNetwork", (BackboneDetector,), {"card": card, "backbone": name})


def _card(name: str, title: str, paper: str, *, licence: str) -> Card:
    """Say what is known of a network that has no card."""
    return Card(
        name=name,
        title=title,
        paper=paper,
        year=2026,
        kind="spatial",
        fidelity="the network as it is, one logit, trained by binary cross-entropy",
        licence=licence,
        pretraining="the network's own",
        fit="gradient",
    )
