"""What a run writes about itself, its models and their numbers. One integer schema for all.

Everything here is a function of the data, the protocols and the seeds; what depends on the clock
or the host (wall time, device, versions of the day) stands in ``host.json``, apart.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA: Final = 2
RecipeTrack = Literal["common", "own", "custom", "unknown"]
MODEL_ID: Final = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
ModelId = Annotated[str, Field(pattern=rf"^{MODEL_ID}$")]


class _Strict(BaseModel):
    """Unknown keys are errors; NaN and infinities too."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class CardFacts(_Strict):
    """What a detector's card said when the model was trained, for readers.

    Attributes:
        paper: Where the detector comes from; ``year`` that of the paper.
        kind: Its group in listings.
        code: Address of its authors' code; empty where none is known.
        licence: Of the code and the weights that it is published with.
        fidelity: What is the paper's, and what is not.
    """

    paper: str
    year: int
    kind: str
    code: str
    licence: str
    fidelity: str


class Imported(_Strict):
    """Where scores come from that were not made here.

    Attributes:
        file: Name of the file; ``sha256`` that of its bytes.
        kind: ``logit`` or ``probability``.
        direction: Which class a greater score means, and who says so.
        by: Whether a row was of a ``sample`` or of a ``group`` of them, a video.
        unscored: ``gap`` where a cell that lacks a score has no numbers, ``wrong`` where what has
            none counts as a wrong answer.
        rows: Rows of the file; ``unmatched`` of no sample, ``repeated`` that say again what
            another says.
        statuses: How many rows have no score, by why.
        clipped: Probabilities of exactly 0 or 1.
        needed: Scores that the run's cells need; ``given`` how many of them the file gave.
    """

    file: str
    sha256: str
    kind: Literal["logit", "probability"]
    direction: str
    by: Literal["sample", "group"]
    unscored: Literal["gap", "wrong"]
    rows: int
    unmatched: int
    repeated: int
    statuses: dict[str, int]
    clipped: int
    needed: int
    given: int

    @property
    def coverage(self) -> float:
        """The share of the needed scores that was given."""
        return self.given / self.needed if self.needed else 0.0


class ModelFacts(_Strict):
    """A trained detector, as ``models/<id>.json`` states it.

    Attributes:
        id: Hash of all that could change its scores; it names files.
        detector: Its name in the catalog, or ``package.module:Class``.
        title: Its name in tables.
        fit: ``gradient``, ``estimator`` or ``none``.
        size: ``tiny`` or ``base``.
        init: ``random``, ``imagenet``, ``clip:<hash>``, ``weights:<hash>``; of what was trained
            elsewhere the hash of its tensors.
        options: Options of its constructor that were set.
        parameters: How many numbers it has; ``trainable`` of them are trained.
        track: Whose recipe trained it: ``common``, that of all; ``own``, that of its paper;
            ``custom``, one that was asked for; ``unknown`` where it was not taken down.
        recipe: Name of the recipe; ``recipe_values`` is all it says.
        seed: The training seed.
        training: Name of the training set, ``trained elsewhere`` of what is evaluated as it is;
            ``reals`` states which real images it has.
        n_real: Training images; ``n_val_*`` validation images, used for selection.
        steps: Optimiser steps taken; ``epochs`` passes over the training images.
        best_step: The step whose weights were kept; ``val_auc`` its validation AUC.
        stopped: Why training ended.
        history: Rows in order: ``step``, the losses, ``val_auc`` where it was measured.
        encoding: ``as-is``, or what every image went through in training and testing.
        weights: sha256 of ``model.safetensors``, ``config`` of ``config.json`` beside it; None
            where it was not taken down.
        pretraining: Data its published form was pretrained on, or ``none``, as on its card; None
            where it was not taken down.
        card: The rest of its card; None where it was not taken down.
        catalog: Whether it is a detector of the catalog, and no user's own; None where it was not
            taken down.
        imported: Where its scores come from, if they were not made here.
        scores: ``results.store.score_hash`` of its scores in the run; None until it is scored.
        scored: In which precision and form its scores were computed, ``float32, made ready for
            inference`` say; None where it was not taken down, and then not in the file.
    """

    schema_: Literal[2] = Field(default=SCHEMA, alias="schema")
    id: ModelId
    detector: str
    title: str
    fit: Literal["gradient", "estimator", "none"]
    size: str
    init: str
    options: dict[str, Any]
    parameters: int
    trainable: int
    track: RecipeTrack
    recipe: str
    recipe_values: dict[str, Any]
    seed: int
    training: str
    reals: str
    n_real: int
    n_fake: int
    n_val_real: int
    n_val_fake: int
    steps: int
    epochs: float
    best_step: int
    val_auc: float | None
    stopped: str
    history: list[dict[str, float]]
    encoding: str = "as-is"
    weights: str | None = None
    config: str | None = None
    pretraining: str | None = None
    card: CardFacts | None = None
    catalog: bool | None = None
    imported: Imported | None = None
    scores: str | None = None
    scored: str | None = Field(default=None, exclude_if=lambda told: told is None)

    @property
    def reduced(self) -> str:
        """The precision of its scores, where that is less than float32; else empty."""
        precision = (self.scored or "float32").partition(",")[0]
        return "" if precision == "float32" else precision


class Entry(_Strict):
    """Which model stands for a training set of a protocol.

    Attributes:
        protocol: Name of the protocol.
        training: Name of the training set.
        detector: What was asked for.
        model: Id of the model, or None where there is a gap.
        gap: Why there is no model, or None: a sentence for readers, such as the text of a
            ``protocols.gaps.Gap``. Code that must know expands the protocol again.
    """

    protocol: str
    training: str
    detector: str
    seed: int
    model: ModelId | None
    gap: str | None


class Dataset(_Strict):
    """A dataset that a role was bound to.

    Attributes:
        name: The manifest's folder name.
        fingerprint: sha256 over ids, contents, labels and splits (``protocols.fingerprint``).
        synthetic: Whether a program drew its images, as the file beside its manifest states: it
            proves the machinery, not a detector.
    """

    name: str
    fingerprint: str
    n_samples: int
    n_missing: int
    synthetic: bool


class Seal(_Strict):
    """Hashes of what a run was made of when scoring ended; ``results.sealing`` computes them.

    Attributes:
        run: Of ``run.json`` but for the seal and ``reference``; ``entries`` of its entries alone.
        samples: ``content_hash`` of the whole samples table, labels and groups among it.
        selections: By protocol, of the samples that train, validate and test.
        models: By id, of ``models/<id>.json``, which states the hash of the model's scores.
    """

    run: str
    entries: str
    samples: str
    selections: dict[str, str]
    models: dict[str, str]


class RunFacts(_Strict):
    """A run, as ``run.json`` states it: everything the report needs beside scores and samples.

    Attributes:
        study: Name of the study.
        protocols: The protocol files, whole (``Protocol.model_dump``), in order.
        data: The datasets by role.
        entries: Every training set x detector x seed, in the order of the study.
        batch_size: Images a forward pass; part of what "same bytes" means.
        versions: Versions of the packages that trained and scored, by name; part of it too.
        reference: The detector that an ablation compares the others with, or None.
        unbound: Roles that were left without a dataset on purpose; what needs them is a gap.
        seal: What it was when scoring ended; None while it is under way.
    """

    schema_: Literal[2] = Field(default=SCHEMA, alias="schema")
    study: str
    title: str
    protocols: list[dict[str, Any]]
    data: dict[str, Dataset]
    entries: list[Entry]
    batch_size: int
    versions: dict[str, str] = Field(default_factory=dict)
    reference: str | None = None
    unbound: list[str] = Field(default_factory=list)
    seal: Seal | None = None


class Value(_Strict):
    """A number, or the reason why there is none.

    Attributes:
        reason: Why there is no value.
        low: Lower end of the value's 95 % interval, ``high`` the upper; None where it has none.
        no_interval: Why there is none, where one was asked for.
    """

    value: float | None
    reason: str | None = None
    low: float | None = None
    high: float | None = None
    no_interval: str | None = None


class OtherReals(_Strict):
    """The forged images of a cell against the real ones that another policy finds.

    Attributes:
        sources: Where those come from.
        n_real: Images (videos at level video); ``n_fake`` likewise.
        auc: AUC in [0, 1].
    """

    sources: list[str]
    n_real: int
    n_fake: int
    auc: Value


class CellRecord(_Strict):
    """One cell's numbers.

    Attributes:
        training: Training set.
        test: Test set; ``role`` its dataset.
        condition: Key of the condition; ``condition_name`` and ``severity`` for readers.
        reals: Which real images these are, as the tables say it.
        policy: The policy that found them; None where there are none.
        pooled: Whether real images stand in whose source has no forged images here.
        headline: Whether the cell counts in summaries.
        seen: Whether the forgeries were seen in training; None where it was elsewhere.
        n_real: Images (videos at level video) that the numbers are over.
        clusters_real: How many clusters (``results.statistics.clusters``) they are, by the way of
            clustering that has fewer; None in records from before these were counted.
        prevalence: n_fake / (n_real + n_fake).
        n_missing: Samples of the selection that could not be read.
        n_orphans: Forged images left out since their source has no real ones.
        metrics: By the names of ``results.metrics.METRICS``: the protocol's, and those beside
            them where nothing is damaged; each with its interval or why it has none.
        other_reals: By policy, the same test with other real images.
    """

    training: str
    test: str
    role: str
    condition: str
    condition_name: str
    severity: int
    level: Literal["image", "video", "video-max"]
    reals: str
    policy: Literal["same-source", "training-source", "stated", "pooled"] | None
    pooled: bool
    headline: bool
    seen: bool | None
    n_real: int
    n_fake: int
    clusters_real: int | None = None
    clusters_fake: int | None = None
    n_missing: int
    n_orphans: int
    prevalence: float | None
    metrics: dict[str, Value]
    other_reals: dict[str, OtherReals]


class Record(_Strict):
    """The cells of one model under one protocol version: one file.

    Attributes:
        protocol: Name; ``protocol_version`` and ``protocol_hash`` with it.
        model: The model's id; ``detector``, ``title``, ``size``, ``init``, ``track`` (as in
            ``ModelFacts``) and ``seed`` for readers.
        data: Fingerprints by role.
        scores: ``score_hash`` of the scores that the numbers come from.
        cells: Every cell of every training set that the model stands for.
        thresholds: By training set and level, the threshold of greatest balanced accuracy on its
            validation samples: a logit for images, P(fake) for videos.
    """

    schema_: Literal[2] = Field(default=SCHEMA, alias="schema")
    protocol: str
    protocol_version: int
    protocol_hash: str
    model: ModelId
    detector: str
    title: str
    size: str
    init: str
    track: RecipeTrack
    seed: int
    data: dict[str, str]
    scores: str
    cells: list[CellRecord]
    thresholds: dict[str, dict[str, Value]] = Field(default_factory=dict)
