"""What the engine costs around its networks, and how that grows with the data.

    python -m performance.engine [--part growth] [--rows 10000,100000,1000000] [--json FILE]
    python -m performance.engine --part loading [--images 480] [--workers 0,1,2] [--rounds 5]

``growth``: a synthetic manifest of so many rows is read and planned, a run on it is gone on with,
an order of training is drawn, its scores are merged; and a report is built of so many scores. No
image is read. Each stage is timed in a process of its own, by that process's clock, which others on
the machine hardly change; beside it stands the most memory that the process took.

``loading``: scores a second of a detector that answers at once, by threads that load; see
``performance.loading``.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from math import log
from pathlib import Path

import torch

from performance.growth import STAGES, prepare
from performance.loading import loading
from performance.measuring import Row, hardware, write_report

PARTS = ("growth", "loading")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=PARTS, default="growth")
    parser.add_argument("--rows", default="10000,100000,1000000")
    parser.add_argument("--stages", default=",".join(STAGES), help="Some of the stages of growth.")
    parser.add_argument("--images", type=int, default=480)
    parser.add_argument("--workers", default="0,1,2")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    where = hardware(torch.device("cpu"))
    if options.part == "loading":
        workers = [int(number) for number in options.workers.split(",")]
        rows = loading(options.images, workers, options.rounds)
        write_report({"loading": rows}, where, options.json)
        return
    sizes = sorted(int(number) for number in options.rows.split(","))
    rows = growth(sizes, options.stages.split(","))
    write_report({"growth": rows}, where, options.json)


def growth(sizes: Sequence[int], stages: Sequence[str]) -> list[Row]:
    """Time the stages at each size; ``times n log n`` compares a size with the one before it."""
    found: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folders = {size: Path(name, str(size)) for size in sizes}
        for size, folder in folders.items():
            folder.mkdir()
            prepare(folder, size)
        for stage in stages:
            told = [in_process(stage, folders[size], size) for size in sizes]
            found += [
                {"stage": stage, "rows": size, **each}
                for size, each in zip(sizes, told, strict=True)
            ]
            for place, (before, now) in enumerate(pairwise(sizes), len(found) - len(sizes) + 1):
                expected = now * log(now) / (before * log(before))
                grown = found[place]["seconds"] / max(found[place - 1]["seconds"], 1e-3)
                found[place]["times n log n"] = grown / expected
    return [{**row, "times n log n": row.get("times n log n")} for row in found]


def in_process(stage: str, folder: Path, rows: int) -> dict[str, float]:
    """Time one stage in a process of its own."""
    command = [sys.executable, "-m", "performance.growth", stage, str(folder), str(rows)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
