"""What the engine costs around its networks, and how that grows with the data.

    python -m performance.engine [--part study,loading,...] [--images N] [--rounds N] [--json FILE]

Parts, each with its bars in its table; without ``--part`` all of them run:

- ``study``: a robustness study of five detectors under 36 conditions against a plain loop per
  detector and condition, networks left out on both sides (``performance.around_networks``).
- ``end-to-end``: scoring from files against forward passes alone on inputs in memory.
- ``loading``: scores a second of a detector that answers at once, by threads that load, and what
  16 cores could do at most at that rate (``performance.loading``).
- ``decoders``: libraries that decode a JPEG, alone and in two threads (``performance.decoders``).
- ``videos``: clips checked and scored against a reader that goes frame by frame
  (``performance.videos``).
- ``growth``: a synthetic manifest of so many rows is read and planned, a run on it is gone on with,
  an order of training is drawn, its scores are merged, and a report is built of so many scores.
- ``report``: a report of 27 detectors under 60 conditions on 20,000 images each.
- ``start-up``: the command line against a bare typer program (``performance.start_up``).

No image is read for ``growth`` and ``report``. Their stages are timed in processes of their own.
Times are the process's own where nothing else is said, which others on the machine hardly change;
with ``--device cuda`` those of ``end-to-end`` are the wall's.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from itertools import pairwise
from math import log
from pathlib import Path

import torch

from performance.around_networks import end_to_end, study
from performance.decoders import decoders
from performance.growth import STAGES, prepare
from performance.kept_pixels import kept_pixels
from performance.loading import loading
from performance.measuring import Row, hardware, write_report
from performance.start_up import start_up
from performance.videos import videos

FACES = Path(__file__).resolve().parents[2] / "shared" / "data" / "faces" / "manifest.csv"
GROWING = tuple(name for name in STAGES if name != "large report")
# Images of which a report's cell has 20,000: eight tenths of them are for testing.
LARGE = 25_000


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", default=",".join(PARTS), help="One or more, with commas between.")
    parser.add_argument("--data", type=Path, default=FACES, help="Manifest of faces.")
    parser.add_argument("--images", type=int, default=500, help="So many of the faces.")
    parser.add_argument("--detectors", default="xception,mfclip", help="Of end-to-end.")
    parser.add_argument("--device", default="cpu", help="Of end-to-end.")
    parser.add_argument("--workers", default="0,1,2", help="Of loading.")
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--frames", type=int, default=32, help="Of each clip.")
    parser.add_argument("--rows", default="10000,100000,1000000", help="Sizes of growth.")
    parser.add_argument("--stages", default=",".join(GROWING), help="Some of the stages of growth.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="Of torch.")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    if unknown := set(options.part.split(",")) - PARTS.keys():
        parser.error(f"no part is called {sorted(unknown)}; there are {', '.join(PARTS)}")
    torch.set_num_threads(options.threads)
    tables = {name: PARTS[name](options) for name in options.part.split(",")}
    write_report(tables, hardware(torch.device(options.device)), options.json)


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


def large_report() -> list[Row]:
    """Time the report of 27 detectors under 60 conditions on 20,000 images."""
    with tempfile.TemporaryDirectory() as name:
        prepare(Path(name), LARGE, (1, 2))
        told = in_process("large report", Path(name), LARGE)
    return [
        {"report": "27 detectors x 60 cells x 20,000 scores", **told, "bar": 60, "bar, MB": 4000}
    ]


def in_process(stage: str, folder: Path, rows: int) -> dict[str, float]:
    """Time one stage in a process of its own."""
    command = [sys.executable, "-m", "performance.growth", stage, str(folder), str(rows)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


PARTS: dict[str, Callable[[argparse.Namespace], list[Row]]] = {
    "study": lambda asked: study(asked.data, asked.images, asked.rounds),
    "end-to-end": lambda asked: end_to_end(
        asked.data,
        asked.detectors.split(","),
        asked.images,
        asked.rounds,
        torch.device(asked.device),
    ),
    "loading": lambda asked: loading(
        asked.images, [int(number) for number in asked.workers.split(",")], asked.rounds
    ),
    "decoders": lambda asked: decoders(asked.data, asked.images, asked.rounds),
    "kept-pixels": lambda asked: kept_pixels(asked.data, asked.images, asked.rounds),
    "videos": lambda asked: videos(asked.clips, asked.frames, asked.rounds),
    "growth": lambda asked: growth(
        sorted(int(number) for number in asked.rows.split(",")), asked.stages.split(",")
    ),
    "report": lambda _: large_report(),
    "start-up": lambda asked: start_up(asked.rounds),
}


if __name__ == "__main__":
    main()
