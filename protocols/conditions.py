"""Conditions: the clean image, or one perturbation at one severity, with its published levels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from protocols.errors import ProtocolError, UnknownNameError
from protocols.reading import parse

Stage = Literal["video", "frame", "crop", "model"]
Parameters = Mapping[str, float]


class Perturbation(BaseModel):
    """One perturbation's levels, as a file in ``protocols/levels`` states them.

    Attributes:
        version: Raised whenever the pixels it gives may change.
        title: Its name in figures.
        parameter: What the levels are values of, and its unit.
        levels: Severity 1, 2, ...: the value of the parameter.
        note: What is odd in the published definition, if anything is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    version: int = Field(ge=1)
    title: str
    parameter: str
    levels: tuple[float, ...] = Field(min_length=1)
    note: str = ""


class Suite(BaseModel):
    """A family of perturbations that were published together."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    suite: str
    citation: str
    perturbations: dict[str, Perturbation]


@dataclass(frozen=True, order=True)
class Condition:
    """What was done to an image before it was scored.

    Attributes:
        name: ``clean``, or suite/perturbation.
        severity: 0 for clean, else from 1.
        version: The perturbation's version.
        stage: Where in the chain from video to model it acts.
        parameter: What ``value`` is.
        value: The level.
    """

    name: str = "clean"
    severity: int = 0
    version: int = 1
    stage: Stage = "crop"
    parameter: str = field(default="", compare=False)
    value: float = field(default=0.0, compare=False)

    @property
    def key(self) -> str:
        """Name it in scores and files; equal keys mean equal pixels."""
        if self.name == "clean":
            return "clean"
        return f"{self.name}.v{self.version}@{self.severity}[{self.stage}]"

    @property
    def label(self) -> str:
        """Name it for a reader."""
        return "clean" if self.name == "clean" else f"{self.name} {self.severity}"


CLEAN = Condition()


@cache
def perturbations() -> dict[str, Perturbation]:
    """Read every perturbation with levels, by ``suite/name``."""
    found = {}
    folder = files("protocols") / "levels"
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if path.name.endswith(".yaml"):
            suite = parse(Suite, yaml.safe_load(path.read_text(encoding="utf-8")), path.name)
            for name, perturbation in suite.perturbations.items():
                found[f"{suite.suite}/{name}"] = perturbation
    return found


def condition(name: str, severity: int, stage: Stage, where: str) -> Condition:
    """Look a condition up in the published levels.

    Raises:
        UnknownNameError: No perturbation has that name.
        ProtocolError: It has no such severity.
    """
    table = perturbations()
    if name not in table:
        raise UnknownNameError("perturbation", name, table)
    entry = table[name]
    if not 1 <= severity <= len(entry.levels):
        raise ProtocolError(
            f"{where}: {name} has the severities 1 to {len(entry.levels)}, not {severity}"
        )
    value = entry.levels[severity - 1]
    return Condition(name, severity, entry.version, stage, entry.parameter, value)
