"""A protocol: which images train, which test, under which conditions; it knows no detector."""

import hashlib
import json
import re
from collections.abc import Mapping
from functools import cached_property
from importlib.resources import files
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    field_validator,
    model_serializer,
    model_validator,
)

from protocols.conditions import ATTACKS, CLEAN, OWN, Condition, Stage, condition
from protocols.errors import ProtocolError
from protocols.reading import load_named, names_in
from protocols.selection import SMALLEST, Budget, Cap, Each, Reals, Selection

__all__ = [
    "Aligned",
    "Budget",
    "Cap",
    "Each",
    "Level",
    "Perturbed",
    "Protocol",
    "Reals",
    "Selection",
    "Summary",
    "changed_from_shipped",
    "load_protocol",
    "protocol_names",
]

Level = Literal["image", "video", "video-max"]
Summary = Literal[
    "mean-seen",
    "mean-unseen",
    "worst-unseen",
    "seen-unseen-drop",
    "severity-area",
    "relative-robustness",
    "corruption-drop",
]


class Perturbed(BaseModel):
    """One perturbation at some severities.

    Attributes:
        surrogate: Of an attack: the detector whose gradient is followed, trained on the same images
            with the same seed as the one that is scored. None: the one that is scored.
        code: Of one's own (``own/name``): the digits of the code that it was run with. A run
            states them; a file that does is run with that code or not at all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    perturbation: str
    severities: tuple[int, ...] = Field(min_length=1)
    stage: Stage
    surrogate: str | None = None
    code: str | None = Field(default=None, pattern=r"^[0-9a-f]{12}$")

    @model_validator(mode="after")
    def _code_is_of_ones_own(self) -> Self:
        own = self.perturbation.startswith(OWN)
        if own and not re.fullmatch(OWN + r"[a-z0-9][a-z0-9-]{0,60}", self.perturbation):
            raise ValueError(
                f"one's own is called {OWN}name, of small letters, digits and hyphens; which code "
                "that is, the command line says"
            )
        if self.code and not own:
            raise ValueError(f"code is for perturbations of one's own ({OWN}...)")
        return self

    @model_validator(mode="after")
    def _attacks_alone_have_surrogates(self) -> Self:
        if self.surrogate and not self.perturbation.startswith(ATTACKS):
            raise ValueError(f"surrogate is for attacks ({ATTACKS}...), not {self.perturbation}")
        return self

    @model_serializer(mode="wrap")
    def _without_default(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Runs keep their protocols as they were written: a new key must not make them others.
        found: dict[str, Any] = write(self)
        return {key: v for key, v in found.items() if key not in ("surrogate", "code") or v}


class Aligned(BaseModel):
    """One encoding for all images, real and forged, in training and testing.

    Every image is reduced by area averaging until its shorter side is ``side``, and encoded as
    JPEG at a quality drawn evenly from ``quality``, by the sample's id alone. What is left of a
    difference in size or compression between the classes is not for a detector to find.

    Attributes:
        side: Pixels; ``smallest``: the shortest side of any image, by the manifests' columns
            ``width`` and ``height``.
        quality: Lowest and highest JPEG quality, 4:2:0.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    side: int | Literal["smallest"]
    quality: tuple[int, int]

    @field_validator("side")
    @classmethod
    def _some_side(cls, side: int | str) -> int | str:
        if side != SMALLEST and int(side) < 1:
            raise ValueError(f"side is a number of pixels from 1, or {SMALLEST}")
        return side

    @field_validator("quality")
    @classmethod
    def _ordered(cls, quality: tuple[int, int]) -> tuple[int, int]:
        if not 1 <= quality[0] <= quality[1] <= 100:
            raise ValueError("quality is the lowest and the highest, from 1 to 100")
        return quality


def _track(encoding: object) -> str:
    """Tell which of the two tracks a value means, so that an error is about that one."""
    return "as-is" if isinstance(encoding, str) else "aligned"


def _kind(condition: object) -> str:
    """Tell which of the two a condition means, likewise."""
    return "clean" if isinstance(condition, str) else "perturbed"


_Stated = Annotated[
    Annotated[Literal["clean"], Tag("clean")] | Annotated[Perturbed, Tag("perturbed")],
    Discriminator(_kind),
]
Encoding = Annotated[
    Annotated[Literal["as-is"], Tag("as-is")] | Annotated[Aligned, Tag("aligned")],
    Discriminator(_track),
]


class Protocol(BaseModel):
    """A protocol file.

    Attributes:
        name: Its name, equal to the file's.
        version: Raised by every change that can move a number.
        title: Its name in tables.
        summary: One paragraph: what it shows, and what it does not.
        citation: Where it is defined.
        roles: The datasets it needs.
        expected: What each role's manifest holds, and how many images where that is known.
        noise_seed: Seed of the perturbed pixels, equal for all models and training seeds.
        train: Training sets, from the splits ``train`` and, for model selection, ``val``.
        test: Test sets, from the split ``test``.
        conditions: ``clean`` and perturbations, in the order of tables.
        metrics: What the tables show, the headline first. Their names are checked by those who
            compute them.
        levels: Single images; or videos as the mean P(fake) of their faces (``video``), or as the
            mean over frames of the greatest of a frame's faces (``video-max``).
        summaries: What sums the protocol up, over its headline cells.
        budget: Makes training sets equal; None: they are as large as the manifest makes them.
        draw_seed: Of every subset: the samples with the smallest sha256 of (seed, sample id).
        frames_per_video: Evenly spaced frames of each group; None: all that the manifest has.
        encoding: ``as-is``, or how both classes are brought to one encoding.
        strict: Refuse data of which a person, video, pair or file stands on two sides; otherwise
            ``plan`` tells.
        crop: How faces are cut out, a fact of the data that the file states.
        missing_face: What becomes of a frame without a face, likewise.
        aggregation: How frames make a video: the mean of P(fake).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    version: int = Field(ge=1, strict=True)
    title: str
    summary: str
    citation: str
    roles: tuple[str, ...] = Field(min_length=1)
    expected: Mapping[str, str] = Field(default_factory=dict)
    noise_seed: int = Field(ge=0)
    train: tuple[Selection, ...] = Field(min_length=1)
    test: tuple[Selection, ...] = Field(min_length=1)
    conditions: tuple[_Stated, ...] = Field(min_length=1)
    metrics: tuple[str, ...] = Field(min_length=1)
    levels: tuple[Level, ...] = Field(min_length=1)
    summaries: tuple[Summary, ...] = ("mean-seen", "mean-unseen", "worst-unseen")
    budget: Budget | None = None
    draw_seed: int = Field(default=0, ge=0)
    frames_per_video: int | None = Field(default=None, ge=1)
    encoding: Encoding = "as-is"
    strict: bool = False
    crop: str = "as in the manifest"
    missing_face: str = "not in the manifest, so in no number"
    aggregation: Literal["mean-probability"] = "mean-probability"

    @field_validator("train")
    @classmethod
    def _fit_for_training(cls, train: tuple[Selection, ...]) -> tuple[Selection, ...]:
        if any("training-source" in selection.reals for selection in train):
            raise ValueError("training-source describes the reals of a test, not of a training set")
        if any(selection.also for selection in train):
            raise ValueError("also describes a test, not a training set")
        return train

    @field_validator("test")
    @classmethod
    def _fit_for_tests(cls, test: tuple[Selection, ...]) -> tuple[Selection, ...]:
        for key in ("all_but", "siblings", "caps"):
            if any(getattr(selection, key) for selection in test):
                raise ValueError(f"{key} describes a training set, not a test")
        return test

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits over everything the protocol states.

        What it leaves at its default is no part of it, so a new key changes no protocol.
        """
        stated = self.model_dump(mode="json", exclude_defaults=True)
        text = json.dumps(stated, sort_keys=True)
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
                condition(
                    entry.perturbation,
                    severity,
                    entry.stage,
                    self.name,
                    entry.surrogate,
                    code=entry.code,
                )
                for severity in entry.severities
            )
        return tuple(found)


def changed_from_shipped(protocol: Protocol) -> Protocol | None:
    """Give the protocol that ships under the same name and version, where it is another one."""
    if protocol.name not in protocol_names():
        return None
    shipped = load_protocol(protocol.name)
    same_version = shipped.version == protocol.version
    return shipped if same_version and shipped.hash != protocol.hash else None


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
        for role in selection.roles:
            _check_role(protocol, role)
    for role in protocol.expected:
        _check_role(protocol, role)
    stated = {
        "condition": [condition.key for condition in protocol.expanded_conditions],
        "metric": protocol.metrics,
        "level": protocol.levels,
        "summary": protocol.summaries,
        "role": protocol.roles,
    }
    for what, names in stated.items():
        if len(set(names)) < len(names):
            raise ProtocolError(f"{protocol.name}: a {what} stands there twice")
    if CLEAN not in protocol.expanded_conditions:
        raise ProtocolError(
            f"{protocol.name}: its conditions lack clean, which the others are compared with"
        )


def _check_role(protocol: Protocol, role: str) -> None:
    """Raise ProtocolError unless the role is one of the protocol's."""
    if role not in protocol.roles:
        raise ProtocolError(
            f"{protocol.name}: role '{role}' is not among its roles {', '.join(protocol.roles)}"
        )
