"""The scores of a run on their way: units, then one sorted file a model."""

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa

from benchmark.scoring.units import Unit
from results.files import own_file
from results.store import (
    SCORE_SCHEMA,
    read_parquet,
    read_scores,
    scores_path,
    write_parquet,
    write_scores,
)

_UNIT_SCHEMA = pa.schema([("model", pa.string()), *SCORE_SCHEMA])
_UNIT_KEY = ["model", "dataset", "condition", "sample_id"]


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
        path = own_file(self._units, f"{unit.dataset}-{unit.shard:05d}-{name}", ".parquet")
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
