"""A protocol: which images train, which test, under which conditions; it knows no detector."""

import hashlib
import json
from functools import cached_property
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from protocols.conditions import CLEAN, Condition, Stage, condition
from protocols.errors import ProtocolError
from protocols.reading import load_named, names_in

Each = Literal["generator", "forgery", "family", "source"]
Reals = Literal["same-source", "training-source", "pooled"]
Level = Literal["image", "video"]
Metric = Literal["AUC", "AP", "EER", "ACC"]


class Selection(BaseModel):
    """Forged images of one dataset, and which real ones go with them.

    Attributes:
        role: The dataset, by the role a manifest is bound to.
        each: One set for each value of this column; None: one set of all.
        all_but: Each set holds every other value instead of its own (training only).
        reals: Policies in order of preference; the first that finds real images is used, and the
            tables say which. ``same-source``: real images of the forgeries' own sources.
            ``training-source``: of the sources of the training set's real images (tests only).
            ``pooled``: all real images of the dataset's split.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    role: str
    each: Each | None = None
    all_but: bool = False
    reals: tuple[Reals, ...] = Field(min_length=1)


class Perturbed(BaseModel):
    """One perturbation at some severities."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    perturbation: str
    severities: tuple[int, ...] = Field(min_length=1)
    stage: Stage


class Protocol(BaseModel):
    """A protocol file.

    Attributes:
        name: Its name, equal to the file's.
        version: Raised by every change that can move a number.
        title: Its name in tables.
        summary: One paragraph: what it shows, and what it does not.
        citation: Where it is defined.
        roles: The datasets it needs.
        noise_seed: Seed of the perturbed pixels, equal for all models and training seeds.
        train: Training sets, from the splits ``train`` and, for model selection, ``val``.
        test: Test sets, from the split ``test``.
        conditions: ``clean`` and perturbations.
        metrics: What the tables show, the headline first.
        levels: Single images, or videos as the mean P(fake) of their frames.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    version: int = Field(ge=1)
    title: str
    summary: str
    citation: str
    roles: tuple[str, ...] = Field(min_length=1)
    noise_seed: int = Field(ge=0)
    train: tuple[Selection, ...] = Field(min_length=1)
    test: tuple[Selection, ...] = Field(min_length=1)
    conditions: tuple[Literal["clean"] | Perturbed, ...] = Field(min_length=1)
    metrics: tuple[Metric, ...] = Field(min_length=1)
    levels: tuple[Level, ...] = Field(min_length=1)

    @field_validator("train")
    @classmethod
    def _no_training_source_in_training(cls, train: tuple[Selection, ...]) -> tuple[Selection, ...]:
        if any("training-source" in selection.reals for selection in train):
            raise ValueError("training-source describes the reals of a test, not of a training set")
        return train

    @field_validator("test")
    @classmethod
    def _no_all_but_in_tests(cls, test: tuple[Selection, ...]) -> tuple[Selection, ...]:
        if any(selection.all_but for selection in test):
            raise ValueError("all_but describes a training set, not a test")
        return test

    @field_validator("train")
    @classmethod
    def _all_but_of_something(cls, train: tuple[Selection, ...]) -> tuple[Selection, ...]:
        if any(selection.all_but and selection.each is None for selection in train):
            raise ValueError("all_but goes with each: all but which value of which column?")
        return train

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits over everything the protocol states."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @cached_property
    def expanded_conditions(self) -> tuple[Condition, ...]:
        """All its conditions with their levels, in the order stated."""
        found: list[Condition] = []
        for entry in self.conditions:
            if entry == "clean":
                found.append(CLEAN)
                continue
            found.extend(
                condition(entry.perturbation, severity, entry.stage, self.name)
                for severity in entry.severities
            )
        return tuple(found)


def protocol_names() -> list[str]:
    """List the protocols that come with the package."""
    return names_in(files("protocols"))


def load_protocol(name: str) -> Protocol:
    """Read a protocol.

    Args:
        name: A name of ``protocol_names()``, or the path of one's own ``.yaml`` file.

    Raises:
        UnknownNameError: There is no such protocol.
        ProtocolError: The file breaks the schema.
    """
    protocol = load_named(Protocol, "protocol", name, files("protocols"))
    _check(protocol)
    return protocol


def _check(protocol: Protocol) -> None:
    """Check what the schema cannot say: roles agree, conditions exist, none stands twice."""
    for selection in (*protocol.train, *protocol.test):
        if selection.role not in protocol.roles:
            raise ProtocolError(
                f"{protocol.name}: role '{selection.role}' is not among its roles "
                f"{', '.join(protocol.roles)}"
            )
    keys = [condition.key for condition in protocol.expanded_conditions]
    if len(set(keys)) < len(keys):
        raise ProtocolError(f"{protocol.name}: a condition stands there twice")
