"""The contract every detector keeps."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectors.card import Card, Taxon
from detectors.errors import DetectorError, InputError, UntrainedDetectorError, WeightsError
from detectors.fetching import CONFIG, TENSORS, rebuilding
from detectors.loading import check_fit, read_tensors
from detectors.transform import Transform
from detectors.weights import not_finite, read_config, save, saved_folder

Size = Literal["tiny", "base"]
# What options of a saved detector that are none may make of a constructor.
_UNFIT = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
LEAST_SIDE = 8  # what the strides of every network leave something of


class Sides(NamedTuple):
    """Side of a detector's input at each size, in pixels."""

    tiny: int
    base: int


@dataclass(frozen=True, kw_only=True)
class Known:
    """What a score may rest on beside the pixels; each is there for cards that need it alone.

    Attributes:
        facts: (B, F) float32, the facts of the stored files: ``detectors.files.FACTS``. For cards
            that need ``file``.
        labels: (B,) float32, 1 = fake. For the benchmark's own oracle, and for no detector.
    """

    facts: Tensor | None = None
    labels: Tensor | None = None

    def part(self, start: int, stop: int) -> "Known":
        """Give what is known of the images from ``start`` to ``stop``."""
        return self._each(lambda values: values[start:stop])

    def to(self, device: torch.device) -> "Known":
        """Move it to ``device``."""
        return self._each(lambda values: values.to(device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Known":
        facts = None if self.facts is None else change(self.facts)
        labels = None if self.labels is None else change(self.labels)
        return Known(facts=facts, labels=labels)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Prepared images with what is known of them.

    Attributes:
        inputs: (B, 3, S, S) float32 in [0, 1], from ``Detector.prepare``.
        labels: (B,) float32, 1 = fake.
        taxa: (B,) int64, index into the detector's ``taxa``.
        facts: As in ``Known``; None where the card does not need ``file``.
        reals: How many images are real; None: it is to be counted, for which a GPU is waited for.
    """

    inputs: Tensor
    labels: Tensor
    taxa: Tensor
    facts: Tensor | None = None
    reals: int | None = None

    def known_to(self, card: Card) -> Known:
        """Give what a detector with this card may use beside the inputs."""
        return Known(facts=self.facts if "file" in card.needs else None)


class Detector(nn.Module):
    """A face-forgery detector: images in, one logit an image out; positive means fake.

    A subclass sets ``card``, builds its layers in ``__init__`` from keyword arguments that JSON
    can hold, and defines ``features`` and ``forward``. A trained detector is a folder of
    ``model.safetensors`` and ``config.json``.

    Attributes:
        card: What is known of the detector without building it.
        sides: Its input where it is built with no ``input_size``; None: it cannot be.
        weights_option: The option that names a file or folder of trained weights in their authors'
            names.
        init: Where its first weights came from: ``random``, ``imagenet``, ``clip:<hash>``,
            ``weights:<hash>`` for one's own; ``none`` where nothing is trained in steps.
        taxa: The kinds of image it is trained on, in the order that ``Batch.taxa`` counts.
        transform: How one image becomes its input.
    """

    card: ClassVar[Card]
    sides: ClassVar[Sides | None] = None
    weights_option: ClassVar[str] = "pretrained"
    options: dict[str, Any]
    init: str = "random"
    trained: Tensor

    def __new__(cls, **options: Any) -> Self:
        """Keep the constructor's arguments: ``config.json`` is written from them."""
        self = super().__new__(cls)
        object.__setattr__(self, "options", options)
        return self

    def __init__(
        self,
        *,
        input_size: int | None,
        size: Size,
        taxa: Iterable[Sequence[str]] = (),
        untrained: bool = False,
    ) -> None:
        """Set what all detectors share.

        Args:
            input_size: Side S of the square input, in pixels; None is that of ``sides``.
            size: ``tiny`` for CPU and tests, ``base`` as published.
            taxa: (label, forgery, family, generator) of each kind of training image.
            untrained: Give logits before training too, instead of refusing.
        """
        super().__init__()
        self.transform = Transform(self.side_of(size, input_size))
        self.size = size
        self.taxa = tuple(Taxon(*taxon) for taxon in taxa)
        if {"prompts", "taxa"} & self.card.needs and not self.taxa:
            raise DetectorError(
                f"{self.card.name} needs the taxonomy of its training images: "
                "pass taxa=[(label, forgery, family, generator), ...]"
            )
        self._allow_untrained = untrained
        self.register_buffer("trained", torch.tensor(False))

    @classmethod
    def side_of(cls, size: Size, input_size: int | None) -> int:
        """Give the side of the input in pixels: the one asked for, or that of the size.

        Raises:
            DetectorError: There is no such size, or the side is no whole number from 8 on.
        """
        if size not in ("tiny", "base"):
            raise DetectorError(f"{cls.card.name} has the sizes tiny and base, not '{size}'")
        side = getattr(cls.sides, size, None) if input_size is None else input_size
        if not isinstance(side, int) or side < LEAST_SIDE:
            raise DetectorError(
                f"{cls.card.name}: input_size is a whole number of pixels, {LEAST_SIDE} or more, "
                f"not {side!r}"
            )
        return side

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.trained.device

    def prepare(self, image: Tensor) -> Tensor:
        """Bring one (3, h, w) float RGB image in [0, 1], any size, to the (3, S, S) input."""
        return self.transform(image.to(self.device))

    def forward(self, inputs: Tensor) -> Tensor:
        """Give (B,) float32 logits for (B, 3, S, S) prepared inputs; > 0 means fake."""
        raise NotImplementedError(f"{type(self).__name__} defines no forward")

    def answer(self, inputs: Tensor, known: Known) -> Tensor:
        """Give (B,) logits of prepared inputs and of what the card needs to be known of them.

        This is what is scored. The default looks at the inputs alone.
        """
        return cast(Tensor, self(inputs))

    def features(self, inputs: Tensor) -> Tensor:
        """Give the (B, d) representation on which the last layer decides."""
        raise NotImplementedError(f"{type(self).__name__} defines no features")

    def deciding_layer(self) -> nn.Module | None:
        """Give the layer that decides, by default ``head``, if there is one; always in float32."""
        return cast(nn.Module | None, getattr(self, "head", None))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Give the training losses as scalars; ``total`` is the one that is minimised.

        The default is the binary cross-entropy of the logits.
        """
        total = F.binary_cross_entropy_with_logits(self(batch.inputs), batch.labels)
        return {"total": total}

    def towers(self) -> dict[str, list[list[nn.Parameter]]]:
        """Give the trained parameters of its towers, layer by layer from the input to the feature.

        A recipe gives towers rates of their own by these names: ``image``, ``noise``, ``text``.
        """
        return {}

    def vitals(self, batch: Batch) -> dict[str, Tensor]:
        """Measure what tells how a training is going, as scalars; nothing of it changes."""
        return {}

    def fit(self, train: Iterable[Batch], val: Iterable[Batch]) -> dict[str, float]:
        """Train in one call (``fit: estimator``); return facts for the history."""
        raise DetectorError(f"{self.card.name} is trained by fit: {self.card.fit}, not in one call")

    def mark_trained(self) -> None:
        """Say that training is done: from here on ``logits`` answers, and so does a saved copy."""
        self.trained.fill_(True)

    def architecture(self) -> dict[str, Any]:
        """Options that rebuild the network with nothing fetched; they override ``options``."""
        return {}

    def logits(self, images: Sequence[Tensor], known: Known | None = None) -> Tensor:
        """Give (B,) float32 logits of B images, each (3, h, w) RGB in [0, 1] of any size.

        All at once, or in chunks of as many as the card pins, in their order. ``known`` is for
        cards that need ``file``, and for the oracle.

        Raises:
            UntrainedDetectorError: It was not trained, nor built with ``untrained=True``.
            InputError: There is no image, or one is not an image.
            DetectorError: The answer is not one logit an image.
        """
        if not (bool(self.trained) or self._allow_untrained):
            raise UntrainedDetectorError(
                f"{self.card.name} is not trained, so its scores would be noise: train it, load it "
                "with from_pretrained, or build it with untrained=True"
            )
        if len(images) == 0:
            raise InputError(f"{self.card.name} was given no image")
        with _evaluating(self), torch.inference_mode():
            chunk, parts = self.card.batch_dependent or len(images), []
            known = (known or Known()).to(self.device)
            for start in range(0, len(images), chunk):
                prepared = [self.prepare(image) for image in images[start : start + chunk]]
                inputs = torch.stack(prepared)
                parts.append(self.answer(inputs, known.part(start, start + chunk)).float())
                if parts[-1].shape != (len(inputs),):
                    raise DetectorError(
                        f"{self.card.name} gave {tuple(parts[-1].shape)} for {len(inputs)} images: "
                        "forward gives one logit an image, (B,)"
                    )
            return torch.cat(parts)

    def score(self, images: Sequence[Tensor], known: Known | None = None) -> Tensor:
        """Give (B,) float64 P(fake), the sigmoid of ``logits``.

        float64, because a float32 sigmoid is exactly 1 from logit 17 on and ties move the AUC.
        """
        return torch.sigmoid(self.logits(images, known).double())

    def save_pretrained(self, path: Path | str) -> None:
        """Write ``config.json`` and ``model.safetensors`` to ``path``, a folder not yet there.

        Raises:
            WeightsError: Something is already at ``path``.
        """
        save(Path(path), self.config(), self.state_dict())

    @classmethod
    def from_pretrained(cls, name: Path | str) -> Self:
        """Load a trained detector of this class from a local folder or a Hub repository.

        ``detectors.load_detector`` finds the class by what was saved. Building it fetches nothing:
        all its tensors are in its folder.

        Raises:
            WeightsError: There is no such detector, it is of another class, its options are not
                those of one or ask for something to be fetched, or its tensors do not fit, each one
                named, or are not finite.
        """
        folder = saved_folder(str(name))
        config = read_config(folder)
        if config["detector"] != cls.card.name:
            raise WeightsError(
                f"{folder / CONFIG}: holds '{config['detector']}', not '{cls.card.name}'"
            )
        try:
            with rebuilding(folder / CONFIG):
                detector = cls(**config["options"])
        except _UNFIT as error:
            said = " ".join(str(error).split())
            what = said if isinstance(error, TypeError) else f"{type(error).__name__}: {said}"
            raise WeightsError(f"{folder / CONFIG}: {what}") from error
        detector.init = config["init"]
        tensors = read_tensors([folder / TENSORS])
        check_fit(tensors, detector.state_dict(), folder / TENSORS)
        detector.load_state_dict(tensors)
        if (tensor := not_finite(detector)) is not None:
            raise WeightsError(f"{folder / TENSORS}: '{tensor}' holds a NaN or an infinity")
        return detector.eval()

    def config(self) -> dict[str, Any]:
        """Give what ``config.json`` holds."""
        options = {**self.options, **self.architecture()}
        options.pop("untrained", None)
        if self.taxa:
            options["taxa"] = self.taxa  # what was given may have been an iterator
        config = {"format": 1, "detector": self.card.name, "init": self.init, "options": options}
        return cast(dict[str, Any], json.loads(json.dumps(config)))


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Put ``module`` in evaluation mode for a while."""
    was_training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was_training)
