"""Every number of one or many runs in one long table, to be filtered and grouped by."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

import pandas as pd

from results.errors import ResultError
from results.faults import checked_contents, refuse_stale
from results.schema import CellRecord, Entry, Record, RunFacts, Value
from results.store import read_run, records

# What a cell says of itself beside its numbers, and what a number says of itself.
_CELL = tuple(n for n, f in CellRecord.model_fields.items() if get_origin(f.annotation) is not dict)
_NUMBERS = tuple(n for n, f in Value.model_fields.items() if float in get_args(f.annotation))
_MODEL = ("protocol", "protocol_version", "protocol_hash", "model", "detector", "title")
_TRAINED = ("size", "init", "track", "seed")
_WHOLE = (
    *("protocol_version", "seed", "severity", "n_real", "n_fake", "clusters_real", "clusters_fake"),
    *("n_missing", "n_orphans"),
)
_TRUTH = ("pooled", "headline", "seen")
_RUN = ("run", "study", "data", "synthetic")


def cells(runs: Path | str | Sequence[Path | str]) -> pd.DataFrame:
    """Read the records of some runs as one table: a row a cell and metric.

    Args:
        runs: Folders of runs whose records are there (``forgerybench report`` makes them).

    Returns:
        ``run`` (the folder as given), ``study``, ``data`` (the fingerprint of the cell's dataset),
        ``synthetic``; protocol, model and training; all that ``CellRecord`` states; then
        ``metric`` and what ``Value`` states, NaN where there is no value but a ``reason``. A
        training set without a model has one row with the reason alone.

    Raises:
        ResultError: No run is given, one is given twice, a file is missing or wrong, or a run is
            not what it was sealed as.
    """
    folders = [Path(runs)] if isinstance(runs, str | Path) else [Path(run) for run in runs]
    if not folders:
        raise ResultError("no folder of a run is given")
    again = next((f for f in folders if folders.count(f) > 1), None)
    if again is not None:
        raise ResultError(f"{again} is given twice")
    rows: list[dict[str, Any]] = []
    for folder in folders:
        contents = checked_contents(folder)
        facts = read_run(folder)
        found = records(folder) if any(entry.model for entry in facts.entries) else []
        for record in found:
            refuse_stale(contents, record)
        for record in found:
            rows += _rows(folder, facts, record)
        rows += [_gap(folder, entry, facts) for entry in facts.entries if entry.model is None]
    columns = (*_RUN, *_MODEL, *_TRAINED, *_CELL, "metric", *Value.model_fields)
    table = pd.DataFrame(rows, columns=list(dict.fromkeys(columns)))
    kinds = dict.fromkeys(_WHOLE, "Int64") | dict.fromkeys((*_TRUTH, "synthetic"), "boolean")
    return table.astype({**kinds, **dict.fromkeys((*_NUMBERS, "prevalence"), "float64")})


def _rows(folder: Path, facts: RunFacts, record: Record) -> list[dict[str, Any]]:
    """Give the rows of one model under one protocol."""
    of_model = {name: getattr(record, name) for name in (*_MODEL, *_TRAINED)}
    shared = {"run": str(folder), "study": facts.study, **of_model}
    rows = []
    for cell in record.cells:
        stated = {name: getattr(cell, name) for name in _CELL}
        dataset = facts.data.get(cell.role)  # a role may be left unbound
        where = {
            "data": record.data.get(cell.role),
            "synthetic": dataset.synthetic if dataset else None,
        }
        for metric, value in cell.metrics.items():
            rows.append({**shared, **where, **stated, "metric": metric, **dict(value)})
    return rows


def _gap(folder: Path, entry: Entry, facts: RunFacts) -> dict[str, Any]:
    """Give the row of a training set without a model."""
    return {
        "run": str(folder),
        "study": facts.study,
        "protocol": entry.protocol,
        "detector": entry.detector,
        "seed": entry.seed,
        "training": entry.training,
        "reason": f"no model: {entry.gap}",
    }
