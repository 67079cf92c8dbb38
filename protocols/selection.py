"""Which forged images make a set, and which real ones go with them."""

from collections.abc import Mapping, Sequence
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Each = Literal["generator", "forgery", "family", "source"]
Reals = Literal["same-source", "training-source", "stated", "pooled"]
SMALLEST: Literal["smallest"] = "smallest"


def together(values: Sequence[str]) -> str:
    """Name what several values stand for as one."""
    return " + ".join(values)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Cap(_Part):
    """Most forged images of one generator in a training set, by split."""

    train: int = Field(ge=1)
    val: int = Field(ge=1)


class Budget(_Part):
    """Equal training sets: as many real as forged images, equally many of each generator.

    A number is images a class. ``smallest`` is what the poorest generator of the protocol's
    training selections allows, counted with the real images that it would have alone: the same
    number whether one generator trains or all but one. With equal sets, recipes in epochs have
    equal steps, and every epoch is balanced.

    Attributes:
        train: Images a class for training.
        val: Images a class for validation.
    """

    train: int | Literal["smallest"]
    val: int | Literal["smallest"]

    @model_validator(mode="after")
    def _some(self) -> Self:
        for name in ("train", "val"):
            value = getattr(self, name)
            if value != SMALLEST and value < 1:
                raise ValueError(f"{name} is a number from 1, or {SMALLEST}")
        return self


class Selection(_Part):
    """Forged images of one dataset, and which real ones go with them.

    Attributes:
        role: The dataset, by the role a manifest is bound to.
        name: What a set of everything is called; None: ``all``. Not with ``each``.
        each: One set for each value of this column; None: one set of all.
        only: The values of ``each`` that there are sets of, in this order. One that the manifest
            lacks is a stated gap. Empty: all values the manifest has.
        where: Only forged images with one of these values, by column.
        all_but: Each set holds every other value instead of its own (training only).
        siblings: Values of ``each`` that are one: patterns, in which ``*`` stands for anything and
            case does not count. They train, and are left out, together (training only).
        reals: Policies in order of preference; the first that finds real images is used, and the
            tables say which.
            ``same-source``: real images of the forgeries' own sources; in tests, forged images
            whose source has no real ones are left out. It alone counts in summaries.
            ``training-source``: of the sources of the training set's real images (tests only).
            ``stated``: of ``real_sources``.
            ``pooled``: all real images of the dataset's split.
        also: Policies whose AUC is computed beside that (tests only), as is that of every policy in
            ``reals``; they are never shown in its place.
        reals_role: The dataset of the real images, if they have one of their own.
        real_sources: Sources of the real images under the policy ``stated``.
        caps: Most forged images of a generator (training only).
        balanced: As many real as forged images: the larger class is drawn from.
    """

    role: str
    name: str | None = None
    each: Each | None = None
    only: tuple[str, ...] = ()
    where: Mapping[Each, tuple[str, ...]] = Field(default_factory=dict)
    all_but: bool = False
    siblings: tuple[tuple[str, ...], ...] = ()
    reals: tuple[Reals, ...] = Field(min_length=1)
    also: tuple[Reals, ...] = ()
    reals_role: str | None = None
    real_sources: tuple[str, ...] = ()
    caps: Mapping[str, Cap] = Field(default_factory=dict)
    balanced: bool = False

    @property
    def roles(self) -> tuple[str, ...]:
        """The datasets it takes images from."""
        return (self.role, self.real_role) if self.real_role != self.role else (self.role,)

    @property
    def real_role(self) -> str:
        """The dataset of its real images."""
        return self.reals_role or self.role

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.each is None:
            for key in ("only", "all_but", "siblings"):
                if getattr(self, key):
                    raise ValueError(f"{key} goes with each: which value of which column?")
        elif self.name is not None:
            raise ValueError("name is for a set of everything; with each, values are the names")
        policies = (*self.reals, *self.also)
        if ("stated" in policies) != bool(self.real_sources):
            raise ValueError("the policy stated and real_sources go together")
        if len(set(policies)) < len(policies):
            raise ValueError("a policy stands twice in reals and also")
        return self
