"""PSNR and mean SSIM of every perturbation, by which a change of pixels is noticed.

    python -m tests.perturbation_quality

writes both tables anew: ``tests/perturbation_quality.csv`` from drawn faces, and, where the face
images are there, ``docs/perturbation-quality.csv`` from photographs.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from skimage.metrics import structural_similarity

from benchmark.data.images import read
from benchmark.perturbations import apply, names
from docs.scripts.perturbations import drawn_faces
from protocols import perturbations
from protocols.conditions import condition
from tests.conftest import FACES, Pixels

ROOT = Path(__file__).parents[1]
DRAWN = ROOT / "tests" / "perturbation_quality.csv"
PHOTOGRAPHED = ROOT / "docs" / "perturbation-quality.csv"
SIDE = 256
# scikit-image types other functions, not these, so that strict checks would refuse a call.
_ssim: Callable[..., float] = structural_similarity


def quality(images: Sequence[Pixels]) -> pd.DataFrame:
    rows = []
    for name in names():
        entry = perturbations()[name]
        for severity in range(1, len(entry.levels) + 1):
            what = condition(name, severity, "crop", "quality")
            found = [
                (image, apply(what, image, noise_seed=0, sample_id=str(number)))
                for number, image in enumerate(images)
            ]
            # Of the mean squared error: a grey photograph loses nothing with its colours.
            errors = [np.mean((a.astype(float) - b) ** 2) for a, b in found]
            psnr = 10 * np.log10(255**2 / np.mean(errors))
            ssim = [_ssim(clean, damaged, channel_axis=2) for clean, damaged in found]
            rows.append((name, entry.version, severity, psnr.round(3), np.mean(ssim).round(4)))
    return pd.DataFrame(rows, columns=["perturbation", "version", "severity", "psnr_db", "ssim"])


def photographs(folder: Path = FACES, count: int = 24) -> list[Pixels]:
    table = pd.read_csv(folder / "manifest.csv", dtype=str, keep_default_na=False)
    chosen = table["path"].sort_values().to_numpy()[:: len(table) // count][:count]
    images = []
    for path in chosen:
        image = Image.fromarray(read(folder, path))
        image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=None)
        images.append(np.asarray(image))
    return images


def main() -> None:
    quality(drawn_faces(3)).to_csv(DRAWN, index=False, lineterminator="\n")
    if (FACES / "manifest.csv").is_file():
        quality(photographs()).to_csv(PHOTOGRAPHED, index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
