"""How long the perturbations take, against a plain NumPy chain for the noise.

    python -m performance.perturbation_speed [--side 256] [--rounds 5]

``plain`` is white noise as published code draws it: planes in float, one normal number at a time
computed in double precision, conversions there and back, clip. The ratio is the median over pairs
timed one after the other. The table of all perturbations gives milliseconds an image.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmark.perturbations import apply, names
from benchmark.perturbations.pixels import FloatImage, Image
from performance.measuring import Row, hardware, paired, write_report
from protocols.conditions import Condition, condition

NOISE = "deeperforensics/gaussian-noise"
_STEPS = np.array([219, 224, 224])
_CPU = torch.device("cpu")
_IDS = [str(number) for number in range(16)]


def plain_noise(image: Image, variance: float, random: np.random.Generator) -> Image:
    """Add noise to the broadcast planes in the published order of steps."""
    planes: FloatImage = np.asarray(cv2.cvtColor(image.astype(np.float32), cv2.COLOR_RGB2YCrCb))
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


def rows(image: Image, rounds: int) -> list[Row]:
    """Time severity 3 of every perturbation."""
    found: list[Row] = []
    for name in names():
        what = condition(name, 3, "crop", "speed")

        def call(what: Condition = what) -> object:
            return [apply(what, image, noise_seed=0, sample_id=each) for each in _IDS]

        told = paired({name: call}, rounds, _CPU)[name]
        found.append({"perturbation": name, "ms an image": 1000 * told["seconds"] / len(_IDS)})
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", type=int, default=256, help="of the square image, in pixels")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # so that the clock is the process's own
    cv2.setNumThreads(1)
    coarse = np.random.default_rng(0).integers(30, 225, (8, 8, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (options.side, options.side), interpolation=cv2.INTER_CUBIC)
    image = np.asarray(smooth, dtype=np.uint8)
    tables = {
        f"noise, {options.side} px": noise_rows(image, options.rounds * 10),
        f"severity 3, {options.side} px": rows(image, options.rounds),
    }
    write_report(tables, hardware(_CPU), options.json)


if __name__ == "__main__":
    main()
