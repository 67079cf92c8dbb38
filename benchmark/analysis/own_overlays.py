"""What a detector looks at in somebody's own images, drawn into a folder of theirs."""

import re
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional as F

from benchmark.analysis.overlays import activation_map, as_picture, chosen_patches, png_of
from benchmark.errors import BenchmarkError
from detectors.base import Detector
from results.files import atomic_write

_HEAT = (255, 60, 0)
_EDGE = (255, 230, 0)
_STRENGTH = 0.6


def drawing_into(folder: Path) -> Callable[[Path, Detector, Tensor], None]:
    """Give what draws overlays of images into ``folder``, for ``score_paths``.

    Each is a PNG of the detector's input: red where the evidence for "fake" lies
    (``activation_map``), and yellow around the patches whose noise is seen, if any are chosen.

    Args:
        folder: Made with the first image; nothing may be there yet.

    Raises:
        BenchmarkError: The folder is there already.
    """
    if folder.exists():
        raise BenchmarkError(f"{folder} exists already: choose another folder or remove it")
    drawn: list[Path] = []

    def draw(path: Path, detector: Detector, image: Tensor) -> None:
        stem = re.sub(r"[^A-Za-z0-9_-]+", "_", path.stem)[:60]
        picture = png_of(overlaid(detector, image))
        drawn.append(folder / f"{len(drawn) + 1:06d}-{stem}.png")
        atomic_write(drawn[-1], picture)

    return draw


def overlaid(detector: Detector, image: Tensor) -> Image.Image:
    """Draw the overlay of one (3, h, w) image in [0, 1].

    Raises:
        BenchmarkError: The detector has no convolution whose activations have a place in the image.
    """
    prepared = detector.prepare(image)
    inputs = torch.stack([prepared, prepared])  # a plan of the image is told by its batch
    maps, _ = activation_map(detector, inputs)
    side = prepared.shape[-1]
    heat = F.interpolate(maps[:1, None], (side, side), mode="bilinear")[0].cpu().float()
    picture = prepared[:, :side].cpu()
    colour = torch.tensor(_HEAT).view(3, 1, 1) / 255
    share = _STRENGTH * heat
    canvas = as_picture((1 - share) * picture + share * colour)
    draw = ImageDraw.Draw(canvas)
    edges = chosen_patches(detector, inputs)[0]
    for left, top, patch in zip(edges[::3], edges[1::3], edges[2::3], strict=True):
        draw.rectangle((left, top, left + patch - 1, top + patch - 1), outline=_EDGE)
    return canvas
