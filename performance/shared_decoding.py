"""How much scoring several models together saves over scoring them one by one.

    python performance/shared_decoding.py [--models 8] [--images 240]

Scores the same images under the robustness conditions with a group of models, and with each model
alone; prints the ratio of the two times, and how many images were decoded.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from benchmark.data.manifest import read_manifest
from benchmark.data.source import ImageSource
from benchmark.progress import Progress
from benchmark.scoring.score import score
from benchmark.scoring.store import ScoreStore
from benchmark.scoring.units import plan_groups
from benchmark.study.samples import verified_samples
from benchmark.synthetic.generate import SetSizes, generate
from benchmark.training.engine import Engine
from benchmark.training.store import ModelStore
from detectors import create_detector
from protocols import load_protocol


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=8)
    parser.add_argument("--images", type=int, default=240)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest = read_manifest(generate(folder / "data", counts=SetSizes(train=8, val=2, test=2)))
        samples = verified_samples({"data": manifest}, allow_missing=False, progress=Progress())
        rows = np.arange(min(options.images, len(samples)))
        detector = create_detector("xception", size="tiny", untrained=True)
        conditions = load_protocol("robustness-basic").expanded_conditions
        needs = {f"m{i}": dict.fromkeys(conditions, rows) for i in range(options.models)}
        seconds = {}
        for group_size in (options.models, 1):
            engine = Engine(
                source=ImageSource(samples, {"data": manifest.root}),
                models=ModelStore(folder),
                device=torch.device("cpu"),
                batch_size=48,
                checkpoint_seconds=60,
                progress=Progress(),
            )
            store = ScoreStore(folder / f"run{group_size}")
            groups = plan_groups(samples, needs, store.done(), group_size)
            started = time.perf_counter()
            score(groups, engine, store, lambda _: detector, noise_seed=0)
            seconds[group_size] = time.perf_counter() - started
            decodes = sum(group.decodes for group in groups)
            print(f"groups of {group_size}: {seconds[group_size]:.1f} s, {decodes} decodes")
        print(f"one by one / together: {seconds[1] / seconds[options.models]:.2f}")


if __name__ == "__main__":
    main()
