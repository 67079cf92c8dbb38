"""The scores of a run on their way: units, then one sorted file a model."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa

from benchmark.scoring.units import Unit
from results.errors import ResultError
from results.files import atomic_write, own_file
from results.hashing import content_hash
from results.store import (
    SCORE_SCHEMA,
    check_scores,
    plausible,
    read_model,
    read_parquet,
    read_scores,
    scores_path,
    write_model,
    write_parquet,
    write_scores,
)

_UNIT_SCHEMA = pa.schema([("model", pa.string()), *SCORE_SCHEMA])
_UNIT_FILE = re.compile(r"[^.].*\.parquet")
_UNIT_KEY = ["model", "dataset", "condition", "sample_id"]


class ScoreStore:
    """The scores of a run: finished models, and units on their way to them."""

    def __init__(self, run: Path) -> None:
        """Use the run at ``run``."""
        self._run = run
        self._units = run / "units"
        self._known: frozenset[str] = frozenset()

    def done(self, models: Sequence[str]) -> pd.DataFrame:
        """Read the scores there are of ``models``, units included that are as they were written."""
        self._known = self._names()
        found = {model: self._finished(model) for model in models}
        tables = [table.assign(model=model) for model, table in found.items() if table is not None]
        tables += [table for table in map(_read_unit, self._unit_paths()) if table is not None]
        if not tables:
            return pd.DataFrame({name: [] for name in _UNIT_SCHEMA.names})
        # A unit may stand beside the finished model it was merged into, if that was interrupted.
        return pd.concat(tables, ignore_index=True).drop_duplicates(_UNIT_KEY)

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
        tables = [table for table in (_read_unit(self._units / name) for name in new)
                  if table is not None]  # fmt: skip
        if not tables:
            return {}
        by_key = pd.concat(tables).groupby(["model", "condition"], sort=False)["sample_id"]
        return {(str(model), str(key)): frozenset(ids) for (model, key), ids in by_key}

    def damaged(self, models: Sequence[str]) -> list[Path]:
        """List scores of ``models`` and units that are not as they were written: they are no use.

        They count as not computed yet.
        """
        paths = {model: scores_path(self._run, model) for model in models}
        scores = [p for m, p in paths.items() if p.is_file() and self._finished(m) is None]
        return scores + [path for path in self._unit_paths() if _read_unit(path) is None]

    def _finished(self, model: str) -> pd.DataFrame | None:
        """Read the scores of a finished model; None if there are none, or not those it states."""
        try:
            check_scores(self._run, model)
            return read_scores(self._run, model)
        except ResultError:
            return None

    def merge(self, models: Sequence[str]) -> None:
        """Put the units of ``models`` into one sorted file each, then drop all units."""
        if not self._units.is_dir():
            return
        units = [table for table in map(_read_unit, self._unit_paths()) if table is not None]
        touched = {str(model) for table in units for model in table["model"].unique()} & set(models)
        scores = self.done(sorted(touched))
        for model, part in scores[scores["model"].isin(touched)].groupby("model", sort=True):
            write_scores(self._run, str(model), part[SCORE_SCHEMA.names])
            self._state_form(str(model))
        shutil.rmtree(self._units)

    def _form(self, model: str) -> Path:
        """Say where the form in which a model scores stands until the units are merged."""
        return own_file(self._units, model, ".form")

    def _state_form(self, model: str) -> None:
        """Write into a model's file in which form it scored."""
        path = own_file(self._run / "models", model, ".json")
        if path.is_file() and self._form(model).is_file():
            told = self._form(model).read_text(encoding="utf-8")
            write_model(self._run, read_model(self._run, model).model_copy(update={"scored": told}))

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


def _read_unit(path: Path) -> pd.DataFrame | None:
    """Read a unit; None if it is not as it was written, which its name tells."""
    try:
        table: pd.DataFrame = read_parquet(path).to_pandas()
        good = path.stem.endswith(f"-{_unit_hash(table)}")
        return table if good and plausible(table["logit"].to_numpy()).all() else None
    except (ResultError, KeyError, TypeError):
        return None


def _unit_hash(scores: pd.DataFrame) -> str:
    """Name the content of a unit."""
    ordered = scores[_UNIT_SCHEMA.names].sort_values(_UNIT_KEY, kind="stable")
    return content_hash(ordered)[:16]
