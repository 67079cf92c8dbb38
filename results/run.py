"""A run as it is read: facts, samples, expanded protocols and scores; without torch or images."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from protocols import CLEAN, ELSEWHERE, Cell, Expansion, ImageSet, Protocol, expand
from protocols.pool import FACE_BOX
from protocols.reading import parse
from results.errors import ResultError, UndefinedError
from results.logits import SEPARATOR, ModelScores, sample_keys
from results.measured import Measured
from results.metrics.checking import Counts
from results.metrics.confusion import best_threshold
from results.metrics.functions import group_means, probability
from results.metrics.registry import check_metrics
from results.schema import Entry, ModelFacts, RunFacts, Value
from results.statistics.clusters import ClusterWays, cluster_ways
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


# Of scores that are kept while others are read: 27 models under 60 conditions on 20,000 images
# are a quarter of it.
_MOST_KEPT_BYTES = 1 << 30


def protocols_of(facts: RunFacts) -> list[Protocol]:
    """Give the protocols that a run states.

    Raises:
        ProtocolError: One is none, or lists a metric that does not exist.
    """
    protocols = [parse(Protocol, raw, "a protocol of the run") for raw in facts.protocols]
    for protocol in protocols:
        check_metrics(protocol)
    return protocols


class RunContents:
    """A run as it was read: its facts, samples, expanded protocols and scores.

    Attributes:
        run: The run's folder.
        facts: What ``run.json`` says.
        samples: The samples table.
        expansions: What each protocol asks of the samples, by its name, in the run's order.
        models: Facts of every model that the entries name, by id.
    """

    def __init__(self, run: str | Path) -> None:
        """Read a run.

        Raises:
            ResultError: A file is missing or wrong, or the entries do not fit the protocols.
            ProtocolError: A protocol lists a metric that does not exist, or does not fit the
                samples.
        """
        self.run = run = Path(run)
        self.facts: RunFacts = _with_unfinished(run, read_run(run))
        protocols = protocols_of(self.facts)
        self.samples = read_samples(run)
        self.expansions: dict[str, Expansion] = {
            p.name: self._expanded(p, self.entries(p.name)) for p in protocols
        }
        self._check_entries()
        ids = dict.fromkeys(entry.model for entry in self.facts.entries if entry.model)
        self.models: dict[str, ModelFacts] = {model: read_model(run, model) for model in ids}
        self._scores: dict[str, ModelScores] = {}
        self._reading = Lock()
        self._thresholds: dict[tuple[str, str, bytes], Value] = {}
        self._foreign: dict[int, bool] = {}

    def _expanded(self, protocol: Protocol, entries: Sequence[Entry]) -> Expansion:
        """Expand a protocol for the models of a run, some of which were trained elsewhere."""
        elsewhere = [entry.training == ELSEWHERE for entry in entries]
        return expand(
            protocol,
            self.samples,
            self.facts.unbound,
            trained=not (elsewhere and all(elsewhere)),
            elsewhere=any(elsewhere),
        )

    def entries(self, protocol: str) -> list[Entry]:
        """Give the entries of one protocol, in the run's order."""
        return [entry for entry in self.facts.entries if entry.protocol == protocol]

    def trainings(self, protocol: str) -> list[str]:
        """Name the training sets that the run has entries for, in the protocol's order."""
        asked = {entry.training for entry in self.entries(protocol)}
        sets = self.expansions[protocol].training_sets
        return [training.name for training in sets if training.name in asked]

    def scores(self, model: str) -> ModelScores:
        """Read the scores of a model; those that were last asked for are kept, up to 1 GiB."""
        with self._reading:  # cells are measured in threads
            found = self._scores.pop(model, None)
            if found is None:
                found = ModelScores(self.run, model, self.samples, self._positions)
            self._scores[model] = found  # behind those that were asked for before
            while len(self._scores) > 1 and self._kept_bytes() > _MOST_KEPT_BYTES:
                del self._scores[next(iter(self._scores))]
            return found

    def _kept_bytes(self) -> int:
        return sum(scores.nbytes for scores in self._scores.values())

    def scored(self, model: str, cell: Cell) -> Scored:
        """Give labels and scores of a cell.

        Raises:
            ResultError: A score is missing.
        """
        return self.scored_rows(model, cell, cell.test.rows)

    def scored_rows(self, model: str, cell: Cell, rows: npt.NDArray[np.int64]) -> Scored:
        """Do what ``scored`` does for some samples at the cell's condition and level."""
        logits = self.scores(model).logits(cell.condition.key, rows)
        labels = self._labels[rows]
        if cell.level == "image":
            return Scored(labels, logits, 0.0)
        return self._videos(rows, labels, logits, cell.level)

    def unscored(self, model: str, cell: Cell) -> str | None:
        """Say what imported scores lack in a cell, so that it has no numbers; None: nothing."""
        if self.models[model].imported is None:
            return None
        rows = cell.test.all_rows
        lacking = self.scores(model).n_missing(cell.condition.key, rows)
        return f"{lacking} of its {len(rows)} scores were not given" if lacking else None

    def measured(self, model: str, cell: Cell, carried: Value = NO_THRESHOLD) -> Measured:
        """Give what the metrics of a cell are computed of; ``carried`` is its threshold."""
        scored = self.scored(model, cell)
        clusters = self.clusters[self.first_rows(cell)]
        return Measured(
            scored.labels, scored.scores, level=cell.level, carried=carried, clusters=clusters
        )

    def threshold(self, model: str, validation: npt.NDArray[np.int64], level: str) -> Value:
        """Choose a model's threshold on the validation samples of its training set."""
        key = (model, level, validation.tobytes())
        if key not in self._thresholds:
            self._thresholds[key] = self._threshold(model, validation, level)
        return self._thresholds[key]

    def _threshold(self, model: str, validation: npt.NDArray[np.int64], level: str) -> Value:
        """Choose it, or say why there is none."""
        if not len(validation):
            return Value(value=None, reason="no threshold: there are no validation samples")
        unscored = self.scores(model).n_missing(CLEAN.key, validation)
        if unscored:
            told = f"{unscored} of {len(validation)} validation samples are not scored"
            return Value(value=None, reason=f"no threshold: {told}")
        labels = self._labels[validation]
        scores = self.scores(model).logits(CLEAN.key, validation)
        try:
            if level != "image":
                labels, scores, _ = self._videos(validation, labels, scores, level)
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
    def cluster_ways(self) -> ClusterWays:
        """By what samples are one observation: ``results.statistics.clusters``."""
        return cluster_ways(self.samples)

    @property
    def clusters(self) -> Counts:
        """The cluster of every sample, by target."""
        return self.cluster_ways.target

    @cached_property
    def _labels(self) -> npt.NDArray[np.int64]:
        return (self.samples["label"] == "fake").to_numpy().astype(np.int64)

    @cached_property
    def _positions(self) -> pd.Index:
        return pd.Index(sample_keys(self.samples))

    @cached_property
    def _groups(self) -> npt.NDArray[np.int64]:
        """Number the videos, by dataset, group and label: real faces beside forged ones are one."""
        return self._numbered(self.samples["group"])

    @cached_property
    def _frames(self) -> npt.NDArray[np.int64]:
        """Number the frames of each class: samples of one name but for the box of the face."""
        ids = self.samples["sample_id"].str.replace(FACE_BOX, "", regex=True)
        return self._numbered(ids)

    def _numbered(self, names: "pd.Series[str]") -> npt.NDArray[np.int64]:
        """Number what each sample belongs to: one name within its dataset and label."""
        within = self.samples["dataset"] + SEPARATOR + self.samples["label"]
        return pd.factorize(within + SEPARATOR + names)[0].astype(np.int64)

    def _videos(
        self,
        rows: npt.NDArray[np.int64],
        labels: npt.NDArray[np.int64],
        logits: npt.NDArray[np.float32],
        level: str,
    ) -> Scored:
        """Average P(fake) over the faces of each video, or over the greatest of each frame."""
        _, first, video = np.unique(self._groups[rows], return_index=True, return_inverse=True)
        p = probability(logits)
        if level == "video":
            return Scored(labels[first], group_means(p, video), 0.5)
        _, face, frame = np.unique(self._frames[rows], return_index=True, return_inverse=True)
        greatest = np.zeros(len(face))
        np.maximum.at(greatest, frame, p)
        return Scored(labels[first], group_means(greatest, video[face]), 0.5)

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
