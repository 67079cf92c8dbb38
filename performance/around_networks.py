"""What scoring costs around networks: a robustness study against a plain loop, and end to end.

A study decodes and damages an image once for all of its detectors; the plain loop of ``study`` does
it for each detector and condition. Networks are left out on both sides: each detector takes what
its transform gives and answers zeros, so that all of the time is time outside forward passes.
``end_to_end`` leaves them in: images scored from their files, against forward passes alone on the
same prepared inputs in memory.
"""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from benchmark.data.images import image_tensor, read
from benchmark.data.manifest import read_manifest
from benchmark.data.source import ImageSource
from benchmark.perturbations import apply
from benchmark.progress import Progress
from benchmark.scoring.forward import Forward
from benchmark.scoring.ready import scoring_form
from benchmark.scoring.score import score
from benchmark.scoring.store import ScoreStore
from benchmark.scoring.units import plan_groups
from benchmark.study.samples import stated_samples
from benchmark.study.sitting import BATCH_SIZE
from benchmark.training.engine import Engine
from benchmark.training.store import ModelStore
from detectors.base import Detector, Known
from detectors.counting import build_random
from detectors.transform import Transform
from performance.loading import Zeros
from performance.measuring import Call, Row, on_the_wall, own_seconds, paired
from protocols import load_protocol
from protocols.conditions import CLEAN, Condition

# One of each side and way of preparing that the catalog has at base size, and two that share one.
STUDY = ("xception", "efficientnet-b4", "patchcraft", "vit", "mfclip")
_RUN = count()


class Answering(Zeros):
    """Prepares images as another detector does, and answers at once."""

    def __init__(self, *, transform: Transform | None = None, untrained: bool = False) -> None:
        """Take the inputs that ``transform`` makes."""
        super().__init__(untrained=untrained)
        self.transform = transform or self.transform


def study(manifest: Path, images: int, rounds: int) -> list[Row]:
    """Compare a robustness study with the plain loop, by the process's own time."""
    samples, root = chosen(manifest, images)
    conditions = load_protocol("robustness").expanded_conditions
    detectors = {name: Answering(transform=_transform(name), untrained=True) for name in STUDY}
    ways: dict[str, Call] = {
        "plain loop per detector and condition": partial(
            plain, samples, root, list(detectors.values()), conditions
        ),
        "study": partial(scored, samples, root, detectors, conditions),
    }
    told = paired(ways, rounds, torch.device("cpu"), timed=own_seconds)
    total = images * len(conditions) * len(STUDY)
    return [
        {
            "way": way,
            "images": images,
            "seconds": each["seconds"],
            "ms a score": 1000 * each["seconds"] / total,
            "times as fast": each["ratio"],
            "bar": 4 if way == "study" else None,
        }
        for way, each in told.items()
    ]


def end_to_end(
    manifest: Path, names: Sequence[str], images: int, rounds: int, device: torch.device
) -> list[Row]:
    """Give the share of scoring that its forward passes alone take, for each detector.

    Scoring also makes the model ready, which takes 8 passes of an image, and scores one image of a
    unit of 240 a second time: below a few hundred images that is most of the difference.
    """
    samples, root = chosen(manifest, images)
    found: list[Row] = []
    for name in names:
        detector = build_random(name, "base").to(device).eval()
        inputs = [detector.transform(image_tensor(read(root, each))) for each in samples.sample_id]
        ways: dict[str, Call] = {
            "forward passes alone": partial(passes, scoring_form(detector).detector, inputs),
            "end to end": partial(scored, samples, root, {name: detector}, [CLEAN], device),
        }
        timed = on_the_wall if device.type == "cuda" else own_seconds
        told = paired(ways, rounds, device, timed=timed)
        found += [
            {
                "detector": name,
                "way": way,
                "images": images,
                "images/s": images / each["seconds"],
                "share": each["ratio"],
                "bar": 0.9 if way == "end to end" else None,
            }
            for way, each in told.items()
        ]
    return found


def chosen(manifest: Path, images: int) -> tuple[pd.DataFrame, Path]:
    """Take images from all over a manifest, with its folder."""
    read_one = read_manifest(manifest)
    samples = stated_samples({"data": read_one})
    rows = np.unique(np.linspace(0, len(samples) - 1, min(images, len(samples))).astype(int))
    return samples.iloc[rows].reset_index(drop=True).assign(problem=""), read_one.root


def plain(
    samples: pd.DataFrame,
    root: Path,
    detectors: Sequence[Detector],
    conditions: Sequence[Condition],
) -> None:
    """Score detector by detector, condition by condition, image by image in batches."""
    for detector in detectors:
        for condition in conditions:
            prepared: list[Tensor] = []
            for sample_id in samples["sample_id"]:
                pixels = apply(condition, read(root, sample_id), noise_seed=0, sample_id=sample_id)
                prepared.append(detector.transform(image_tensor(pixels)))
                if len(prepared) == BATCH_SIZE:
                    detector.answer(torch.stack(prepared), Known())
                    prepared = []
            if prepared:
                detector.answer(torch.stack(prepared), Known())


def passes(detector: Detector, inputs: Sequence[Tensor]) -> None:
    """Make the forward passes of scoring, on inputs that are in memory."""
    Forward(BATCH_SIZE, Progress()).logits(detector, inputs, Known())


def scored(
    samples: pd.DataFrame,
    root: Path,
    detectors: Mapping[str, Detector],
    conditions: Sequence[Condition],
    device: torch.device | None = None,
) -> None:
    """Score everything as a run does, and merge it."""
    with tempfile.TemporaryDirectory() as name:
        out = Path(name, f"run{next(_RUN)}")
        engine = Engine(
            source=ImageSource(samples, {"data": root}),
            models=ModelStore(out),
            device=device or torch.device("cpu"),
            batch_size=BATCH_SIZE,
            checkpoint_seconds=60,
            progress=Progress(),
        )
        store = ScoreStore(out)
        rows = np.arange(len(samples))
        needs = {model: dict.fromkeys(conditions, rows) for model in detectors}
        groups = plan_groups(samples, needs, store.done(), 8)
        score(groups, engine, store, detectors.__getitem__, noise_seed=0)
        store.merge(list(detectors))
        shutil.rmtree(out)


def _transform(name: str) -> Transform:
    """Give how a detector of the catalog prepares an image at base size."""
    return build_random(name, "base").transform
