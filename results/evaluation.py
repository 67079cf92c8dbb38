"""From scores to records: every number of a run, recomputed without torch and the images."""

from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from protocols import CLEAN, Cell, Expansion, ImageSet, Protocol, expand
from results.checking import Counts
from results.clusters import clusters
from results.confusion import best_threshold
from results.errors import ResultError, UndefinedError
from results.joint import Joint
from results.measures import BESIDE, Measured
from results.metrics import probability
from results.model_scores import SEPARATOR, ModelScores, sample_keys
from results.schema import CellRecord, Entry, ModelFacts, OtherReals, Record, RunFacts, Value
from results.store import read_model, read_run, read_samples, scores_path

UNFINISHED = "not scored yet: the same forgerybench run goes on"


class Scored(NamedTuple):
    """What the metrics of a cell are computed from.

    Attributes:
        labels: 1 is fake, shape (n,), n images or videos.
        scores: Logits of images or mean P(fake) of videos, shape (n,).
        threshold: Scores above it are called fake.
    """

    labels: npt.NDArray[np.int64]
    scores: npt.NDArray[np.floating]
    threshold: float


NO_THRESHOLD = Value(value=None, reason="no threshold was carried here")


class RunContents:
    """A run as it was read: its facts, samples, expanded protocols and scores.

    Attributes:
        run: The run's folder.
        facts: What ``run.json`` says.
        samples: The samples table.
        expansions: What each protocol asks of the samples, by its name, in the run's order.
        models: Facts of every model that the entries name, by id.
    """

    def __init__(self, run: Path) -> None:
        """Read a run.

        Raises:
            ResultError: A file is missing or wrong, or the entries do not fit the protocols.
            ProtocolError: A protocol does not fit the samples.
        """
        self.run = run
        self.facts: RunFacts = _with_unfinished(run, read_run(run))
        self.samples = read_samples(run)
        protocols = [Protocol.model_validate(raw) for raw in self.facts.protocols]
        self.expansions: dict[str, Expansion] = {
            p.name: expand(p, self.samples, self.facts.unbound) for p in protocols
        }
        self._check_entries()
        ids = dict.fromkeys(entry.model for entry in self.facts.entries if entry.model)
        self.models: dict[str, ModelFacts] = {model: read_model(run, model) for model in ids}
        self._scores: dict[str, ModelScores] = {}
        self._joint: dict[str, Joint] = {}
        self._thresholds: dict[tuple[str, str, bytes], Value] = {}
        self._foreign: dict[int, bool] = {}

    def entries(self, protocol: str) -> list[Entry]:
        """Give the entries of one protocol, in the run's order."""
        return [entry for entry in self.facts.entries if entry.protocol == protocol]

    def trainings(self, protocol: str) -> list[str]:
        """Name the training sets that the run has entries for, in the protocol's order."""
        asked = {entry.training for entry in self.entries(protocol)}
        sets = self.expansions[protocol].training_sets
        return [training.name for training in sets if training.name in asked]

    def scores(self, model: str) -> ModelScores:
        """Read the scores of a model, once."""
        if model not in self._scores:
            self._scores[model] = ModelScores(self.run, model, self.samples, self._positions)
        return self._scores[model]

    def scored(self, model: str, cell: Cell) -> Scored:
        """Give labels and scores of a cell.

        Raises:
            ResultError: A score is missing, or a video has real and forged frames.
        """
        return self.scored_rows(model, cell, cell.test.rows)

    def scored_rows(self, model: str, cell: Cell, rows: npt.NDArray[np.int64]) -> Scored:
        """Do what ``scored`` does for some samples at the cell's condition and level."""
        logits = self.scores(model).logits(cell.condition.key, rows)
        labels = self._labels[rows]
        if cell.level == "image":
            return Scored(labels, logits, 0.0)
        return self._videos(rows, labels, logits)

    def joint(self, protocol: str) -> Joint:
        """Give the resamples of a protocol, planned once."""
        if protocol not in self._joint:
            self._joint[protocol] = Joint(self, protocol)
        return self._joint[protocol]

    def measured(self, model: str, cell: Cell, carried: Value = NO_THRESHOLD) -> Measured:
        """Give what the metrics of a cell are computed of; ``carried`` is its threshold."""
        scored = self.scored(model, cell)
        return Measured(scored.labels, scored.scores, level=cell.level, carried=carried)

    def threshold(self, model: str, validation: npt.NDArray[np.int64], level: str) -> Value:
        """Choose a model's threshold on the validation samples of its training set."""
        key = (model, level, validation.tobytes())
        if key not in self._thresholds:
            self._thresholds[key] = self._threshold(model, validation, level)
        return self._thresholds[key]

    def _threshold(self, model: str, validation: npt.NDArray[np.int64], level: str) -> Value:
        """Choose it, or say why there is none."""
        unscored = self.scores(model).n_missing(CLEAN.key, validation)
        if unscored:
            told = f"{unscored} of {len(validation)} validation samples are not scored"
            return Value(value=None, reason=f"no threshold: {told}")
        labels = self._labels[validation]
        scores = self.scores(model).logits(CLEAN.key, validation)
        try:
            if level == "video":
                labels, scores, _ = self._videos(validation, labels, scores)
            return Value(value=best_threshold(labels, scores))
        except UndefinedError as error:
            return Value(value=None, reason=f"no threshold on validation samples: {error}")

    def first_rows(self, cell: Cell) -> npt.NDArray[np.int64]:
        """Give a sample of each image or video of a cell, in the order of ``scored``."""
        rows = cell.test.rows
        if cell.level == "image":
            return rows
        _, first = np.unique(self._groups[rows], return_index=True)
        return rows[first]

    def has_foreign_reals(self, images: ImageSet) -> bool:
        """Tell whether real images stand there whose source has no forged ones in the set."""
        if id(images) not in self._foreign:
            rows = images.rows[self._labels[images.rows] == 1]
            forged = set(self.samples["source"].iloc[rows])
            self._foreign[id(images)] = not set(images.reals_sources) <= forged
        return self._foreign[id(images)]

    @cached_property
    def clusters(self) -> Counts:
        """The cluster of every sample, by ``results.clusters``."""
        return clusters(self.samples)

    @cached_property
    def _labels(self) -> npt.NDArray[np.int64]:
        return (self.samples["label"] == "fake").to_numpy().astype(np.int64)

    @cached_property
    def _positions(self) -> pd.Index:
        return pd.Index(sample_keys(self.samples))

    @cached_property
    def _groups(self) -> npt.NDArray[np.int64]:
        """Number the videos, by dataset and group."""
        names = self.samples["dataset"] + SEPARATOR + self.samples["group"]
        return pd.factorize(names)[0].astype(np.int64)

    def _videos(
        self,
        rows: npt.NDArray[np.int64],
        labels: npt.NDArray[np.int64],
        logits: npt.NDArray[np.float32],
    ) -> Scored:
        """Average P(fake) over the frames of each video."""
        _, first, video = np.unique(self._groups[rows], return_index=True, return_inverse=True)
        of_video = labels[first]
        mixed = of_video[video] != labels
        if mixed.any():
            group = self.samples["group"].iloc[rows[int(mixed.argmax())]]
            raise ResultError(
                f"{self.run / 'samples.parquet'}: group '{group}' has real and forged samples, "
                "so it is no video; correct the column group of the manifest"
            )
        total = np.bincount(video, weights=probability(logits), minlength=len(first))
        return Scored(of_video, total / np.bincount(video, minlength=len(first)), 0.5)

    def _check_entries(self) -> None:
        """Hold that entries name training sets that there are, each once, with a model or a gap."""
        for name in {entry.protocol for entry in self.facts.entries} - set(self.expansions):
            raise self._wrong(f"an entry is of protocol '{name}', which the run does not have")
        for name, expansion in self.expansions.items():
            known = [training.name for training in expansion.training_sets]
            met: set[tuple[str, int, str]] = set()
            for entry in self.entries(name):
                key = (entry.detector, entry.seed, entry.training)
                what = f"{name}, {entry.detector} on {entry.training}"
                if entry.training not in known:
                    raise self._wrong(f"{what}: the training sets are {', '.join(known)}")
                if key in met:
                    raise self._wrong(f"{what}: two entries with seed {entry.seed}")
                met.add(key)
                if (entry.model is None) == (entry.gap is None):
                    raise self._wrong(
                        f"{what}: an entry has a model or the reason why there is none, one of the "
                        "two"
                    )
            for role in expansion.protocol.roles:
                if role not in self.facts.data and role not in self.facts.unbound:
                    raise self._wrong(f"{name} needs the role '{role}', which has no dataset")

    def _wrong(self, message: str) -> ResultError:
        return ResultError(f"{self.run / 'run.json'}: {message}")


def _with_unfinished(run: Path, facts: RunFacts) -> RunFacts:
    """Turn entries whose model has no scores yet into gaps: a run can be reported at any time."""
    entries = [
        entry
        if entry.model is None or scores_path(run, entry.model).is_file()
        else entry.model_copy(update={"model": None, "gap": UNFINISHED})
        for entry in facts.entries
    ]
    return facts.model_copy(update={"entries": entries})


def evaluate(run: Path) -> list[Record]:
    """Compute every record of a run from its scores.

    Args:
        run: The run's folder; nothing in it is changed.

    Returns:
        One record a protocol and model: protocols and models in the order of ``run.json``.

    Raises:
        ResultError: A file is missing or wrong, or a needed score is missing.
        ProtocolError: A protocol does not fit the samples.
    """
    return evaluate_contents(RunContents(run))


def evaluate_contents(contents: RunContents) -> list[Record]:
    """Compute every record of a run that was read; otherwise as ``evaluate``."""
    found: list[Record] = []
    for name in contents.expansions:
        trainings: dict[str, list[str]] = {}
        for entry in contents.entries(name):
            if entry.model:
                trainings.setdefault(entry.model, []).append(entry.training)
        found.extend(_record(contents, name, *item) for item in trainings.items())
    return found


def _record(contents: RunContents, name: str, model: str, trainings: list[str]) -> Record:
    """Compute the record of one model under one protocol."""
    expansion, facts = contents.expansions[name], contents.models[model]
    protocol = expansion.protocol
    cells = [cell for cell in expansion.cells if cell.training in trainings]
    thresholds = {
        training.name: {
            level: contents.threshold(model, training.val, level) for level in protocol.levels
        }
        for training in expansion.training_sets
        if training.name in trainings
    }
    return Record(
        protocol=name,
        protocol_version=protocol.version,
        protocol_hash=protocol.hash,
        model=model,
        detector=facts.detector,
        title=facts.title,
        size=facts.size,
        init=facts.init,
        track=facts.track,
        seed=facts.seed,
        data={
            role: contents.facts.data[role].fingerprint
            for role in protocol.roles
            if role in contents.facts.data
        },
        scores=contents.scores(model).hash,
        cells=[
            _cell_record(contents, protocol, model, cell, thresholds[cell.training][cell.level])
            for cell in cells
        ],
        thresholds=thresholds,
    )


def _cell_record(
    contents: RunContents, protocol: Protocol, model: str, cell: Cell, threshold: Value
) -> CellRecord:
    """Compute the numbers of one cell."""
    measured = contents.measured(model, cell, threshold)
    n_real, n_fake = measured.n_real, measured.n_fake
    names = (*protocol.metrics, *(BESIDE if cell.condition.name == "clean" else ()))
    values = measured.values(dict.fromkeys(names))
    joint = contents.joint(protocol.name)
    return CellRecord(
        training=cell.training,
        test=cell.test.name,
        role=cell.test.role,
        condition=cell.condition.key,
        condition_name=cell.condition.name,
        severity=cell.condition.severity,
        level=cell.level,
        reals=cell.test.statement,
        policy=cell.test.reals,
        pooled=contents.has_foreign_reals(cell.test),
        headline=cell.headline,
        seen=cell.seen,
        n_real=n_real,
        n_fake=n_fake,
        n_missing=cell.test.n_missing,
        n_orphans=cell.test.n_orphans,
        prevalence=n_fake / (n_real + n_fake) if n_real + n_fake else None,
        metrics=joint.with_intervals(model, cell, measured, values),
        other_reals=_other_reals(contents, model, cell),
    )


def _other_reals(contents: RunContents, model: str, cell: Cell) -> dict[str, OtherReals]:
    """Compute the AUC of a cell's forged images against the real ones of the other policies."""
    found = {}
    for policy, alternative in cell.test.alternatives.items():
        scored = contents.scored_rows(model, cell, alternative.rows)
        measured = Measured(scored.labels, scored.scores, level=cell.level, carried=NO_THRESHOLD)
        found[str(policy)] = OtherReals(
            sources=list(alternative.reals_sources),
            n_real=measured.n_real,
            n_fake=measured.n_fake,
            auc=measured.value("AUC"),
        )
    return found
