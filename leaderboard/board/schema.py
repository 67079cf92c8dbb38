"""An entry of the board: one model under one protocol version, whole in one JSON file.

Entries are only ever added: a correction is a new version of the entry, with a reason. A file is
``<protocol>-v<protocol version>/<entry>-<version>.json`` in the folder of entries.
"""

import base64
import binascii
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from leaderboard.errors import LeaderboardError
from protocols import ELSEWHERE
from results.errors import ResultError
from results.files import atomic_write, json_text, own_file, read_json
from results.metrics.checking import Floats
from results.schema import CardFacts

ENTRY_SCHEMA: Final = 1
# From the least to the best known: reported by a paper; imported from elsewhere without scores;
# recomputed from scores against the keeper's labels; run again from the weights; scored by those
# who never saw the labels.
State = Literal["reported", "imported", "recomputed", "re-run", "hidden-labels"]
STATES: Final[tuple[State, ...]] = (
    "reported",
    "imported",
    "recomputed",
    "re-run",
    "hidden-labels",
)
MEASURED: Final = frozenset(STATES[2:])
REPLICATES = 200
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,99}$")]
Name = Annotated[str, Field(min_length=1, max_length=200)]
_Text = Annotated[str, Field(max_length=4000)]
_Hash = Annotated[str, Field(max_length=128)]


class _Strict(BaseModel):
    """Unknown keys are errors; NaN and infinities too."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Replicates(_Strict):
    """A metric in each of ``REPLICATES`` resamples, in 256 steps from ``low`` to ``high``."""

    low: float
    high: float
    codes: Annotated[str, Field(max_length=4 * REPLICATES)]

    def values(self) -> Floats:
        """Give the metric in each resample, shape (``REPLICATES``,).

        Raises:
            LeaderboardError: The codes are no base64, or not as many.
        """
        try:
            steps = np.frombuffer(base64.b64decode(self.codes, validate=True), np.uint8)
        except binascii.Error as error:
            raise LeaderboardError(f"resamples are no base64: {error}") from error
        if len(steps) != REPLICATES:
            raise LeaderboardError(f"{len(steps)} resamples are given, not {REPLICATES}")
        found: Floats = self.low + (self.high - self.low) * steps / 255
        return found


def replicates_of(values: Floats) -> Replicates:
    """Keep the first ``REPLICATES`` of a metric's resamples, shape (draws,)."""
    kept = np.asarray(values[:REPLICATES], dtype=np.float64)
    low, high = float(kept.min()), float(kept.max())
    steps = np.zeros(len(kept)) if high == low else (kept - low) / (high - low) * 255
    codes = base64.b64encode(np.rint(steps).astype(np.uint8).tobytes()).decode()
    return Replicates(low=low, high=high, codes=codes)


class Number(_Strict):
    """A metric with its 95 % interval, where it has one."""

    value: float
    low: float | None = None
    high: float | None = None


class EntryCell(_Strict):
    """One cell of an entry.

    Attributes:
        condition: Key of the condition; ``condition_name`` and ``severity`` for readers.
        seen: Whether the forgeries were seen in training; None where that was elsewhere.
        headline: Whether the cell may stand in a mean.
        n_real: Real images (videos); None where a source does not say.
        metrics: By name; a metric without a value is absent.
        replicates: Of the protocol's headline metric.
    """

    training: Name
    test: Name
    role: Name
    condition: Name
    condition_name: Name
    severity: int
    level: Literal["image", "video"]
    seen: bool | None
    headline: bool
    n_real: int | None
    n_fake: int | None
    metrics: dict[str, Number]
    replicates: Replicates | None = None

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """What tells it from the protocol's other cells."""
        return (self.training, self.role, self.test, self.condition, self.level)


class BoardDataset(_Strict):
    """The images that a role was bound to.

    Attributes:
        fingerprint: As ``results.schema.Dataset`` has it; empty where a source does not say.
        n_missing: Images that could not be read.
        synthetic: Whether a program drew them.
    """

    name: Name
    fingerprint: _Hash
    n_samples: int
    n_missing: int
    synthetic: bool


class EntryCost(_Strict):
    """What the entry's detector costs on one device, as ``results.costs.ModelCost`` has it."""

    device: Name
    input_size: int = Field(ge=1)
    flops: int = Field(ge=0)
    batch: int = Field(ge=1)
    images_per_second: float = Field(gt=0)
    latency_seconds: float = Field(gt=0)
    peak_bytes: float


class BoardEntry(_Strict):
    """One model under one protocol version.

    Attributes:
        entry: Its name in files and addresses; ``version`` counts its corrections, from 1.
        reason: Why there is a version after the first.
        title: Its name in tables.
        state: How its numbers are known (``STATES``).
        protocol: The protocol's name; its version, hash, title and text with it.
        metrics: The protocol's metrics, the headline first; ``levels`` likewise.
        data: The datasets by role.
        draws: What its resamples are of: entries of equal ``draws`` are compared image by image;
            empty where it has none.
        detector: What the study called it; empty where others ran it.
        source: Where reported or imported numbers are from.
        precision: In which its scores were computed, where that is less than float32.
        costs: What was measured of it, device by device; no file has the key where nothing was.
        models: sha256 of each model's scores, by its training set.
    """

    schema_: Literal[1] = Field(default=ENTRY_SCHEMA, alias="schema")
    entry: Slug
    version: int = Field(ge=1)
    reason: _Text = ""
    title: Name
    state: State
    protocol: Slug
    protocol_version: int
    protocol_hash: _Hash
    protocol_title: Name
    protocol_summary: _Text
    protocol_citation: _Text
    metrics: tuple[Name, ...] = Field(min_length=1)
    levels: tuple[Name, ...] = Field(min_length=1)
    data: dict[str, BoardDataset]
    draws: _Hash = ""
    detector: Annotated[str, Field(max_length=200)] = ""
    seed: int | None = None
    size: Annotated[str, Field(max_length=60)] = ""
    init: Annotated[str, Field(max_length=200)] = ""
    track: Annotated[str, Field(max_length=60)] = ""
    parameters: int | None = None
    pretraining: _Text = ""
    card: CardFacts | None = None
    source: _Text = ""
    precision: str = Field(default="", max_length=60, exclude_if=lambda told: not told)
    costs: tuple[EntryCost, ...] = Field(default=(), exclude_if=lambda told: not told)
    models: dict[str, _Hash] = Field(default_factory=dict)
    cells: tuple[EntryCell, ...] = Field(max_length=20_000)

    @property
    def file(self) -> str:
        """Its place in a folder of entries."""
        return f"{self.protocol}-v{self.protocol_version}/{self.entry}-{self.version}.json"

    @property
    def is_elsewhere(self) -> bool:
        """Whether it was trained elsewhere, so that what it has seen is not known."""
        return bool(self.cells) and all(cell.training == ELSEWHERE for cell in self.cells)

    @property
    def place(self) -> str:
        """The table that it stands in: of its protocol version, of what was trained alike."""
        trained = "-elsewhere" if self.is_elsewhere else ""
        return f"{self.protocol}-v{self.protocol_version}{trained}"

    @property
    def place_title(self) -> str:
        """The heading of that table."""
        return f"{self.protocol_title}, {ELSEWHERE}" if self.is_elsewhere else self.protocol_title

    @property
    def is_measured(self) -> bool:
        """Whether its numbers were computed from scores here."""
        return self.state in MEASURED


def entry_text(entry: BoardEntry) -> str:
    """Give the one text of an entry's file."""
    return json_text(entry.model_dump(mode="json", by_alias=True), entry.file)


def read_entry(path: Path) -> BoardEntry:
    """Read an entry.

    Raises:
        LeaderboardError: It is not JSON, breaks the form, or does not lie where its name says.
    """
    try:
        raw: Any = read_json(path)
    except ResultError as error:
        raise LeaderboardError(str(error)) from error
    try:
        entry = BoardEntry.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "it"
        raise LeaderboardError(f"{path}: '{key}' is wrong: {first['msg'].lower()}") from error
    keys = [cell.key for cell in entry.cells]
    if len(set(keys)) < len(keys):
        again = next(key for key in keys if keys.count(key) > 1)
        raise LeaderboardError(f"{path}: two cells are of {', '.join(again)}")
    return entry


def read_entries(folder: Path) -> list[BoardEntry]:
    """Read every entry of a folder, all versions, in the order of their files.

    Raises:
        LeaderboardError: There is none; a file is wrong; or versions of an entry are missing.
    """
    paths = sorted(folder.glob("*/*.json"))
    if not paths:
        raise LeaderboardError(f"{folder}: there are no entries (<protocol>/<entry>-<n>.json)")
    found = []
    for path in paths:
        entry = read_entry(path)
        if path.relative_to(folder).as_posix() != entry.file:
            raise LeaderboardError(f"{path}: by what it says it belongs at {folder / entry.file}")
        found.append(entry)
    check_versions(found)
    return found


def check_versions(entries: Sequence[BoardEntry]) -> None:
    """Hold that each entry has its versions from 1 on, each once, corrections with a reason.

    Raises:
        LeaderboardError: It is not so.
    """
    versions: dict[tuple[str, int, str], list[int]] = {}
    for entry in entries:
        key = (entry.protocol, entry.protocol_version, entry.entry)
        versions.setdefault(key, []).append(entry.version)
        if entry.version > 1 and not entry.reason.strip():
            raise LeaderboardError(f"{entry.file}: a correction says its reason")
    for (protocol, number, name), there in versions.items():
        if sorted(there) != list(range(1, len(there) + 1)):
            told = ", ".join(map(str, sorted(there)))
            raise LeaderboardError(
                f"{protocol}-v{number}/{name}: versions are counted from 1, each once; there are "
                f"{told}"
            )


def newest(entries: Sequence[BoardEntry]) -> list[BoardEntry]:
    """Keep the last version of each entry, in order."""
    last: dict[tuple[str, int, str], BoardEntry] = {}
    for entry in entries:
        key = (entry.protocol, entry.protocol_version, entry.entry)
        if key not in last or last[key].version < entry.version:
            last[key] = entry
    return list(last.values())


def titled_by_seed(entries: Sequence[BoardEntry]) -> list[BoardEntry]:
    """Name the seed of each entry whose title stands for several seeds under one protocol."""
    seeds: dict[tuple[str, int, str], set[int]] = {}
    for entry in entries:
        if entry.seed is None:
            continue
        place = (entry.protocol, entry.protocol_version, entry.title)
        seeds.setdefault(place, set()).add(entry.seed)
    several = {title for (_, _, title), found in seeds.items() if len(found) > 1}
    return [
        entry.model_copy(update={"title": f"{entry.title}, seed {entry.seed}"})
        if entry.title in several and entry.seed is not None
        else entry
        for entry in entries
    ]


def add_entry(folder: Path, entry: BoardEntry) -> Path:
    """Write an entry into a folder of entries; what is there stays as it is.

    Raises:
        LeaderboardError: Its file is there; or it is not the next version of its entry.
    """
    path = own_file(own_file(folder, Path(entry.file).parent.name, ""), Path(entry.file).name, "")
    if path.exists():
        raise LeaderboardError(
            f"{path}: is there already; entries are never changed: add version {entry.version + 1} "
            "with a reason"
        )
    there = read_entries(folder) if any(folder.glob("*/*.json")) else []
    check_versions([*there, entry])
    atomic_write(path, entry_text(entry))
    return path


def append_entries(
    folder: Path, entries: Iterable[BoardEntry], *, reason: str = ""
) -> tuple[list[Path], list[BoardEntry]]:
    """Add entries to a folder; with a reason, those that are there as their next version.

    Args:
        folder: Of entries; made with the first.
        entries: Each at version 1.
        reason: Why entries that are there are corrected; those that say just the same are not.

    Returns:
        The files written, and the entries that are there already and say just the same.

    Raises:
        LeaderboardError: An entry says something else than the one there, and no reason is given.
            Nothing is written then.
    """
    there = newest(read_entries(folder)) if any(folder.glob("*/*.json")) else []
    known = {(each.protocol, each.protocol_version, each.entry): each for each in there}
    added, same = [], []
    for entry in entries:
        last = known.get((entry.protocol, entry.protocol_version, entry.entry))
        if last is None:
            added.append(entry)
            continue
        stands = {"version": last.version, "reason": last.reason}
        if entry.model_copy(update=stands) == last:
            same.append(last)
        elif reason:
            stands = {"version": last.version + 1, "reason": reason}
            added.append(entry.model_copy(update=stands))
        else:
            raise LeaderboardError(
                f"{folder / last.file}: is there already and says something else; entries are "
                "never changed: --reason adds the next version"
            )
    return [add_entry(folder, entry) for entry in added], same
