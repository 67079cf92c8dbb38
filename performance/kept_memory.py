"""How long a training step on a CPU takes with freed memory kept, against glibc's own rule.

    python -m performance.kept_memory [--detectors xception,mfclip] [--rounds 5] [--json FILE]

The rule belongs to a process, so each side of a pair is a process of its own: one step that does
not count, then ``STEPS`` of the size ``tiny`` on resident random images, 32 of them as its recipe
has it. Beside the time: pages that the system had to give, a step, and the most memory in use.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import torch

from benchmark.environment import keep_freed_memory
from detectors import create_detector
from detectors.base import Batch
from performance.measuring import Row, hardware, write_report

STEPS, BATCH = 20, 32
TAXA = (
    ("real", "real", "real", "camera"),
    ("fake", "EFS", "GAN", "one"),
    ("fake", "FS", "graphics", "two"),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print; with ``--side`` measure one side and print it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--detectors", default="xception,mfclip")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--side", choices=("own", "kept"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.side:
        print(json.dumps(side(options.detectors, kept=options.side == "kept")))
        return
    rows = [row(name, options.rounds) for name in options.detectors.split(",")]
    write_report({"training steps, tiny": rows}, hardware(torch.device("cpu")), options.json)


def row(detector: str, rounds: int) -> Row:
    """Time a detector's steps in pairs of processes."""
    pairs = [(_in_process(detector, "own"), _in_process(detector, "kept")) for _ in range(rounds)]
    own, kept = ([pair[i] for pair in pairs] for i in (0, 1))
    return {
        "detector": detector,
        "by glibc's rule, ms": median(each["ms"] for each in own),
        "kept, ms": median(each["ms"] for each in kept),
        "ratio": median(a["ms"] / b["ms"] for a, b in pairs),
        "pages a step": median(each["pages"] for each in own),
        "kept, pages a step": median(each["pages"] for each in kept),
        "peak, MB": median(each["peak"] for each in own),
        "kept, peak, MB": median(each["peak"] for each in kept),
    }


def _in_process(detector: str, name: str) -> dict[str, float]:
    """Measure one side in a process of its own."""
    command = [sys.executable, "-m", "performance.kept_memory", "--detectors", detector]
    done = subprocess.run([*command, "--side", name], check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def side(name: str, *, kept: bool) -> dict[str, float]:
    """Give milliseconds and pages a step, and the process's peak in MB."""
    if kept and not keep_freed_memory():
        raise SystemExit("freed memory cannot be kept here: no glibc, or MALLOC_... is set")
    torch.manual_seed(0)
    detector = create_detector(name, size="tiny", taxa=TAXA, untrained=True).train()
    optimizer = torch.optim.AdamW(detector.parameters())
    batch = Batch(
        inputs=torch.rand(BATCH, *detector.transform.shape),
        labels=torch.tensor([0.0, 1.0] * (BATCH // 2)),
        taxa=torch.tensor([0, 1, 0, 2] * (BATCH // 4)),
    )

    def step() -> None:
        optimizer.zero_grad()
        detector.loss(batch)["total"].backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    step()
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, time.perf_counter()
    for _ in range(STEPS):
        step()
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    return {
        "ms": seconds / STEPS * 1000,
        "pages": (after.ru_minflt - before) / STEPS,
        "peak": after.ru_maxrss / 1000,
    }


if __name__ == "__main__":
    main()
