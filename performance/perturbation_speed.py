"""How long the perturbations take, against a plain NumPy chain for the noise, and in batches.

    python -m performance.perturbation_speed [--side 256] [--batch 16] [--rounds 5] [--device cuda]

``plain`` is white noise as published code draws it: planes in float, one normal number at a time
computed in double precision, conversions there and back, clip. The ratio is the median over pairs
timed one after the other. The table of all perturbations gives milliseconds an image, one by one
and, where there is such a form, in a batch on the device, the transfers included.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmark.perturbations import apply, names
from benchmark.perturbations.batched import BATCHED, apply_batch
from benchmark.perturbations.pixels import Floats, Image
from performance.measuring import Call, Row, hardware, paired, write_report
from protocols.conditions import Condition, condition

NOISE = "deeperforensics/gaussian-noise"
_STEPS = np.array([219, 224, 224])
_CPU = torch.device("cpu")


def plain_noise(image: Image, variance: float, random: np.random.Generator) -> Image:
    """Add noise to the broadcast planes in the published order of steps."""
    planes: Floats = np.asarray(cv2.cvtColor(image.astype(np.float32), cv2.COLOR_RGB2YCrCb))
    planes = (planes[..., [0, 2, 1]] * _STEPS + 16) / 255 / 255
    planes = (planes + np.sqrt(variance) * random.standard_normal(image.shape)) * 255
    planes = ((planes * 255 - 16) / _STEPS)[..., [0, 2, 1]].astype(np.float32)
    rgb = np.asarray(cv2.cvtColor(planes, cv2.COLOR_YCrCb2RGB))
    return np.clip(rgb, 0, 255).astype(np.uint8)


def noise_rows(image: Image, rounds: int) -> list[Row]:
    """Compare the noise with the plain chain."""
    what = condition(NOISE, 3, "crop", "speed")
    value = float(what.value) if isinstance(what.value, float) else what.value[0]
    times = paired(
        {
            "plain": lambda: plain_noise(image, value, np.random.default_rng(0)),
            "benchmark.perturbations": lambda: apply(what, image, noise_seed=0, sample_id="a"),
        },
        rounds,
        _CPU,
    )
    return [
        {"noise": name, "ms an image": 1000 * told["seconds"], "times as fast": told["ratio"]}
        for name, told in times.items()
    ]


def rows(image: Image, batch: int, rounds: int, device: torch.device) -> list[Row]:
    """Time severity 3 of every perturbation, one by one and in batches."""
    ids = [str(number) for number in range(batch)]
    planes = np.ascontiguousarray(image.transpose(2, 0, 1))
    images = torch.from_numpy(planes).repeat(batch, 1, 1, 1)
    found: list[Row] = []
    for name in names():
        what = condition(name, 3, "crop", "speed")

        def one_by_one(what: Condition = what) -> object:
            return [apply(what, image, noise_seed=0, sample_id=each) for each in ids]

        def together(what: Condition = what) -> object:
            return apply_batch(what, images.to(device), noise_seed=0, sample_ids=ids)

        calls: dict[str, Call] = {"one by one": one_by_one}
        if name in BATCHED:
            calls["batch"] = together
        times = paired(calls, rounds, device)
        row = {"perturbation": name, "ms an image": 1000 * times["one by one"]["seconds"] / batch}
        there = times.get("batch")
        row["in a batch"] = 1000 * there["seconds"] / batch if there else None
        row["times as fast"] = there["ratio"] if there else None
        found.append(row)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", type=int, default=256, help="of the square image, in pixels")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: torch finds no CUDA device here")
    device = torch.device(options.device)
    if device.type == "cpu":
        torch.set_num_threads(1)  # so that the clock is the process's own
        cv2.setNumThreads(1)
    coarse = np.random.default_rng(0).integers(30, 225, (8, 8, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (options.side, options.side), interpolation=cv2.INTER_CUBIC)
    image = np.asarray(smooth, dtype=np.uint8)
    tables = {
        f"noise, {options.side} px": noise_rows(image, options.rounds * 10),
        f"severity 3, {options.side} px, batch {options.batch}": rows(
            image, options.batch, options.rounds, device
        ),
    }
    write_report(tables, hardware(device), options.json)


if __name__ == "__main__":
    main()
