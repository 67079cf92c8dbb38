"""What a model looks at, on drawn faces: its chosen noise patches and its class-activation map."""

import io
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.analysis.embedding import chosen_entries, load_model, prepared, source_of
from benchmark.data.loader import Rows
from benchmark.data.source import ImageSource
from benchmark.environment import resolve_device
from benchmark.errors import BenchmarkError
from benchmark.progress import Progress
from benchmark.study.binding import Data
from benchmark.training.store import ModelStore, default_store
from detectors.base import Detector
from detectors.catalog import modules_of
from leaderboard.report import report
from results.faults import checked_contents
from results.overlays import write_overlays


def overlay(
    run: Path,
    *,
    data: Data,
    detectors: Sequence[str] | None = None,
    training: str | None = None,
    store: Path | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    allow_code: Collection[str] = (),
) -> Path:
    """Store what a run's models look at, one test image of each generator; report again.

    Pictures of people are never stored: the run must be of the embedded synthetic set.

    Args:
        run: The run's folder; ``overlays/`` is added to it.
        data: The manifests of its roles, as for ``benchmark.study.run``.
        detectors: Only these, as the study calls them.
        training: Only models of this training set.
        store: Folder of trained models.
        device: ``auto``, ``cpu`` or ``cuda``.
        progress: Told of everything that happens.
        allow_code: Modules of one's own that the run may name, beside those in ``detectors``.

    Returns:
        The page of the report.

    Raises:
        CodeError: A file of the run names a module that is not allowed.
        BenchmarkError: A dataset is not the embedded one, no model is meant, its weights are gone,
            or it has no convolution whose activations have a place in the image.
        ResultError: The run is not what it was sealed as.
    """
    progress = progress or Progress()
    facts = checked_contents(run).facts
    for role, dataset in facts.data.items():
        if not dataset.synthetic:
            raise BenchmarkError(
                f"'{role}' is {dataset.name}, which holds photographs: overlays are made of the "
                "embedded synthetic set alone"
            )
    models = ModelStore(store or default_store())
    allowed = {*allow_code, *modules_of(detectors or ())}
    source = source_of(run, facts, data, progress)
    rows = _one_of_each(source.samples)
    for entry in chosen_entries(facts, detectors, training):
        model = str(entry.model)
        detector = load_model(run, model, models, allowed).to(resolve_device(device)).eval()
        write_overlays(run, model, _table(detector, source, rows))
    page: Path = report(run)
    return page


def activation_map(detector: Detector, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Tell where in each image the evidence for "fake" lies: HiResCAM on the last plan of it.

    Gradient times activation, place by place. (Grad-CAM averages the gradient over places first:
    in a network that goes on with tokens nearly nothing is left.)

    Args:
        detector: In evaluation mode.
        inputs: (B, 3, S, S) prepared images, B of at least 2.

    Returns:
        (B, h, w) maps from 0 to 1, each scaled to its own greatest value, and the (B,) logits.

    Source: Draelos and Carin, 2020, arXiv 2011.08891.

    Raises:
        BenchmarkError: No convolution keeps the plan of the image.
    """
    kept: list[Tensor] = []

    def keep(_: nn.Module, __: object, output: object) -> None:
        # What is no longer a plan of the image has no place to show.
        if not isinstance(output, Tensor):
            return
        if output.dim() == 4 and len(output) == len(inputs) and min(output.shape[2:]) > 1:
            kept.append(output)

    handles = [m.register_forward_hook(keep) for m in _image_branch(detector).modules()]
    try:
        with torch.enable_grad():
            logits = detector(inputs.detach().requires_grad_())
            if not kept:
                raise BenchmarkError(
                    f"{detector.card.name} has no convolution whose activations have a place in "
                    "the image, so it has no class-activation map"
                )
            (slope,) = torch.autograd.grad(logits.sum(), kept[-1])
    finally:
        for handle in handles:
            handle.remove()
    maps = F.relu((slope * kept[-1]).sum(dim=1)).detach()
    peak = maps.amax(dim=(1, 2), keepdim=True)
    return maps / peak.clamp(min=torch.finfo(maps.dtype).tiny), logits.detach()


def chosen_patches(detector: Detector, inputs: Tensor) -> list[list[int]]:
    """Give left, top and side of each image's noise patches, in pixels; empty if it has none."""
    from detectors.mfclip import MFCLIP
    from detectors.mfclip.patches import richest

    noise = detector.vision.noise if isinstance(detector, MFCLIP) else None
    if noise is None or getattr(noise, "choice", "richest") != "richest":
        return [[] for _ in inputs]
    columns = inputs.shape[-1] // noise.patch
    places = richest(inputs, noise.patch, noise.k).tolist()
    return [
        [
            edge
            for place in each
            for edge in (place % columns * noise.patch, place // columns * noise.patch, noise.patch)
        ]
        for each in places
    ]


def _image_branch(detector: Detector) -> nn.Module:
    """Give the part of a detector that sees the whole image."""
    from detectors.mfclip import MFCLIP

    return detector.vision.image if isinstance(detector, MFCLIP) else detector


def _one_of_each(samples: pd.DataFrame) -> Rows:
    """Choose the first readable test image of each generator, real images among them."""
    here = samples[(samples["split"] == "test") & (samples["problem"] == "")]
    first = here.drop_duplicates(["forgery", "generator"])
    rows: Rows = first.index.to_numpy(dtype=np.int64)
    return rows


def _table(detector: Detector, source: ImageSource, rows: Rows) -> pd.DataFrame:
    """Gather one model's overlays."""
    inputs = torch.cat(list(prepared(detector, source, rows))).to(detector.device)
    maps, logits = activation_map(detector, inputs)
    names = source.samples.iloc[rows][["dataset", "sample_id"]].reset_index(drop=True)
    return names.assign(
        image=[_png(image) for image in inputs.cpu()],
        patches=pd.Series(chosen_patches(detector, inputs), dtype=object),
        map_side=maps.shape[-1],
        activation=[m.flatten().cpu().float().numpy() for m in maps],
        logit=logits.cpu().float().numpy(),
    )


def _png(image: Tensor) -> bytes:
    """Write a (3, S, S) image in [0, 1]."""
    return png_of(as_picture(image))


def as_picture(image: Tensor) -> Image.Image:
    """Give a (3, S, S) image in [0, 1] in 8 bits."""
    pixels = (image[:3] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    return Image.fromarray(pixels)


def png_of(picture: Image.Image) -> bytes:
    """Give the bytes of a PNG."""
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()
