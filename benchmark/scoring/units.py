"""Scoring in units: every image decoded once a group of models, every condition made once.

A unit is a shard of a dataset's samples under one condition, for a group of models that fit in
memory together. It is written whole or not at all and never computed again. Shards are cut from
the sorted table of the whole dataset, so which images share a forward pass does not depend on what
was already done, on the group, or on the order: a stopped run ends with the same bytes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmark.data.loader import Rows
from protocols.conditions import Condition

SHARD = 240
_Marks = npt.NDArray[np.uint8]
_BITS: _Marks = np.left_shift(1, np.arange(8)).astype(np.uint8)

Needs = Mapping[str, Mapping[Condition, Rows]]
"""Model id -> condition -> rows of the samples table that it must be scored on."""

ReadScores = Callable[[Sequence[str]], Iterable[pd.DataFrame]]
"""Gives the scores there are of some models, table by table: ``model``, ``dataset``,
``sample_id`` and ``condition``, text as categories; a score may come twice."""

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
    def is_attack(self) -> bool:
        """Whether its images are made with a model's gradient."""
        return self.condition.stage == "model"

    @property
    def title(self) -> str:
        """Name it in a log: dataset, shard and condition."""
        return f"{self.dataset}/{self.shard:05d}/{self.condition.key}"

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
    samples: pd.DataFrame, needs: Needs, done: ReadScores, group_size: int
) -> tuple[Group, ...]:
    """Tell what is left to score; pure but for what ``done`` reads.

    Args:
        samples: The samples table, sorted by dataset and sample id.
        needs: What must be scored.
        done: Gives the scores there are; it is called for one group of models at a time.
        group_size: Most models in memory at once.

    Returns:
        Groups in the order of ``needs``. A model's share of a shard is computed whole or not at
        all: if any of its scores is missing, all of them are left to do.
    """
    cut, scored = _Cut(samples), _Scored(samples)
    groups = []
    models = list(needs)
    for start in range(0, len(models), group_size):
        chosen = models[start : start + group_size]
        units: dict[tuple[str, int, Condition], dict[str, Rows]] = {}
        have = scored.of(done(chosen))
        for model in chosen:
            for condition, rows in needs[model].items():
                there = have.get((model, condition.key))
                for (dataset, number), part in cut.shards(rows):
                    if there is None or not _are_marked(there, part):
                        units.setdefault((dataset, number, condition), {})[model] = part
        ordered = sorted(units.items(), key=lambda item: (item[0][0], item[0][1], item[0][2]))
        left = tuple(
            Unit(dataset=dataset, shard=number, condition=condition, rows=rows)
            for (dataset, number, condition), rows in ordered
        )
        if left:
            groups.append(Group(models=tuple(chosen), units=left))
    return tuple(groups)


class _Cut:
    """Cuts rows where dataset or shard changes; models that share their rows share the parts."""

    def __init__(self, samples: pd.DataFrame) -> None:
        self._shard = shards(samples)
        self._datasets = samples["dataset"].to_numpy()
        self._known: dict[int, tuple[Rows, list[tuple[tuple[str, int], Rows]]]] = {}

    def shards(self, rows: Rows) -> list[tuple[tuple[str, int], Rows]]:
        """Give the parts of ascending rows, each with its dataset and the number of its shard."""
        known = self._known.get(id(rows))
        if known is None:
            # The rows stay with their parts, so that no other array comes to have their id.
            known = self._known[id(rows)] = rows, list(self._parts(rows))
        return known[1]

    def _parts(self, rows: Rows) -> Iterator[tuple[tuple[str, int], Rows]]:
        if not len(rows):
            return
        datasets, shard = self._datasets[rows], self._shard[rows]
        change = (datasets[1:] != datasets[:-1]) | (np.diff(shard) != 0)
        for part in np.split(rows, np.flatnonzero(change) + 1):
            yield (str(self._datasets[part[0]]), int(self._shard[part[0]])), part


class _Scored:
    """Which rows have scores, by model and condition: a bit a row."""

    def __init__(self, samples: pd.DataFrame) -> None:
        self._samples = samples

    def of(self, tables: Iterable[pd.DataFrame]) -> dict[tuple[str, str], _Marks]:
        """Mark the rows of each model and condition of some tables."""
        found: dict[tuple[str, str], _Marks] = {}
        for table in tables:
            rows = self._rows(table)
            groups = table.groupby(["model", "condition"], observed=True).indices
            for group, places in groups.items():
                key = cast("tuple[str, str]", group)
                marks = found.setdefault(key, np.zeros(len(self._samples) // 8 + 1, np.uint8))
                here = rows[places]
                here = here[here >= 0]
                np.bitwise_or.at(marks, here // 8, _BITS[here % 8])
        return found

    def _rows(self, table: pd.DataFrame) -> Rows:
        """Find the row of each sample, -1 if it is none of ours; each name is looked up once."""
        found = np.full(len(table), -1, np.int64)
        ids = table["sample_id"].cat
        for name, places in table.groupby("dataset", observed=True).indices.items():
            if name in self._positions:
                first, index = self._positions[name]
                at = index.get_indexer(ids.categories)
                at = np.where(at >= 0, at + first, -1)
                found[places] = at[ids.codes.to_numpy()[places]]
        return found

    @cached_property
    def _positions(self) -> dict[str, tuple[int, pd.Index]]:
        """By dataset its first row, and the ids from there on: the table is sorted by both."""
        found = {}
        for name, places in self._samples.groupby("dataset", sort=False).indices.items():
            found[str(name)] = int(places[0]), pd.Index(self._samples["sample_id"].iloc[places])
        return found


def _are_marked(marks: _Marks, rows: Rows) -> bool:
    """Tell whether all rows are marked."""
    return bool((marks[rows // 8] & _BITS[rows % 8]).all())
