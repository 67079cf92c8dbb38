"""Scores units: images are decoded, changed and prepared once for all models of a group."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from benchmark.data.images import image_tensor
from benchmark.data.source import ImageSource
from benchmark.perturbations.attacks import attacked
from benchmark.scoring.conditions import perturbed
from benchmark.scoring.store import ScoreStore
from benchmark.scoring.units import Group, Surrogates, Unit
from benchmark.training.engine import Engine
from detectors.base import Detector, Known
from detectors.transform import Transform
from protocols.conditions import Condition


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
