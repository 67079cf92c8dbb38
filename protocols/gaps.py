"""Gaps: why a set or a model cannot be used, as facts, and the one wording of each.

Code asks a gap's kind and attributes. Its text is for readers, and nothing reads it back.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from protocols.selection import Each, together

Label = Literal["real", "fake"]
_WORDS: dict[Label, str] = {"real": "real", "fake": "forged"}


class Gap(ABC):
    """Why a set or a model cannot be used; ``str`` words it."""

    @abstractmethod
    def __str__(self) -> str:
        """Say it, for tables."""


@dataclass(frozen=True, kw_only=True)
class Unbound(Gap):
    """A dataset that the set takes images from is not there."""

    role: str

    def __str__(self) -> str:
        return f"no dataset is bound to role '{self.role}'"


@dataclass(frozen=True, kw_only=True)
class NoImages(Gap):
    """No image of a class that belongs to the set can be read in a split.

    Attributes:
        label: The class.
        split: The split.
        role: The dataset that the selection takes this class from.
        column: The column whose ``values`` the set stands for; None: it is of all, or of all but
            some.
        values: Values of ``column``.
        untrained: In a validation split, which asks for the generators that train: those that
            have forged images there, where they are all others.
    """

    label: Label
    split: str
    role: str
    column: Each | None = None
    values: tuple[str, ...] = ()
    untrained: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.untrained:
            others = ", ".join(self.untrained)
            return self._said("of the training generators ", f"; there are some of {others}")
        return self._said()

    def beside(self, there: Sequence[str]) -> str:
        """Say it with the values of ``column`` that the split has images of instead."""
        return self._said(
            f"of {self.column} {together(self.values)} ", f"; there are {', '.join(there)}"
        )

    def _said(self, which: str = "", more: str = "") -> str:
        return f"no {_WORDS[self.label]} images {which}in split {self.split}{more}"


@dataclass(frozen=True, kw_only=True)
class OverBudget(Gap):
    """The protocol's budget asks for more than the set has.

    Attributes:
        split: Where it falls short first.
        size: Images a class that the budget asks for.
    """

    split: str
    size: int

    def __str__(self) -> str:
        return f"the budget is {self.size} images a class in split {self.split}, {self._lacking}"

    @property
    @abstractmethod
    def _lacking(self) -> str:
        """Say what there is too little of."""


@dataclass(frozen=True, kw_only=True)
class TooFewReal(OverBudget):
    """There are only ``there`` real images."""

    there: int

    @property
    def _lacking(self) -> str:
        return f"there are {self.there} real ones"


@dataclass(frozen=True, kw_only=True)
class TooManyGenerators(OverBudget):
    """The set has more ``generators`` than the budget has images a class."""

    generators: int

    @property
    def _lacking(self) -> str:
        return f"fewer than its {self.generators} generators"


@dataclass(frozen=True, kw_only=True)
class TooFewForged(OverBudget):
    """A generator has only ``there`` of the ``share`` images that are its own."""

    generator: str
    there: int
    share: int

    @property
    def _lacking(self) -> str:
        return f"'{self.generator}' has {self.there} of the {self.share} that are its share"


@dataclass(frozen=True, kw_only=True)
class LossNotFinite(Gap):
    """A training met a loss that is no finite number at a step, counted from 1."""

    value: float
    step: int

    def __str__(self) -> str:
        return (
            f"the loss is {self.value} at step {self.step}; "
            "lower the recipe's lr or use precision fp32"
        )


@dataclass(frozen=True, kw_only=True)
class WeightsNotFinite(Gap):
    """A trained model has a tensor with a NaN or an infinity in it."""

    tensor: str

    def __str__(self) -> str:
        return f"its weights are not finite: '{self.tensor}' holds a NaN or an infinity"


@dataclass(frozen=True, kw_only=True)
class ScoreOutOfRange(Gap):
    """A model gave an image a score that no detector means.

    Attributes:
        value: The logit: NaN, infinite, or further than ``most`` from 0.
        sample: The image.
        under: The condition's key, or where in its training it was measured.
    """

    value: float
    most: float
    sample: str
    under: str

    def __str__(self) -> str:
        return (
            f"the score of '{self.sample}' ({self.under}) is {self.value:.4g}, "
            f"not a finite number within {self.most:g} of 0"
        )


@dataclass(frozen=True, kw_only=True)
class NoSurrogate(Gap):
    """The model that attacks on this one are made on is left out, for a ``reason`` of its own."""

    surrogate: str
    reason: Gap

    def __str__(self) -> str:
        return f"its attacks are made on {self.surrogate}, which is left out: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class Noted(Gap):
    """Another worker of the same run met the gap, and left its wording."""

    text: str

    def __str__(self) -> str:
        return self.text
