"""An entry of the board: one model under one protocol version, whole in one JSON file."""

import base64
import binascii
from typing import Annotated, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from leaderboard.errors import LeaderboardError
from protocols import ELSEWHERE
from results.metrics.checking import Floats
from results.rounding import PROCESSORS_APART
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
    if high - low < PROCESSORS_APART:  # what differs by rounding alone does not vary
        high = low
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

    def of_seeds(self, metric: str) -> tuple[float, ...]:
        """Give a metric by training seed; here there is one."""
        return (self.metrics[metric].value,)

    def seed_variance(self, metric: str) -> float:
        """Give what training seeds add to the variance of a metric, as far as that is known."""
        assert metric in self.metrics
        return 0.0


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


class RerunFacts(_Strict):
    """What scoring a random sample again from the weights found.

    Attributes:
        day: When, as ISO 8601 has it.
        models: How many models; ``images`` how many images of each, at least; ``scores`` how many
            scores in all, conditions included.
        tolerance: By how much a logit may differ: by a share of itself, and by as much near 0.
        share: Of the scores that differ by no more.
        largest_logit: Largest difference of logits, ``mean_logit`` the mean; ``largest_p`` and
            ``mean_p`` of P(fake).
        auc_published: AUC on the undamaged sample by the published scores, mean over models;
            ``auc_again`` by the new ones; None where a class is missing.
        agrees: Whether enough of the scores do.
        record: sha256 of the record, which has every score.
    """

    day: Annotated[str, Field(max_length=10)]
    models: int = Field(ge=1)
    images: int = Field(ge=0)
    scores: int = Field(ge=1)
    tolerance: float
    share: float
    largest_logit: float
    mean_logit: float
    largest_p: float
    mean_p: float
    auc_published: float | None
    auc_again: float | None
    agrees: bool
    record: _Hash


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
        rerun: What scoring it again found; no file has the key where that was not done.
        signed: Fingerprint of the key that signed the submission, as OpenSSH writes it.
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
    rerun: RerunFacts | None = Field(default=None, exclude_if=lambda told: told is None)
    signed: str = Field(default="", max_length=128, exclude_if=lambda told: not told)
    cells: tuple[EntryCell, ...] = Field(max_length=20_000)

    @model_validator(mode="after")
    def _is_run_again(self) -> "BoardEntry":
        """Hold that nothing is called ``re-run`` without a rerun that agrees."""
        if self.state == "re-run" and not (self.rerun and self.rerun.agrees):
            raise ValueError("state re-run needs a rerun that agrees: forgerybench board rerun")
        return self

    @property
    def identity(self) -> tuple[str, int, str]:
        """What its versions share: protocol, the protocol's version, name."""
        return (self.protocol, self.protocol_version, self.entry)

    @property
    def each_seed(self) -> tuple["BoardEntry", ...]:
        """The entries that it stands for, by training seed: itself."""
        return (self,)

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
