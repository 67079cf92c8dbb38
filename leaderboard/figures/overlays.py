"""Pictures of what a model looks at: noise patches and class-activation map on drawn faces."""

import io
import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from PIL import Image

from leaderboard.figures.drawing import FigureKind, Picture, new_figure, picture, shorten
from results.overlays import overlaid_models, read_overlays
from results.rounding import signed
from results.run import RunContents

_KIND = FigureKind(
    "overlay",
    caption=(
        "Drawn faces of the embedded set. Above: framed, the patches that the noise branch sees, "
        "where there is one. Below: where the evidence for a forgery lies (HiResCAM), bright for "
        "much, each scaled to its own maximum. A map shows where, and proves no reason why."
    ),
)
_COLUMNS = 7
_SIDE = 1.5
_MARK = "#00e5ff"


def overlay_pictures(contents: RunContents) -> list[Picture]:
    """Draw the overlays that a run has, a figure a model.

    Raises:
        ResultError: A file of overlays cannot be read.
    """
    entries = {str(entry.model): entry for entry in reversed(contents.facts.entries)}
    return [
        _figure(contents, model, f"{entries[model].detector} on {entries[model].training}")
        for model in overlaid_models(contents.run)
        if model in entries
    ]


def _figure(contents: RunContents, model: str, label: str) -> Picture:
    """Draw one model's overlays: each image, and below it the same under its map."""
    table = read_overlays(contents.run, model)
    samples = contents.samples.set_index(["dataset", "sample_id"])["generator"]
    bands = math.ceil(len(table) / _COLUMNS)
    with new_figure() as figure:
        figure.set_size_inches(_COLUMNS * _SIDE, bands * (2 * _SIDE + 0.45))
        axes = figure.subplots(2 * bands, _COLUMNS, squeeze=False)
        for axis in axes.ravel():
            axis.set_axis_off()
        for place, row in enumerate(table.to_dict("records")):
            band, column = divmod(place, _COLUMNS)
            with Image.open(io.BytesIO(row["image"])) as image:
                pixels = np.asarray(image.convert("RGB"))
            plain, mapped = axes[2 * band, column], axes[2 * band + 1, column]
            plain.imshow(pixels)
            _mark(plain, list(row["patches"]))
            name = shorten(
                str(samples.loc[(row["dataset"], row["sample_id"])]).removeprefix("synthetic-"), 20
            )
            sign = signed(row["logit"], 1)
            plain.set_title(f"{name}\nlogit {sign}", fontsize=7, fontweight="normal")
            mapped.imshow(pixels)
            side = pixels.shape[0]
            heat = np.asarray(row["activation"]).reshape(row["map_side"], -1)
            extent = (-0.5, side - 0.5, side - 0.5, -0.5)
            mapped.imshow(
                heat, cmap="magma", alpha=0.6, vmin=0, vmax=1, extent=extent,
                interpolation="bilinear",
            )  # fmt: skip
        title = f"What it looks at: {label}"
        alt = f"{title}: noise patches and class-activation maps on drawn faces"
        return picture(figure, f"overlay-{model}", _KIND, title, alt)


def _mark(axis: Axes, patches: list[int]) -> None:
    """Frame the chosen patches; the first is the richest."""
    for left, top, side in zip(patches[::3], patches[1::3], patches[2::3], strict=True):
        corner = (left - 0.5, top - 0.5)
        axis.add_patch(Rectangle(corner, side, side, fill=False, edgecolor=_MARK, linewidth=1.6))
