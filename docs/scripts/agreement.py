"""What others' code gives for the same scores and the same images, beside what ours gives.

    python -m docs.scripts.agreement docs/agreement.md [RUN]

Metrics are computed on the sealed scores of a run, blur and JPEG on drawn faces of the embedded
set. The definitions of the others are written from what their public code does: DeepfakeBench at
8a4a7bf (``training/metrics/utils.py``), GenD at e03532d, CNNDetection's augmentation.
"""

import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from scipy.ndimage import gaussian_filter
from scipy.optimize import brentq
from sklearn import metrics

from benchmark.perturbations.pixels import Image
from benchmark.training.augmentation import augmented
from benchmark.training.recipe import Augmentation
from docs.scripts.pages import rewrite
from docs.scripts.perturbations import drawn_faces
from protocols import CLEAN
from results.metrics.functions import accuracy, auc, average_precision, eer, probability
from results.run import RunContents

BEGIN, END = "<!-- made by: make agreement-page -->", "<!-- end of what is made -->"
PUBLISHED = Path(__file__).parents[2] / "results" / "published" / "faces-cpu"
FACES = 8
SIGMAS = (0.5, 1.0, 2.0, 3.0)
QUALITIES = (30, 50, 75, 90, 100)
Labels = npt.NDArray[np.int64]
Scores = npt.NDArray[np.floating[Any]]


class Scored(NamedTuple):
    """The scores of one cell: where it is, labels (1 is fake) and logits, shape (n,) each."""

    where: str
    labels: Labels
    logits: Scores


class Compared(NamedTuple):
    """A metric of ours and what others compute under that name.

    Attributes:
        ours: Of labels and logits.
        theirs: Of labels and P(fake), in float32 as a softmax on a GPU leaves it.
    """

    name: str
    whose: str
    what: str
    ours: Callable[[Labels, Scores], float]
    theirs: Callable[[Labels, Scores], float]


def curve_auc(labels: Labels, scores: Scores) -> float:
    """Give the area under scikit-learn's ROC curve, as DeepfakeBench and GenD do."""
    fpr, tpr, _ = metrics.roc_curve(labels, scores)
    return float(metrics.auc(fpr, tpr))


def nearest_eer(labels: Labels, scores: Scores) -> float:
    """Give the FPR at the kept point of the ROC curve where FNR and FPR are nearest."""
    fpr, tpr, _ = metrics.roc_curve(labels, scores)
    return float(fpr[np.nanargmin(np.abs(1 - tpr - fpr))])


def crossing_eer(labels: Labels, scores: Scores) -> float:
    """Give the root of 1 - x - TPR(x) on the interpolated ROC curve, as GenD does."""
    fpr, tpr, _ = metrics.roc_curve(labels, scores)
    return float(brentq(lambda x: 1 - x - np.interp(x, fpr, tpr), 0, 1))


def macro_ap(labels: Labels, scores: Scores) -> float:
    """Give the mean AP of both classes, which GenD calls mAP."""
    fake = metrics.average_precision_score(labels, scores)
    return float(fake + metrics.average_precision_score(1 - labels, 1 - scores)) / 2


def above_half(labels: Labels, scores: Scores) -> float:
    """Give the share that P(fake) > 0.5 judges rightly."""
    return float(np.mean((scores > 0.5) == labels))


COMPARED = (
    Compared("AUC", "DeepfakeBench, GenD", "`roc_curve` and `auc` of scikit-learn", auc, curve_auc),
    Compared(
        "AP", "DeepfakeBench", "`average_precision_score` of *fake*", average_precision,
        lambda labels, scores: float(metrics.average_precision_score(labels, scores)),
    ),
    Compared("AP", "GenD", "macro mean over both classes (mAP)", average_precision, macro_ap),
    Compared("EER", "DeepfakeBench", "FPR of the nearest kept point", eer, nearest_eer),
    Compared("EER", "GenD", "root on the interpolated curve", eer, crossing_eer),
    Compared(
        "ACC", "DeepfakeBench", "P(fake) > 0.5",
        lambda labels, logits: accuracy(labels, probability(logits), 0.5), above_half,
    ),
)  # fmt: skip


def scored_cells(run: Path) -> list[Scored]:
    """Give the undamaged image-level cells with both classes, each detector and seed."""
    contents = RunContents(run)
    found = []
    for name, expansion in contents.expansions.items():
        for entry in contents.entries(name):
            for cell in expansion.cells:
                if entry.model is None or cell.training != entry.training:
                    continue
                if cell.condition != CLEAN or cell.level != "image" or cell.test.gap is not None:
                    continue
                labels, logits, _ = contents.scored(entry.model, cell)
                if len(np.unique(labels)) == 2:
                    where = f"{entry.detector}, {cell.training} → {cell.test.name}"
                    found.append(Scored(where, labels, logits))
    return found


def metric_table(cells: Sequence[Scored]) -> str:
    """Give ours minus theirs over all cells, in Markdown."""
    rows = []
    for each in COMPARED:
        differences = [
            each.ours(cell.labels, cell.logits)
            - each.theirs(cell.labels, probability(cell.logits).astype(np.float32))
            for cell in cells
        ]
        far = int(np.argmax(np.abs(differences)))
        equal = sum(abs(difference) < 1e-6 for difference in differences)
        n_real, n_fake = (int((cells[far].labels == label).sum()) for label in (0, 1))
        where = "" if equal == len(cells) else f"{cells[far].where} ({n_real} + {n_fake})"
        rows.append(
            (each.name, each.whose, each.what, f"{equal}/{len(cells)}",
             f"{np.mean(differences):+.4f}", f"{differences[far]:+.4f}", where)
        )  # fmt: skip
    labels, constant = np.array([0, 0, 1, 1]), np.zeros(4)
    rows.append(
        ("EER", "DeepfakeBench", "of constant scores", "", "",
         f"{eer(labels, constant) - nearest_eer(labels, constant):+.4f}", "ours 0.5, theirs 0")
    )  # fmt: skip
    heads = ("metric", "whose", "what they compute", "cells that agree to 1e-6",
             "ours minus theirs, mean", "farthest", "where (real + forged)")  # fmt: skip
    return _table(heads, rows)


def blurred(image: Image, sigma: float) -> Image:
    """Blur as CNNDetection does: each channel through scipy, axis by axis into 8 bits."""
    found = image.copy()
    for channel in range(3):
        gaussian_filter(image[..., channel], sigma=sigma, output=found[..., channel])
    return found


def compressed(image: Image, quality: int, by: str) -> Image:
    """Compress as CNNDetection does, by one of the two libraries that it draws from."""
    if by == "OpenCV":
        _, encoded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR))[..., ::-1].astype(np.uint8)
    stored = io.BytesIO()
    Pillow.fromarray(image).save(stored, format="jpeg", quality=quality)
    return np.asarray(Pillow.open(stored), dtype=np.uint8)


def ours(image: Image, **stated: object) -> npt.NDArray[np.float64]:
    """Blur or compress as our recipes do; grey levels."""
    import torch

    pixels = torch.from_numpy(image.astype(np.float32) / 255).permute(2, 0, 1)
    changed = augmented(pixels, "face", Augmentation.model_validate(stated), seed=0, step=0)
    return changed.permute(1, 2, 0).numpy().astype(np.float64) * 255


def pixel_table(faces: Sequence[Image]) -> str:
    """Give ours minus CNNDetection's in grey levels, in Markdown."""
    rows = []
    for sigma in SIGMAS:
        mine = [ours(face, flip=0.0, blur=1.0, blur_sigma=(sigma, sigma)) for face in faces]
        theirs = [blurred(face, sigma) for face in faces]
        rows.append((f"blur, sigma {sigma:g}", "scipy, 8 bits", *_pixels(mine, theirs)))
    for quality in QUALITIES:
        mine = [ours(face, flip=0.0, jpeg=1.0, jpeg_quality=(quality, quality)) for face in faces]
        for by in ("OpenCV", "Pillow"):
            theirs = [compressed(face, quality, by) for face in faces]
            rows.append((f"JPEG, quality {quality}", by, *_pixels(mine, theirs)))
    heads = ("what", "by", "ours minus theirs, mean", "mean distance", "farthest")
    return _table(heads, rows)


def _pixels(mine: Sequence[npt.NDArray[np.float64]], theirs: Sequence[Image]) -> tuple[str, ...]:
    """Sum up the differences of pixels."""
    difference = np.stack(mine) - np.stack(theirs)
    distance = np.abs(difference)
    return f"{difference.mean():+.2f}", f"{distance.mean():.2f}", f"{distance.max():.1f}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay rows out in Markdown."""
    lines = [f"| {' | '.join(row)} |" for row in (heads, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(heads), *lines[1:]]) + "\n"


def made(run: Path = PUBLISHED) -> str:
    """Give both tables."""
    cells, faces = scored_cells(run), drawn_faces(FACES)
    return (
        f"Metrics, on the {len(cells)} undamaged cells of `{run.name}`:\n\n{metric_table(cells)}\n"
        f"Blur and JPEG of CNNDetection, on {len(faces)} drawn faces, grey levels of 0 to 255:\n\n"
        f"{pixel_table(faces)}"
    )


if __name__ == "__main__":
    rewrite(sys.argv[1], BEGIN, END, made(*map(Path, sys.argv[2:3])))
