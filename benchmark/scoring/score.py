"""Scores units: images are decoded, changed and prepared once for all models of a group."""

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import product
from threading import Lock
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from torch import Tensor

from benchmark.data.images import Pixels, image_tensor
from benchmark.data.loader import Rows
from benchmark.data.source import Sample, WantedImage, nbytes
from benchmark.perturbations.attacks import attacked
from benchmark.scoring.conditions import wanted_image
from benchmark.scoring.forward import Forward, pinned
from benchmark.scoring.loading import load_group, surrogate_of
from benchmark.scoring.ready import Form
from benchmark.scoring.store import ScoreStore
from benchmark.scoring.units import Group, Surrogates, Unit
from benchmark.stopping import finishing, stop_if_told
from benchmark.timing import timed
from benchmark.training.engine import Engine
from detectors.base import Detector, Known
from detectors.errors import DetectorError
from detectors.parts.frozen import frozen_features
from detectors.transform import Transform
from protocols.conditions import Condition
from protocols.gaps import Gap, NoSurrogate, ScoreOutOfRange
from results.store import MOST_LOGIT, plausible

# A shard of 240 face crops of 256 pixels is 47 MB, one of full-HD pictures 1.5 GB: crops are
# decoded once whatever the conditions, and large pictures do not take the models' memory.
KEEP_BYTES = 1 << 30
# What an image's logit may differ alone and in a batch, where sums are in another order and perhaps
# of numbers of 10 bits (8 in bfloat16): by a share of itself, and by as much where it is near 0.
_ALONE = {"float32": 0.02, "bfloat16": 0.1}
_STRIPES = 64
# What a unit takes with a few large networks on a CPU must not be lost when it is stopped.
PART_SECONDS = 20.0

Prepared = dict[Transform, Tensor]
"""One image as the input of detectors with these transforms."""
T = TypeVar("T")


def score(
    groups: Sequence[Group],
    engine: Engine,
    store: ScoreStore,
    load: Callable[[str], Detector],
    *,
    noise_seed: int,
    surrogates: Surrogates | None = None,
    keep_bytes: int = KEEP_BYTES,
    forms: dict[str, Form] | None = None,
    part_seconds: float = PART_SECONDS,
) -> dict[str, Gap]:
    """Compute and store every unit of ``groups``.

    Args:
        groups: From ``plan_groups``.
        engine: The images, the device and whom to tell.
        store: Where finished units go.
        load: Gives the trained detector of a model id.
        noise_seed: Seed of the perturbed pixels, from the protocol.
        surrogates: On which models the attacks of conditions with a surrogate are made.
        keep_bytes: Of decoded images that are kept for the next conditions at most. Scores do not
            depend on it.
        forms: In which models score, by id, if that is known; what is found out is added.
        part_seconds: A unit that takes longer is stored in parts, of some models each.

    Returns:
        By model id, why it is left out: a score of it, or of the model that its attacks are made
        on, is no number. Nothing of what it gives from there on is stored.
    """
    surrogates, gaps = surrogates or {}, dict[str, Gap]()
    forms = {} if forms is None else forms
    for number, group in enumerate(groups, start=1):
        trained = load_group(group, engine, store, load, surrogates=surrogates, forms=forms)
        title = f"{len(group.models)} models" + (f", group {number}" if len(groups) > 1 else "")
        engine.progress.job(title, group.scores, models=group.models)
        scorer = _Scorer(
            group,
            engine,
            {model: forms[model].detector for model in group.models},
            trained,
            surrogates=surrogates,
            noise_seed=noise_seed,
            keep_bytes=keep_bytes,
            part_seconds=part_seconds,
            gaps=gaps,
        )
        with closing(scorer.scored()) as scored, finishing(engine.progress.note):
            for unit, table in scored:
                with timed("write", count=len(table)):
                    store.add(unit, table)
                engine.progress.advance(len(table))
                engine.progress.unit(unit.title)
                stop_if_told()
        engine.progress.finish()
        for model in group.models:
            if model in gaps:
                engine.progress.note(f"{model}: {gaps[model]}; it is left out, the others go on")
    return gaps


class _Scorer:
    """Scores the units of a group; images of the next unit are made ready meanwhile."""

    def __init__(
        self,
        group: Group,
        engine: Engine,
        models: Mapping[str, Detector],
        trained: Mapping[str, Detector],
        *,
        surrogates: Surrogates,
        noise_seed: int,
        keep_bytes: int,
        part_seconds: float,
        gaps: dict[str, Gap],
    ) -> None:
        """Score a group; what happens to its models is added to ``gaps``.

        ``models`` are in the form that scores, ``trained`` give gradients.
        """
        self._gaps, self._part_seconds = gaps, part_seconds
        self._units, self._source, self._models = group.units, engine.source, models
        self._trained = trained
        self._surrogates, self._noise_seed = surrogates, noise_seed
        self._batch_size, self._workers = engine.batch_size, engine.load_workers
        self._precision = engine.precision
        self._forward = Forward(engine.batch_size, engine.progress)
        self._features = engine.features_of
        self._ids = engine.source.samples["sample_id"].to_numpy()
        self._fake = (engine.source.samples["label"] == "fake").to_numpy()
        uses = np.zeros(len(self._ids), dtype=np.int64)
        for unit in self._units:
            for rows in self._clean(unit):
                uses[rows] += 1
        self._kept = _Kept(uses, keep_bytes)

    def scored(self) -> Generator[tuple[Unit, pd.DataFrame], None, None]:
        """Give the scores of each unit, in order."""
        wanted_image = (self._wanted(unit) for unit in self._units)
        with closing(self._load(wanted_image, _size)) as loaded:
            for unit, prepared in zip(self._units, loaded, strict=True):
                scores = self._attacks(unit) if unit.is_attack else self._scores(unit, prepared)
                yield from self._parts(unit, scores)

    def _parts(
        self, unit: Unit, scores: Iterable[tuple[str, pd.DataFrame]]
    ) -> Iterator[tuple[Unit, pd.DataFrame]]:
        """Give the scores of a unit whole; where that takes long, those of some models first."""
        ready: dict[str, pd.DataFrame] = {}
        began = time.monotonic()
        for model, table in scores:
            if model not in self._gaps:
                ready[model] = table
            if ready and time.monotonic() - began > self._part_seconds:
                yield _of_models(unit, ready)
                ready, began = {}, time.monotonic()
        if ready:
            yield _of_models(unit, ready)

    def _load(
        self, batches: Iterable[Sequence[WantedImage[T]]], size: Callable[[T], int]
    ) -> Generator[list[T], None, None]:
        """Load images in threads, if there are any; otherwise nothing would be gained ahead."""
        ahead = 1 if self._workers else 0
        return self._source.load(batches, workers=self._workers, size=size, ahead=ahead)

    def _clean(self, unit: Unit) -> list[Rows]:
        """Give the rows whose clean images a unit asks for, as often as it does."""
        if unit.is_attack:
            return [rows for _, rows, _ in self._victims(unit)]
        return [unit.images] if unit.condition.stage == "crop" else []

    def _wanted(self, unit: Unit) -> list[WantedImage[Prepared]]:
        """Want each image of a unit perturbed and resized, if no gradient is needed for it."""
        transforms = {self._models[model].transform for model in unit.rows}

        def make(pixels: Pixels) -> Prepared:
            with timed("prepare", count=1):
                image = image_tensor(pixels)
                return {transform: transform(image) for transform in transforms}

        rows = [] if unit.is_attack else unit.images.tolist()
        return [
            wanted_image(
                unit.condition,
                self._source,
                row,
                make,
                noise_seed=self._noise_seed,
                clean=self._kept.clean,
            )
            for row in rows
        ]

    def _scores(
        self, unit: Unit, prepared: Sequence[Prepared]
    ) -> Iterator[tuple[str, pd.DataFrame]]:
        """Score the images of a unit by each model."""
        images = unit.images
        for model, rows in unit.rows.items():
            if model in self._gaps:
                continue
            transform = self._models[model].transform
            places = np.searchsorted(images, rows).tolist()
            inputs = [prepared[place][transform] for place in places]
            yield model, self._table(unit, model, rows, inputs)

    def _attacks(self, unit: Unit) -> Iterator[tuple[str, pd.DataFrame]]:
        """Score the images that are made against each model, or against a surrogate."""
        for attacked_model, rows, all_victims in self._victims(unit):
            if (reason := self._gaps.get(attacked_model)) is not None:
                gap = NoSurrogate(surrogate=attacked_model, reason=reason)
                self._gaps |= {each: gap for each in all_victims if each not in self._gaps}
            victims = [each for each in all_victims if each not in self._gaps]
            if not victims:
                continue
            transforms = {self._models[victim].transform for victim in victims}
            detector = self._trained[attacked_model]
            inputs = self._attacked(unit.condition, detector, rows, transforms)
            for victim in victims:
                prepared = inputs[self._models[victim].transform]
                yield victim, self._table(unit, victim, rows, prepared)

    def _victims(self, unit: Unit) -> list[tuple[str, Rows, list[str]]]:
        """Give each model that is attacked, on which rows, and whose scores that gives.

        Victims of one surrogate share its images; other rows would be other batches.
        """
        found: dict[tuple[str, bytes], tuple[str, Rows, list[str]]] = {}
        for model, rows in unit.rows.items():
            on = surrogate_of(model, unit.condition, self._surrogates)
            found.setdefault((on, rows.tobytes()), (on, rows, []))[2].append(model)
        return list(found.values())

    def _attacked(
        self, condition: Condition, detector: Detector, rows: Rows, transforms: set[Transform]
    ) -> dict[Transform, list[Tensor]]:
        """Give the images that are made against a detector, prepared for others."""
        parts = [rows[at : at + self._batch_size] for at in range(0, len(rows), self._batch_size)]
        batches = ([WantedImage(row, self._kept.clean) for row in part.tolist()] for part in parts)
        found: dict[Transform, list[Tensor]] = {transform: [] for transform in transforms}
        with closing(self._load(batches, nbytes)) as loaded:
            for part, images in zip(parts, loaded, strict=True):
                with timed("attack", count=len(part)):
                    moved = attacked(
                        condition,
                        images,
                        self._fake[part].tolist(),
                        detector,
                        noise_seed=self._noise_seed,
                        sample_ids=self._ids[part].tolist(),
                    )
                for pixels, transform in product(moved, transforms):
                    found[transform].append(transform(image_tensor(pixels)))
        return found

    def _table(self, unit: Unit, model: str, rows: Rows, inputs: Sequence[Tensor]) -> pd.DataFrame:
        """Give a model's scores of prepared images; one that is no number is the model's gap."""
        detector = self._models[model]
        known = self._source.known(rows.tolist(), detector)
        with frozen_features(self._features(detector)), timed("forward", model, len(rows)):
            logits = self._forward.logits(detector, inputs, known)
        good = plausible(logits)
        if good.all():
            middle = str(self._ids[rows[len(rows) // 2]])
            _refuse_company(
                self._forward,
                detector,
                inputs,
                known,
                logits,
                sample_id=middle,
                allowed=_ALONE[self._precision],
            )
        else:
            at = int(good.argmin())
            self._gaps[model] = ScoreOutOfRange(
                value=float(logits[at]),
                most=MOST_LOGIT,
                sample=str(self._ids[rows[at]]),
                under=unit.condition.key,
            )
        scores = {
            "model": model,
            "dataset": unit.dataset,
            "sample_id": self._ids[rows],
            "condition": unit.condition.key,
            "logit": logits,
        }
        return pd.DataFrame(scores)


class _Kept:
    """Clean images that further units will ask for, as many as fit in memory."""

    def __init__(self, uses: npt.NDArray[np.int64], most_bytes: int) -> None:
        """Keep nothing yet.

        Args:
            uses: How often each sample will be asked for.
            most_bytes: Of all images that are kept; those that do not fit are decoded again.
        """
        self._uses, self._left = uses, most_bytes
        self._images: dict[int, Pixels] = {}
        self._lock = Lock()  # of all above
        self._decoding = [Lock() for _ in range(_STRIPES)]

    def clean(self, sample: Sample) -> Pixels:
        """Give a clean image; not to be changed."""
        # Whoever wants an image that is being decoded waits for it. Images share a few locks.
        with self._decoding[sample.row % _STRIPES]:
            kept = self._taken(sample.row)
            if kept is not None:
                return kept
            pixels = sample.array()
            self._keep(sample.row, pixels)
            return pixels

    def _taken(self, row: int) -> Pixels | None:
        """Give an image that is kept; it is dropped at its last use."""
        with self._lock:
            self._uses[row] -= 1
            kept = self._images.get(row)
            if kept is not None and self._uses[row] == 0:
                self._left += self._images.pop(row).nbytes
        return kept

    def _keep(self, row: int, pixels: Pixels) -> None:
        """Keep an image if it will be asked for again and there is room."""
        with self._lock:
            if self._uses[row] > 0 and pixels.nbytes <= self._left:
                self._left -= pixels.nbytes
                self._images[row] = pixels


def _of_models(unit: Unit, tables: Mapping[str, pd.DataFrame]) -> tuple[Unit, pd.DataFrame]:
    """Give a unit's part of some models, with their scores."""
    part = replace(unit, rows={model: unit.rows[model] for model in tables})
    return part, pd.concat(list(tables.values()), ignore_index=True)


def _size(prepared: Prepared) -> int:
    """Give the bytes of an image that is prepared for some detectors."""
    return sum(image.nbytes for image in prepared.values())


def _refuse_company(
    forward: Forward,
    detector: Detector,
    inputs: Sequence[Tensor],
    known: Known,
    logits: npt.NDArray[np.float32],
    *,
    sample_id: str,
    allowed: float,
) -> None:
    """Refuse scores that depend on what else is scored: the one in the middle is scored alone too.

    Raises:
        DetectorError: It gets another score alone than among the others.
    """
    at = len(inputs) // 2
    if pinned(detector) or len(inputs) < 2 or not np.isfinite(logits[at]):
        return
    alone = forward.logits(detector, inputs[at : at + 1], known.part(at, at + 1))[0]
    if not abs(alone - logits[at]) <= allowed * (1 + abs(logits[at])):
        raise DetectorError(
            f"{detector.card.title} ({type(detector).__module__}:{type(detector).__qualname__}) "
            f"gives '{sample_id}' the logit {alone:.4g} alone and {logits[at]:.4g} among others: "
            "a score may depend on nothing but its image, so take out what compares the images of "
            "a batch, statistics of the batch among them"
        )
