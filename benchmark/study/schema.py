"""Studies: protocols, detectors with options and recipes, seeds; from YAML or arguments."""

from collections import Counter
from collections.abc import Collection, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict, Unpack, get_args

from pydantic import BaseModel, ConfigDict, Field

from benchmark.errors import BenchmarkError
from benchmark.study.selection import spelt_out
from detectors.catalog import called, check_stated, modules_of
from protocols.errors import UnknownNameError
from protocols.reading import is_file_name, load_named, names_in, read_text, read_yaml
from protocols.schema import load_protocol, protocol_names
from protocols.text import printable
from results.metrics.registry import check_metrics

_FOLDER = files("benchmark") / "studies"
_MOST_SEEDS, _LONGEST_NAME = 1000, 100

Track = Literal["common", "own"]
"""Whose recipe trains a detector: one for all, or the one of its paper."""


class StudyProtocol(BaseModel):
    """A protocol of a study.

    Attributes:
        protocol: Its name, or the path of a ``.yaml`` file.
        train_on: Only these of its training sets; None: all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    protocol: str
    train_on: tuple[str, ...] | None = None


class StudyDetector(BaseModel):
    """A detector of a study.

    Attributes:
        detector: Name in the catalog, an entry point, or ``package.module:Class``: in a file, of a
            module that the user allows. Or a trained one, which is evaluated as it is: a folder or
            Hub repository of a saved detector, or ``DETECTOR=PATH``.
        label: What tables call it; None: its name, of a path the last part. Two entries of one
            study need two labels.
        options: Options of its constructor.
        recipe: Name or path of a recipe; None: the one of the track.
        track: In place of the study's, for this entry.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    detector: str
    label: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    recipe: str | None = None
    track: Track | None = None

    @property
    def name(self) -> str:
        """What tables call it."""
        return self.label or called(self.detector)


class Study(BaseModel):
    """What is to be run, without the data.

    Attributes:
        name: Its name, equal to the file's.
        title: Its name in the report.
        protocols: In the order of the report.
        detectors: In the order of the tables.
        size: Size of all detectors.
        seeds: Training seeds; every detector is trained with each.
        reference: Name of the detector that the report compares the others with, seed by seed: the
            study is an ablation. None: it is none.
        track: Which recipe trains a detector that names none: ``common``, one augmentation, side
            and step budget for all; ``own``, that of its paper.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    title: str
    protocols: tuple[StudyProtocol, ...] = Field(min_length=1)
    detectors: tuple[StudyDetector, ...] = Field(min_length=1)
    size: Literal["tiny", "base"]
    seeds: tuple[Annotated[int, Field(strict=True, ge=0)], ...] = Field(min_length=1)
    reference: str | None = None
    track: Track = "common"


class Changes(TypedDict, total=False):
    """What a caller wants different in a study, or adds to a protocol.

    Attributes:
        detectors: Names; needed for a protocol, and in place of a study's own. A name that the
            study gives one of its own stands for that, options and recipe included. ``all`` stands
            for what ``benchmark.study.selection.spelt_out`` gives.
        size: In place of a study's own; a protocol needs it.
        recipe: For every detector, whatever the track.
        track: ``common`` or ``own``, in place of a study's own; a protocol has ``common``.
        seeds: In place of a study's own; a protocol has the seed 0.
        train_on: Only these training sets of a protocol.
        allow_code: Modules of one's own that a study's file may name, beside those in
            ``detectors``.
    """

    detectors: Sequence[str] | str | None
    size: Literal["tiny", "base"] | None
    recipe: str | None
    track: str | None
    seeds: Sequence[int] | None
    train_on: Sequence[str] | None
    allow_code: Collection[str]


def study_names() -> list[str]:
    """List the studies that come with the package."""
    return names_in(_FOLDER)


def load_study(name: str, *, allow_code: Collection[str] = ()) -> Study:
    """Read a study by its name or the path of one's own ``.yaml`` file.

    Args:
        name: Its name, or the path of a file.
        allow_code: Modules of one's own that the file may name.

    Raises:
        UnknownNameError: There is no such study.
        BenchmarkError: An entry stands in it twice.
        CodeError: It names a module that is not allowed.
        ProtocolError: The file is not there or breaks the schema.
    """
    return _allowed(_read_study(name), name, allow_code)


def _read_study(name: str) -> Study:
    """Read a study whose detectors may be of any module."""
    return checked_study(load_named(Study, "study", name, _FOLDER))


def _allowed(study: Study, where: str, modules: Collection[str]) -> Study:
    """Give back a study that was read, if all its detectors may be loaded."""
    for entry in study.detectors:
        check_stated(entry.detector, where, modules)
    return study


def study_of(target: str, **changes: Unpack[Changes]) -> Study:
    """Make a study of a protocol or study and what the caller wants different in it.

    Args:
        target: Name of a protocol or study, or the path of a file of either.
        **changes: As ``Changes`` says.

    Raises:
        BenchmarkError: Something is missing or contradictory, or there is no such track.
        ProtocolError: A file breaks its schema, or lists a metric that does not exist.
        UnknownNameError: Neither a protocol nor a study has that name.
    """
    names, size = changes.get("detectors"), changes.get("size")
    names = [names] if isinstance(names, str) else names
    recipe, track, train_on = changes.get("recipe"), changes.get("track"), changes.get("train_on")
    study = _stated(target, names, size, train_on)
    new: dict[str, Any] = {}
    if track is not None:
        if track not in get_args(Track):
            raise UnknownNameError("track", track, get_args(Track))
        new["track"] = track
    if names:
        chosen_track = None if recipe else track or study.track
        names = spelt_out(names, size or study.size, chosen_track)
        stated = {detector.name: detector for detector in study.detectors}
        new["detectors"] = tuple(stated.get(n, StudyDetector(detector=n)) for n in names)
        new["reference"] = study.reference if study.reference in names else None
    if recipe is not None:
        chosen = new.get("detectors", study.detectors)
        new["detectors"] = tuple(d.model_copy(update={"recipe": recipe}) for d in chosen)
    if size is not None:
        new["size"] = size
    if seeds := changes.get("seeds"):
        new["seeds"] = tuple(seeds)
    if train_on is not None:
        new["protocols"] = tuple(
            p.model_copy(update={"train_on": tuple(train_on)}) for p in study.protocols
        )
    found = checked_study(study.model_copy(update=new))
    return _allowed(found, target, {*changes.get("allow_code", ()), *modules_of(names or ())})


def _stated(
    target: str,
    detectors: Sequence[str] | None,
    size: Literal["tiny", "base"] | None,
    train_on: Sequence[str] | None,
) -> Study:
    """Read a study, or make one of a protocol, which lacks detectors, size and seeds."""
    if target in study_names() or _holds_study(target):
        if train_on is not None:
            raise BenchmarkError(f"'{target}' is a study: it states train_on for each protocol")
        return _read_study(target)
    if target not in protocol_names() and not is_file_name(target):
        raise UnknownNameError("protocol or study", target, [*study_names(), *protocol_names()])
    if not detectors or size is None:
        lacking = "no detectors: add --detectors" if not detectors else "no size: add --size"
        raise BenchmarkError(f"'{target}' is a protocol and names {lacking}")
    protocol = load_protocol(target)
    check_metrics(protocol)
    return Study(
        name=Path(target).stem,
        title=protocol.title,
        protocols=(StudyProtocol(protocol=target),),
        detectors=tuple(StudyDetector(detector=name) for name in detectors),
        size=size,
        seeds=(0,),
    )


def checked_study(study: Study) -> Study:
    """Give the study back if nothing stands in it twice and its reference is one of it."""
    for kind, names in (
        ("detector", [detector.name for detector in study.detectors]),
        ("protocol", [protocol.protocol for protocol in study.protocols]),
        ("seed", [str(seed) for seed in study.seeds]),
    ):
        repeated = sorted(name for name, count in Counter(names).items() if count > 1)
        if repeated:
            raise BenchmarkError(f"study '{study.name}': {kind} '{repeated[0]}' stands there twice")
    if len(study.seeds) > _MOST_SEEDS:
        raise BenchmarkError(
            f"study '{study.name}': {len(study.seeds)} seeds; at most {_MOST_SEEDS} are trained"
        )
    names = [detector.name for detector in study.detectors]
    for name in names:
        if not name.strip() or printable(name) != name or len(name) > _LONGEST_NAME:
            raise BenchmarkError(
                f"study '{study.name}': '{printable(name)[:40]}' names no detector: choose a label "
                f"of 1 to {_LONGEST_NAME} signs that can be seen"
            )
    if study.reference is not None and study.reference not in names:
        raise BenchmarkError(
            f"study '{study.name}': its reference '{study.reference}' is none of its detectors "
            f"{', '.join(names)}"
        )
    return study


def _holds_study(target: str) -> bool:
    """Tell a study's file from a protocol's: only a study lists detectors."""
    path = Path(target)
    if not is_file_name(target):
        return False
    if not path.exists():
        raise BenchmarkError(f"{target}: there is no such protocol file, nor one of a study")
    raw = read_yaml(read_text(path), path.name)
    return isinstance(raw, dict) and "detectors" in raw
