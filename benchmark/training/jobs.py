"""Training jobs: what is to be trained, under which id."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from benchmark.data.encoding import AS_IS
from benchmark.training.identity import Taxa, identify, own_identity, shipped_card, version_of
from benchmark.training.recipe import Recipe, ResolvedRecipe
from detectors.catalog import checkpoint_of, trained_of
from detectors.fetching import CONFIG, TENSORS
from detectors.loading import is_saved
from protocols.expansion import TrainingSet
from protocols.samples import TAXONOMY, taxa
from results.hashing import content_hash

# Raised by every change of the trainer, and of how images are read, that can change what is learnt;
# a release by itself retrains nothing. A test notices what was changed without.
TRAINING_VERSION = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainJob:
    """One model to train: a detector, a recipe, a training set and a seed.

    Attributes:
        id: Hash of all that could change the model's scores on one machine: docs/runs.md says what
            that is.
        label: What the study calls the detector.
        detector: Name in the catalog, or ``package.module:Class``.
        options: Options of its constructor, without size and taxa.
        recipe: With every duration in steps of this training set.
        track: Whose recipe it is: ``common``, ``own`` or ``custom``; no part of the id.
        training: The samples.
        taxa: Kinds of image among the training samples.
        tensors: Hash of the tensors that training must begin with; None for the catalog's.
    """

    id: str
    label: str
    detector: str
    options: Mapping[str, Any]
    size: str
    recipe: ResolvedRecipe
    track: str
    seed: int
    training: TrainingSet
    taxa: tuple[tuple[str, ...], ...]
    tensors: str | None

    @property
    def title(self) -> str:
        """Say what is trained, for progress and errors."""
        return f"{self.label} on {self.training.name} (seed {self.seed})"


class Chosen(NamedTuple):
    """What an id takes of a training set: hashes of its two sides, and its kinds of image."""

    train: str
    val: str
    taxa: tuple[tuple[str, ...], ...]


class Identities:
    """What the ids of one plan hash, each part found once: files are read while it is made.

    A training set counts by the ids, contents and taxonomy of its samples, in their order, by which
    batches are drawn.
    """

    def __init__(self, samples: pd.DataFrame) -> None:
        """Identify models that are trained on some of ``samples``."""
        self._samples = samples
        self._chosen: dict[TrainingSet, Chosen] = {}
        self._options: dict[str, Any] = {}
        self._detectors: dict[str, dict[str, Any]] = {}

    def chosen(self, training: TrainingSet) -> Chosen:
        """Identify a training set."""
        if training not in self._chosen:
            table = self._samples[["sample_id", "sha256", *TAXONOMY]]
            train, val = table.iloc[training.rows], table.iloc[training.val]
            self._chosen[training] = Chosen(
                content_hash(train), content_hash(val), tuple(taxa(train))
            )
        return self._chosen[training]

    def options(self, options: Any) -> Any:
        """Identify options: local files and folders in them count by what they hold."""
        key = json.dumps(options, sort_keys=True)
        if key not in self._options:
            self._options[key] = identify(options)
        return self._options[key]

    def source(self, source: str) -> Any:
        """Identify a trained detector by what it holds; of a saved one its own two files count."""
        if is_saved(source):
            return [self.options(str(Path(source) / name)) for name in (CONFIG, TENSORS)]
        return self.options(source)

    def detector(
        self, detector: str, options: Mapping[str, Any], *, size: str, taxa: Taxa, seed: int
    ) -> dict[str, Any]:
        """Identify a detector; one of the user's own is built for that, once of a kind.

        Raises:
            DetectorError: The user's own cannot be built.
            BenchmarkError: Its module is not there, or was edited after it was loaded.
        """
        key = json.dumps([detector, options, size, taxa, seed], sort_keys=True)
        if key not in self._detectors:
            card = shipped_card(detector)
            self._detectors[key] = (
                own_identity(detector, options, size=size, taxa=taxa, seed=seed)
                if card is None
                else version_of(card)
            )
        return self._detectors[key]


def train_job(
    *,
    label: str,
    detector: str,
    options: Mapping[str, Any],
    size: str,
    recipe: Recipe,
    seed: int,
    training: TrainingSet,
    identities: Identities,
    encoding: str = AS_IS,
    track: str = "custom",
) -> TrainJob:
    """Describe a model to train and give it its id.

    ``encoding`` names what the images go through before anything else; the job states ``track``.

    Raises:
        DetectorError, BenchmarkError: As ``Identities.detector``.
    """
    chosen = identities.chosen(training)
    resolved = recipe.resolved(max(len(training.rows), 1))  # of what is trained elsewhere none
    found = identities.detector(detector, options, size=size, taxa=chosen.taxa, seed=seed)
    identity: dict[str, Any] = {
        "version": TRAINING_VERSION,
        "detector": {"name": detector, **found},
        "options": identities.options(options),
        "size": size,
        # The side that a detector takes stands among its options.
        "recipe": resolved.model_dump(mode="json", exclude={"input_size"}),
        "seed": seed,
        "train": chosen.train,
        "val": chosen.val,
    }
    if (checkpoint := checkpoint_of(detector)) is not None:
        identity["checkpoint"] = identities.options({"checkpoint": checkpoint})
    if (trained := trained_of(detector)) is not None:
        identity["detector"]["name"] = trained.detector
        identity["checkpoint"] = identities.source(trained.source)
    if encoding != AS_IS:
        identity["encoding"] = encoding
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    return TrainJob(
        id=f"{_slug(label)}-{digest[:12]}",
        label=label,
        detector=detector,
        options=options,
        size=size,
        recipe=resolved,
        track=track,
        seed=seed,
        training=training,
        taxa=chosen.taxa,
        tensors=found.get("tensors"),
    )


def _slug(label: str) -> str:
    """Give what an id begins with: the letters and digits that all systems have in names of files.

    Of a label without any, such as one in Chinese, that is ``model``.
    """
    plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in label.lower())
    return plain if plain[:1].isalnum() else plain.lstrip("-") or "model"
