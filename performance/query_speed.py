"""How long the table over many runs takes, against reading its JSON files alone.

    python -m performance.query_speed [--cells 5000] [--runs 100]

The records are those of one cell under many names; what they say does not change the time.
"""

import argparse
import tempfile
import time
from pathlib import Path

from results.files import json_text, read_json
from results.query import cells
from results.schema import CellRecord, Record, RunFacts, Value
from results.store import write_run

_PER_RECORD = 10
METRICS = ("AUC", "AP", "EER", "ACC")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=5000)
    parser.add_argument("--runs", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        runs = write_runs(Path(name), options.cells, options.runs)
        started = time.perf_counter()
        for path in Path(name).glob("*/records/*/*.json"):
            read_json(path)
        json_seconds = time.perf_counter() - started
        started = time.perf_counter()
        table = cells(runs)
        seconds = time.perf_counter() - started
    print(
        f"{len(table)} rows, {len(table) // len(METRICS)} cells, {len(runs)} runs: {seconds:.2f} s"
    )
    print(f"table / JSON alone: {seconds / json_seconds:.1f}")


def write_runs(folder: Path, n_cells: int, n_runs: int) -> list[Path]:
    """Write runs that together have at least ``n_cells`` cells."""
    n_records = -(-n_cells // (_PER_RECORD * n_runs))
    runs = [folder / f"run{number}" for number in range(n_runs)]
    for run in runs:
        write_run(run, _facts(n_records))
        (run / "records" / "p").mkdir(parents=True)
        for number in range(n_records):
            # Not by the store, which waits for the disk after every file.
            text = _record(f"m{number}").model_dump(mode="json", by_alias=True)
            path = run / "records" / "p" / f"m{number}.json"
            path.write_text(json_text(text, str(path)))
    return runs


def _facts(n_models: int) -> RunFacts:
    """State a run."""
    entries = [
        {"protocol": "p", "training": "a", "detector": f"d{n}", "seed": 0, "model": f"m{n}"}
        for n in range(n_models)
    ]
    dataset = {"name": "x", "fingerprint": "f", "n_samples": 9, "n_missing": 0, "synthetic": True}
    return RunFacts.model_validate(
        {
            "study": "s",
            "title": "S",
            "protocols": [],
            "data": {"data": dataset},
            "entries": [{**entry, "gap": None} for entry in entries],
            "batch_size": 1,
        }
    )


def _record(model: str) -> Record:
    """Make a record of ``_PER_RECORD`` cells."""
    of_cell = {
        "training": "a", "role": "data", "condition": "clean", "condition_name": "clean",
        "severity": 0, "level": "image", "reals": "same-source", "policy": "same-source",
        "pooled": False, "headline": True, "seen": False, "n_real": 500, "n_fake": 500,
        "n_missing": 0, "n_orphans": 0, "prevalence": 0.5, "other_reals": {},
        "metrics": {name: Value(value=0.5) for name in METRICS},
    }  # fmt: skip
    cells_of = [CellRecord.model_validate({**of_cell, "test": f"t{n}"}) for n in range(_PER_RECORD)]
    return Record(
        protocol="p", protocol_version=1, protocol_hash="h", model=model, detector="d", title="D",
        size="tiny", init="random", track="common", seed=0, data={"data": "f"}, scores="s",
        cells=cells_of,
    )  # fmt: skip


if __name__ == "__main__":
    main()
