"""Scoring in units: every image decoded once a group of models, every condition made once.

A unit is a shard of a dataset's samples under one condition, for a group of models that fit in
memory together. It is written whole or not at all and never computed again. Shards are cut from
the sorted table of the whole dataset, so which images share a forward pass does not depend on what
was already done, on the group, or on the order: a stopped run ends with the same bytes.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import torch
from torch import Tensor

from benchmark.data.images import image_tensor
from benchmark.data.source import ImageSource
from benchmark.engine import Engine
from benchmark.perturbations.attacks import attacked
from benchmark.sampling import Rows
from benchmark.stages import perturbed
from detectors.base import Detector, Known
from detectors.transform import Transform
from protocols.conditions import Condition
from results.store import (
    SCORE_SCHEMA,
    read_parquet,
    read_scores,
    scores_path,
    write_parquet,
    write_scores,
)

SHARD = 240
_UNIT_SCHEMA = pa.schema([("model", pa.string()), *SCORE_SCHEMA])
_UNIT_KEY = ["model", "dataset", "condition", "sample_id"]

Needs = Mapping[str, Mapping[Condition, Rows]]
"""Model id -> condition -> rows of the samples table that it must be scored on."""
Surrogates = Mapping[tuple[str, str], str]
"""(Model id, name of a surrogate) -> id of the model that its attacks are made on."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Unit:
    """One shard under one condition for some models.

    Attributes:
        dataset: The role.
        shard: Number of the shard in its dataset.
        condition: What is done to the images.
        rows: Rows to score, by model.
    """

    dataset: str
    shard: int
    condition: Condition
    rows: Mapping[str, Rows]

    @property
    def images(self) -> Rows:
        """Rows that any of the models needs."""
        return np.unique(np.concatenate(list(self.rows.values())))


@dataclass(frozen=True, kw_only=True, eq=False)
class Group:
    """Models that are in memory together, and the units they share."""

    models: tuple[str, ...]
    units: tuple[Unit, ...]

    @property
    def decodes(self) -> int:
        """How many images are decoded for it: one a shard and image, whatever the conditions."""
        by_shard: dict[tuple[str, int], list[Rows]] = {}
        for unit in self.units:
            by_shard.setdefault((unit.dataset, unit.shard), []).append(unit.images)
        return sum(len(np.unique(np.concatenate(rows))) for rows in by_shard.values())

    @property
    def scores(self) -> int:
        """How many scores it gives."""
        return sum(len(rows) for unit in self.units for rows in unit.rows.values())


def shards(samples: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Give each row's shard: runs of ``SHARD`` samples of a dataset in the order of their ids."""
    if not samples.empty:
        keys = list(samples[["dataset", "sample_id"]].itertuples(index=False, name=None))
        if keys != sorted(keys):
            raise ValueError("the samples table must be sorted by dataset and sample id")
    numbers = samples.groupby("dataset", sort=False).cumcount() // SHARD
    return numbers.to_numpy().astype(np.int64)


def plan_groups(
    samples: pd.DataFrame, needs: Needs, done: pd.DataFrame, group_size: int
) -> tuple[Group, ...]:
    """Tell what is left to score; pure.

    Args:
        samples: The samples table, sorted by dataset and sample id.
        needs: What must be scored.
        done: The scores there are: ``model``, ``dataset``, ``sample_id``, ``condition``.
        group_size: Most models in memory at once.

    Returns:
        Groups in the order of ``needs``. A model's share of a shard is computed whole or not at
        all: if any of its scores is missing, all of them are left to do.
    """
    shard = shards(samples)
    datasets = samples["dataset"].to_numpy()
    have = _positions(samples, done)
    groups = []
    models = list(needs)
    for start in range(0, len(models), group_size):
        chosen = models[start : start + group_size]
        units: dict[tuple[str, int, Condition], dict[str, Rows]] = {}
        for model in chosen:
            for condition, rows in needs[model].items():
                there = have.get((model, condition.key), set())
                for part in _split(rows, datasets, shard):
                    if not there.issuperset(part.tolist()):
                        key = (str(datasets[part[0]]), int(shard[part[0]]), condition)
                        units.setdefault(key, {})[model] = part
        ordered = sorted(units.items(), key=lambda item: (item[0][0], item[0][1], item[0][2]))
        left = tuple(
            Unit(dataset=dataset, shard=number, condition=condition, rows=rows)
            for (dataset, number, condition), rows in ordered
        )
        if left:
            groups.append(Group(models=tuple(chosen), units=left))
    return tuple(groups)


def _split(
    rows: Rows, datasets: npt.NDArray[np.object_], shard: npt.NDArray[np.int64]
) -> Iterator[Rows]:
    """Cut ascending rows where dataset or shard changes."""
    if len(rows):
        change = (datasets[rows][1:] != datasets[rows][:-1]) | (np.diff(shard[rows]) != 0)
        yield from np.split(rows, np.flatnonzero(change) + 1)


def _positions(samples: pd.DataFrame, done: pd.DataFrame) -> dict[tuple[str, str], set[int]]:
    """Map (model, condition) to the rows that have scores."""
    index = pd.MultiIndex.from_frame(samples[["dataset", "sample_id"]])
    found: dict[tuple[str, str], set[int]] = {}
    for (model, condition), part in done.groupby(["model", "condition"], sort=False):
        rows = index.get_indexer(pd.MultiIndex.from_frame(part[["dataset", "sample_id"]]))
        found[str(model), str(condition)] = set(rows.tolist())
    return found


class ScoreStore:
    """The scores of a run: finished models, and units on their way to them."""

    def __init__(self, run: Path) -> None:
        """Use the run at ``run``."""
        self._run = run
        self._units = run / "units"

    def done(self, models: Sequence[str]) -> pd.DataFrame:
        """Read the scores there are of ``models``, units included."""
        tables = [
            read_scores(self._run, model).assign(model=model)
            for model in models
            if scores_path(self._run, model).is_file()
        ]
        tables += [read_parquet(path).to_pandas() for path in self._unit_paths()]
        if not tables:
            return pd.DataFrame({name: [] for name in _UNIT_SCHEMA.names})
        # A unit may stand beside the finished model it was merged into, if that was interrupted.
        return pd.concat(tables, ignore_index=True).drop_duplicates(_UNIT_KEY)

    def add(self, unit: Unit, scores: pd.DataFrame) -> None:
        """Write a finished unit."""
        parts = {model: rows.tolist() for model, rows in unit.rows.items()}
        named = json.dumps([unit.condition.key, parts], sort_keys=True)
        name = hashlib.sha256(named.encode()).hexdigest()[:16]
        path = self._units / f"{unit.dataset}-{unit.shard:05d}-{name}.parquet"
        write_parquet(path, scores, _UNIT_SCHEMA, _UNIT_KEY)

    def merge(self, models: Sequence[str]) -> None:
        """Put all units into one sorted file a model, then drop them."""
        if not self._units.is_dir():
            return
        units = [read_parquet(path).column("model").unique() for path in self._unit_paths()]
        touched = {str(model) for names in units for model in names.to_pylist()}
        scores = self.done(models)
        for model, part in scores[scores["model"].isin(touched)].groupby("model", sort=True):
            write_scores(self._run, str(model), part[SCORE_SCHEMA.names])
        shutil.rmtree(self._units)

    def _unit_paths(self) -> list[Path]:
        return sorted(self._units.glob("*.parquet"))


def score(
    groups: Sequence[Group],
    engine: Engine,
    store: ScoreStore,
    load: Callable[[str], Detector],
    *,
    noise_seed: int,
    surrogates: Surrogates | None = None,
) -> None:
    """Compute and store every unit of ``groups``.

    Args:
        groups: From ``plan_groups``.
        engine: The images, the device and whom to tell.
        store: Where finished units go.
        load: Gives the trained detector of a model id.
        noise_seed: Seed of the perturbed pixels, from the protocol.
        surrogates: On which models the attacks of conditions with a surrogate are made.
    """
    surrogates = surrogates or {}
    for number, group in enumerate(groups, start=1):
        needed = dict.fromkeys((*group.models, *_surrogates(group, surrogates)))
        models = {model: load(model).to(engine.device).eval() for model in needed}
        title = f"{len(group.models)} models" + (f", group {number}" if len(groups) > 1 else "")
        engine.progress.job(title, group.scores)
        scorer = _Scorer(engine.source, models, surrogates, noise_seed, engine.batch_size)
        for unit in group.units:
            table = scorer.score(unit)
            store.add(unit, table)
            engine.progress.advance(len(table))
        engine.progress.finish()


def _surrogates(group: Group, surrogates: Surrogates) -> list[str]:
    """Name the models that attacks on a group's models are made on, where they are others."""
    return [
        surrogates[model, unit.condition.surrogate]
        for unit in group.units
        if unit.condition.surrogate
        for model in unit.rows
    ]


class _Scorer:
    """Scores the units of a group, keeping the decoded images of one shard."""

    def __init__(
        self,
        source: ImageSource,
        models: Mapping[str, Detector],
        surrogates: Surrogates,
        noise_seed: int,
        batch_size: int,
    ) -> None:
        self._source, self._models, self._surrogates = source, models, surrogates
        self._noise_seed, self._batch_size = noise_seed, batch_size
        self._ids = source.samples["sample_id"].to_numpy()
        self._fake = (source.samples["label"] == "fake").to_numpy()
        self._shard: tuple[str, int] | None = None
        self._arrays: dict[int, npt.NDArray[np.uint8]] = {}

    def score(self, unit: Unit) -> pd.DataFrame:
        """Give the scores of one unit."""
        if (unit.dataset, unit.shard) != self._shard:
            self._shard, self._arrays = (unit.dataset, unit.shard), {}
        attacks = unit.condition.stage == "model"
        prepared = {} if attacks else self._prepare(unit)
        parts = []
        moved: dict[tuple[str, bytes], list[npt.NDArray[np.uint8]]] = {}
        for model, rows in unit.rows.items():
            detector, name = self._models[model], unit.condition.surrogate
            # Victims of one surrogate share its images; other rows would be other batches.
            key = (self._surrogates[model, name] if name else model, rows.tobytes())
            if attacks and key not in moved:
                moved[key] = self._attacked(unit.condition, self._models[key[0]], rows.tolist())
            inputs = (
                [detector.transform(image_tensor(pixels)) for pixels in moved[key]]
                if attacks
                else [prepared[row, detector.transform] for row in rows.tolist()]
            )
            scores = {
                "model": model,
                "dataset": unit.dataset,
                "sample_id": self._ids[rows],
                "condition": unit.condition.key,
                "logit": _forward(
                    detector,
                    inputs,
                    self._source.known(rows.tolist(), detector.card),
                    self._batch_size,
                ),
            }
            parts.append(pd.DataFrame(scores))
        return pd.concat(parts, ignore_index=True)

    def _prepare(self, unit: Unit) -> dict[tuple[int, Transform], Tensor]:
        """Decode, perturb and resize each image of a unit once."""
        transforms = {self._models[model].transform for model in unit.rows}
        prepared: dict[tuple[int, Transform], Tensor] = {}
        made = perturbed(
            unit.condition,
            self._source,
            unit.images.tolist(),
            noise_seed=self._noise_seed,
            decoded=self._array,
        )
        for row, pixels in made:
            image = image_tensor(pixels)
            prepared |= {(row, transform): transform(image) for transform in transforms}
        return prepared

    def _attacked(
        self, condition: Condition, detector: Detector, rows: Sequence[int]
    ) -> list[npt.NDArray[np.uint8]]:
        """Give the images that are made against a detector."""
        found: list[npt.NDArray[np.uint8]] = []
        for start in range(0, len(rows), self._batch_size):
            part = list(rows[start : start + self._batch_size])
            found += attacked(
                condition,
                [self._array(row) for row in part],
                self._fake[part].tolist(),
                detector,
                noise_seed=self._noise_seed,
                sample_ids=self._ids[part].tolist(),
            )
        return found

    def _array(self, row: int) -> npt.NDArray[np.uint8]:
        """Decode an image once a shard."""
        if row not in self._arrays:
            self._arrays[row] = self._source.array(row)
        return self._arrays[row]


def _forward(
    detector: Detector, inputs: Sequence[Tensor], known: Known, batch_size: int
) -> npt.NDArray[np.float32]:
    """Give the logits of prepared images, ``batch_size`` or as many as its card pins at a time."""
    batch_size = detector.card.batch_dependent or batch_size
    parts = []
    with torch.inference_mode():
        for start in range(0, len(inputs), batch_size):
            stop = start + batch_size
            batch = torch.stack(list(inputs[start:stop])).to(detector.device)
            part = known.part(start, stop).to(detector.device)
            parts.append(detector.answer(batch, part).float().cpu().numpy())
    found: npt.NDArray[np.float32] = np.concatenate(parts)
    return found
