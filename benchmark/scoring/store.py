"""The scores of a run on their way: units, then one sorted file a model."""

import hashlib
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from benchmark.scoring.units import ReadScores, Unit
from results.errors import ResultError
from results.files import atomic_write, own_file
from results.hashing import content_hash
from results.parquet import read_table, uncoded
from results.store import (
    SCORE_KEY,
    SCORE_SCHEMA,
    plausible,
    read_coded_scores,
    read_model,
    scores_path,
    write_model,
    write_parquet,
    write_scores,
)

# Of models that are merged together: 1 GB at 30 bytes a score.
_MOST_ROWS = 1 << 25
_COMPACT_ROWS = 1 << 20
_UNIT_SCHEMA = pa.schema([("model", pa.string()), *SCORE_SCHEMA])
_UNIT_FILE = re.compile(r"[^.].*\.parquet")
_UNIT_KEY = ["model", "dataset", "condition", "sample_id"]


class ScoreStore:
    """The scores of a run: finished models, and units on their way to them.

    Neither all models nor all units are ever in memory: a model of 10^6 images under 36 conditions
    has 36 million scores.
    """

    def __init__(self, run: Path) -> None:
        """Use the run at ``run``."""
        self._run = run
        self._units = run / "units"
        self._known: frozenset[str] = frozenset()
        self._models_of: dict[str, tuple[str, ...]] = {}  # a unit's name tells its content

    def done(self) -> ReadScores:
        """Look at what there is now; give what reads the scores of some models, table by table.

        One finished model or unit is a table: ``model``, ``dataset``, ``sample_id``, ``condition``
        and ``logit``, text as categories. Of a unit that is not as it was written there is none. A
        score may come twice: merging may have been interrupted.
        """
        self._known = self._names()
        return partial(self._tables, names=sorted(self._known))

    def _tables(self, models: Sequence[str], names: Sequence[str]) -> Iterator[pd.DataFrame]:
        """Give the finished ones of some models, then their units."""
        for model in models:
            finished = self._finished(model)
            if finished is not None:
                yield finished.assign(model=pd.Categorical([model]).repeat(len(finished)))
        for table in self._units_of(models, names):
            yield table.to_pandas()

    def add(self, unit: Unit, scores: pd.DataFrame) -> None:
        """Write a finished unit."""
        stem = f"{_unit_name(unit)}-{_unit_hash(scores)}"
        write_parquet(own_file(self._units, stem, ".parquet"), scores, _UNIT_SCHEMA, _UNIT_KEY)

    def tell_form(self, model: str, told: str) -> None:
        """State in which form a model scores, the same whoever says so; ``merge`` takes it down."""
        atomic_write(self._form(model), told)

    def written(self) -> dict[str, str]:
        """Name the files of units, each by its models, rows and condition."""
        return {name.rpartition("-")[0]: name for name in sorted(self._names())}

    def is_among(self, unit: Unit, written: Mapping[str, str]) -> bool:
        """Tell whether a unit is one of those that were ``written``, and is as it was then."""
        name = written.get(_unit_name(unit))
        return name is not None and _read_unit(self._units / name) is not None

    def scored_since(self, dataset: str, shard: int) -> dict[tuple[str, str], frozenset[str]]:
        """Tell what was scored of a shard since ``done`` was called last, by whatever worker.

        Returns:
            The ids of the samples, by model and key of the condition.
        """
        begin = f"{_shard_name(dataset, shard)}-"
        new = sorted(name for name in self._names() - self._known if name.startswith(begin))
        found: dict[tuple[str, str], set[str]] = {}
        for name in new:
            table = _read_unit(self._units / name)
            if table is None:
                continue
            by_key = table.to_pandas().groupby(["model", "condition"], observed=True)["sample_id"]
            for (model, key), ids in by_key:
                found.setdefault((str(model), str(key)), set()).update(ids)
        return {key: frozenset(ids) for key, ids in found.items()}

    def damaged(self, models: Sequence[str]) -> list[Path]:
        """List scores of ``models`` and units that are not as they were written: they are no use.

        They count as not computed yet.
        """
        paths = {model: scores_path(self._run, model) for model in models}
        scores = [p for m, p in paths.items() if p.is_file() and self._finished(m) is None]
        return scores + [path for path in self._unit_paths() if _read_unit(path) is None]

    def merge(self, models: Sequence[str]) -> None:
        """Put the units of ``models`` into one sorted file each, then drop all units."""
        if not self._units.is_dir():
            return

        rows: Counter[str] = Counter()
        names = sorted(self._names())
        for table in self._units_of(models, names):
            counted = table["model"].value_counts()
            rows.update({each["values"]: each["counts"] for each in counted.to_pylist()})
        for part in _batches([model for model in models if model in rows], rows):
            self._merge_together(part, names)
        shutil.rmtree(self._units)

    def _merge_together(self, models: Sequence[str], names: Sequence[str]) -> None:
        """Merge models whose scores fit in memory together: each unit is read once for all."""
        found = {model: _Gathered() for model in models}
        for table in self._units_of(models, names):
            for model in set(table["model"].unique().to_pylist()) & found.keys():
                found[model].add(table.filter(pc.equal(table["model"], model)).drop(["model"]))
        for model in models:
            scores = found.pop(model).scores()
            finished = self._finished(model)
            if finished is not None:
                both = [pa.Table.from_pandas(t, preserve_index=False) for t in (finished, scores)]
                scores = _joined(both).to_pandas()
            # A unit may stand beside the model it was merged into, if that was interrupted.
            write_scores(self._run, model, scores.drop_duplicates(list(SCORE_KEY)))
            self._state_form(model)

    def _form(self, model: str) -> Path:
        """Say where the form in which a model scores stands until the units are merged."""
        return own_file(self._units, model, ".form")

    def _state_form(self, model: str) -> None:
        """Write into a model's file in which form it scored."""
        path = own_file(self._run / "models", model, ".json")
        if path.is_file() and self._form(model).is_file():
            told = self._form(model).read_text(encoding="utf-8")
            write_model(self._run, read_model(self._run, model).model_copy(update={"scored": told}))

    def _finished(self, model: str) -> pd.DataFrame | None:
        """Read the scores of a finished model; None if there are none, or not those it states."""
        try:
            if read_model(self._run, model).scores is None:
                return None
            return read_coded_scores(self._run, model)
        except ResultError:
            return None

    def _units_of(self, models: Sequence[str], names: Sequence[str]) -> Iterator[pa.Table]:
        """Give the units among ``names`` that hold scores of ``models``."""
        wanted = set(models)
        for name in names:
            if name in self._models_of and wanted.isdisjoint(self._models_of[name]):
                continue
            table = _read_unit(self._units / name)
            if table is None:
                continue
            held = self._models_of[name] = tuple(table["model"].unique().to_pylist())
            if not wanted.isdisjoint(held):
                yield table

    def _names(self) -> frozenset[str]:
        """List the files of units."""
        try:
            with os.scandir(self._units) as entries:
                found = [entry.name for entry in entries]
        except FileNotFoundError:
            return frozenset()
        return frozenset(name for name in found if _UNIT_FILE.fullmatch(name))

    def _unit_paths(self) -> list[Path]:
        return sorted(self._units.glob("*.parquet"))


def _shard_name(dataset: str, shard: int) -> str:
    """Begin the name of every unit of a shard."""
    return f"{dataset}-{shard:05d}"


def _unit_name(unit: Unit) -> str:
    """Name a unit by its models, rows and condition."""
    parts = {model: rows.tolist() for model, rows in unit.rows.items()}
    named = json.dumps([unit.condition.key, parts], sort_keys=True)
    digest = hashlib.sha256(named.encode()).hexdigest()[:16]
    return f"{_shard_name(unit.dataset, unit.shard)}-{digest}"


class _Gathered:
    """The scores of one model from many units, 16 bytes each and the names once in a million."""

    def __init__(self) -> None:
        self._whole: list[pa.Table] = []
        self._parts: list[pa.Table] = []
        self._rows = 0

    def add(self, part: pa.Table) -> None:
        """Add what a unit has of the model."""
        self._parts.append(part)
        self._rows += len(part)
        if self._rows > _COMPACT_ROWS:
            self._whole.append(_joined(self._parts))
            self._parts, self._rows = [], 0

    def scores(self) -> pd.DataFrame:
        """Give all of them, text as categories."""
        found: pd.DataFrame = _joined(self._whole + self._parts).to_pandas()
        return found


def _joined(parts: list[pa.Table]) -> pa.Table:
    """Put tables behind each other, in one piece."""
    return pa.concat_tables(parts).unify_dictionaries().combine_chunks()


def _batches(models: Sequence[str], rows: Mapping[str, int]) -> Iterator[list[str]]:
    """Part models so that the scores of each part fit in memory."""
    part: list[str] = []
    held = 0
    for model in models:
        if part and held + rows[model] > _MOST_ROWS:
            yield part
            part, held = [], 0
        part.append(model)
        held += rows[model]
    if part:
        yield part


def _read_unit(path: Path) -> pa.Table | None:
    """Read a unit, text coded; None if it is not as it was written, which its name tells."""
    try:
        table = read_table(path, coded=True)
        good = uncoded(table.schema).equals(_UNIT_SCHEMA)
        good = good and path.stem.endswith(f"-{content_hash(table)[:16]}")
        return table if good and plausible(table["logit"].to_numpy()).all() else None
    except ResultError:
        return None


def _unit_hash(scores: pd.DataFrame) -> str:
    """Name the content of a unit."""
    ordered = scores[_UNIT_SCHEMA.names].sort_values(_UNIT_KEY, kind="stable")
    return content_hash(ordered)[:16]
