"""How fast images reach a detector that answers at once, by the number of threads that load.

Scoring is run whole: decoding, the conditions, preparing, forward passes of nothing, writing. It is
compared with a plain loop in one thread that decodes and prepares each image for each condition.
"""

import io
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageFilter
from torch import Tensor

from benchmark.data.images import image_tensor, read
from benchmark.data.source import ImageSource
from benchmark.perturbations import apply
from benchmark.progress import Progress
from benchmark.scoring.score import score
from benchmark.scoring.store import ScoreStore
from benchmark.scoring.units import plan_groups
from benchmark.training.engine import Engine
from benchmark.training.store import ModelStore
from detectors.base import Detector, Known
from detectors.card import Card
from performance.measuring import Call, Row, on_the_wall, own_seconds, paired
from protocols.conditions import CLEAN, Condition, condition

SIDE, INPUT = 256, 224
JPEG = condition("real-world/jpeg", 3, "crop", "performance")
BLUR = condition("deeperforensics/gaussian-blur", 3, "crop", "performance")


class Zeros(Detector):
    """Answers at once."""

    card: ClassVar[Card] = Card(
        name="zeros",
        title="Zeros",
        paper="none",
        year=2025,
        kind="spatial",
        fidelity="for measuring what surrounds a network",
        licence="Apache-2.0",
        pretraining="none",
        fit="none",
    )

    def __init__(self, *, untrained: bool = False) -> None:
        """Take inputs of 224 pixels."""
        super().__init__(input_size=INPUT, size="tiny", untrained=untrained)
        self.head = torch.nn.Linear(1, 1)

    def answer(self, inputs: Tensor, known: Known) -> Tensor:
        """Give (B,) zeros."""
        return inputs.new_zeros(len(inputs))


@contextmanager
def faces(number: int) -> Iterator[tuple[Path, pd.DataFrame]]:
    """Write JPEGs of 256 pixels with the spectrum of photographs, roughly; give their table."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        names = [f"{n:05d}.jpg" for n in range(number)]
        for each in names:
            noise = Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8))
            data = io.BytesIO()
            noise.filter(ImageFilter.GaussianBlur(2)).save(data, format="JPEG", quality=90)
            Path(name, each).write_bytes(data.getvalue())
        table = pd.DataFrame({"dataset": "data", "sample_id": names, "label": "real"})
        yield Path(name), table


def loading(images: int, workers: Sequence[int], rounds: int) -> list[Row]:
    """Compare scoring with so many threads with the plain loop; a rate is of scores."""
    conditions = {"clean": [CLEAN], "clean, JPEG and blur": [CLEAN, JPEG, BLUR]}
    with faces(images) as (root, samples):
        found: list[Row] = []
        for name, chosen in conditions.items():
            calls: dict[str, Call] = {"plain loop": partial(plain, root, samples, chosen)}
            for threads in workers:
                calls[f"{threads} threads"] = partial(scored, root, samples, chosen, threads)
            own = paired(calls, 1, torch.device("cpu"), timed=own_seconds)
            told = paired(calls, rounds, torch.device("cpu"), timed=on_the_wall)
            number = images * len(chosen)
            found += [
                {
                    "conditions": name,
                    "way": way,
                    "scores/s": number / each["seconds"],
                    "times the plain loop": each["ratio"],
                    "scores a second of a core": number / own[way]["seconds"],
                    "16 cores at most": 16 * number / own[way]["seconds"],
                }
                for way, each in told.items()
            ]
    return found


def plain(root: Path, samples: pd.DataFrame, conditions: Sequence[Condition]) -> None:
    """Decode, change and prepare image by image, condition by condition."""
    transform = Zeros(untrained=True).transform
    for each in conditions:
        for sample_id in samples["sample_id"]:
            pixels = read(root, sample_id)
            transform(image_tensor(apply(each, pixels, noise_seed=0, sample_id=sample_id)))


_RUN = count()


def scored(
    root: Path, samples: pd.DataFrame, conditions: Sequence[Condition], workers: int
) -> None:
    """Score everything as a run does."""
    out = root / f"run{next(_RUN)}"
    engine = Engine(
        source=ImageSource(samples, {"data": root}),
        models=ModelStore(root),
        device=torch.device("cpu"),
        batch_size=48,
        checkpoint_seconds=60,
        progress=Progress(),
        workers=workers,
    )
    store = ScoreStore(out)
    needs = {"zeros": dict.fromkeys(conditions, np.arange(len(samples)))}
    groups = plan_groups(samples, needs, store.done(), 8)
    score(groups, engine, store, lambda _: Zeros(untrained=True), noise_seed=0)
    shutil.rmtree(out)
