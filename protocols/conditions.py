"""Conditions: the clean image, or one perturbation at one severity, with its published levels."""

from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from protocols.errors import ProtocolError, UnknownNameError
from protocols.reading import parse, read_yaml

Stage = Literal["video", "frame", "crop", "model"]
Value = float | tuple[float, ...]
"""What a level states: one number, or several in the order of the parameter's names."""


class Perturbation(BaseModel):
    """One perturbation's levels, as a file in ``protocols/levels`` states them.

    Attributes:
        version: Raised whenever the pixels it gives may change.
        title: Its name in figures.
        parameter: What the levels are values of, and its unit; several are divided by commas.
        levels: Severity 1, 2, ...: the value of the parameter, or a list of them.
        stages: Where it can act: ``video`` on whole videos, ``frame`` before a face is cut out,
            ``crop`` on the image of the face, ``model`` by a detector's gradient.
        note: What is odd in the published definition, if anything is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    version: int = Field(ge=1)
    title: str
    parameter: str
    levels: tuple[Value, ...] = Field(min_length=1)
    stages: tuple[Stage, ...] = ("frame", "crop")
    note: str = ""

    @model_validator(mode="after")
    def _a_value_for_each_name(self) -> Self:
        names = self.parameter.split(", ")
        if any(len(values_of(level)) != len(names) for level in self.levels):
            raise ValueError(f"every level has {len(names)} values: {self.parameter}")
        return self


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
        name: ``clean``, or suite/perturbation; ``adversarial/...:detector`` where an attack is made
            on that surrogate and not on the detector that is scored.
        severity: 0 for clean, else from 1.
        version: The perturbation's version.
        stage: Where in the chain from video to model it acts.
        parameter: What ``value`` is.
        value: The level: a number, or one for each name in ``parameter``.
        code: Of a perturbation of one's own: 12 hexadecimal digits of its code, which is part of
            what was done as a version is. "" of those that ship.
    """

    name: str = "clean"
    severity: int = 0
    version: int = 1
    stage: Stage = "crop"
    parameter: str = field(default="", compare=False)
    value: Value = field(default=0.0, compare=False)
    code: str = ""

    @property
    def key(self) -> str:
        """Name it in scores and files; equal keys mean equal pixels."""
        if self.name == "clean":
            return "clean"
        which = self.code or f"v{self.version}"
        return f"{self.name}.{which}@{self.severity}[{self.stage}]"

    @property
    def perturbation(self) -> str:
        """What is done, as suite/perturbation, on whichever detector."""
        return self.name.partition(":")[0]

    @property
    def surrogate(self) -> str | None:
        """Name the detector that an attack is made on; None: the one that is scored."""
        return self.name.partition(":")[2] or None

    @property
    def is_attack(self) -> bool:
        """Whether it follows a detector's gradient."""
        return self.name.startswith(ATTACKS)

    @property
    def label(self) -> str:
        """Name it for a reader."""
        if self.name == "clean":
            return "clean"
        whole = f" ({self.stage})" if self.stage in ("video", "frame") else ""
        return f"{self.name} {self.severity}{whole}"


CLEAN = Condition()
ATTACKS = "adversarial/"
"""How the names begin of what follows a detector's own gradient: stage ``model``."""
OWN = "own/"
"""How the names begin of what a user's own function does; the command line says which that is."""
MOST_OWN = 10
"""The greatest severity of a perturbation of one's own."""


def values_of(level: Value) -> tuple[float, ...]:
    """Give the values of a level, one or several."""
    return level if isinstance(level, tuple) else (level,)


def shown(level: Value) -> str:
    """Write a level for a reader: ``0.5``, or ``0.5/75`` where it has several values."""
    return "/".join(f"{value:g}" for value in values_of(level))


@cache
def suites() -> dict[str, Suite]:
    """Read every suite, by its name."""
    found = {}
    folder = files("protocols") / "levels"
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if path.name.endswith(".yaml"):
            suite = parse(Suite, read_yaml(path.read_text(encoding="utf-8"), path.name), path.name)
            found[suite.suite] = suite
    return found


@cache
def perturbations() -> dict[str, Perturbation]:
    """List every perturbation with levels, by ``suite/name``."""
    return {
        f"{name}/{key}": perturbation
        for name, suite in suites().items()
        for key, perturbation in suite.perturbations.items()
    }


def perturbation_of(name: str) -> Perturbation:
    """Give the levels of a perturbation by ``suite/name``; one's own has its severities for them.

    Raises:
        UnknownNameError: No perturbation has that name.
    """
    if name.startswith(OWN):
        return Perturbation(
            version=1,
            title=name.removeprefix(OWN).replace("-", " ").capitalize(),
            parameter="severity",
            levels=tuple(float(severity) for severity in range(1, MOST_OWN + 1)),
        )
    table = perturbations()
    if name not in table:
        raise UnknownNameError("perturbation", name, table)
    return table[name]


def condition(
    name: str,
    severity: int,
    stage: Stage,
    where: str,
    surrogate: str | None = None,
    *,
    code: str | None = None,
) -> Condition:
    """Look a condition up in the published levels; ``code`` is of one's own.

    Raises:
        UnknownNameError: No perturbation has that name.
        ProtocolError: It has no such severity, or cannot act at that stage.
    """
    entry = perturbation_of(name)
    if not 1 <= severity <= len(entry.levels):
        raise ProtocolError(
            f"{where}: {name} has the severities 1 to {len(entry.levels)}, not {severity}"
        )
    if stage not in entry.stages:
        raise ProtocolError(
            f"{where}: {name} cannot act at stage {stage}; say stage: {' or '.join(entry.stages)}"
        )
    value = entry.levels[severity - 1]
    full = f"{name}:{surrogate}" if surrogate else name
    return Condition(full, severity, entry.version, stage, entry.parameter, value, code or "")
