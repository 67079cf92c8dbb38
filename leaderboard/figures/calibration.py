"""Whether P(fake) can be taken at its word: reliability diagrams, a panel a detector."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from leaderboard.figures.drawing import (
    FAINT,
    INK,
    WIDTH,
    FigureKind,
    Picture,
    new_figure,
    panel_title,
    picture,
)
from leaderboard.figures.panels import (
    BLUE,
    clean_results,
    clean_results_text,
    columns_of,
    label_left,
    panels,
)
from leaderboard.view import Contender, Context
from results.metrics.calibration import BINS, calibration
from results.metrics.functions import probability
from results.rounding import rounded

_KIND = FigureKind(
    "reliability",
    caption=(
        "On the dotted line P(fake) can be taken at its word; a point is as large as the share of "
        "images in its bin. It holds for the share of fakes that the test sets have, and no other."
    ),
    heading="Calibration",
)


def reliability_table(context: Context) -> pd.DataFrame:
    """Compare P(fake) with the share of fakes, bin by bin.

    Every cell that ``clean_results`` gives weighs the same, however many images it has.

    Returns:
        Columns ``contender``, ``bin`` (from 0, 15 of equal width, those with images), ``share`` of
        the images that lie in it, ``confidence`` (mean P(fake)), ``fakes`` (the share of fakes),
        ``ece``, the mean over cells of the expected calibration error, and ``cells``, how many.
    """
    parts = []
    for contender in context.view.contenders:
        sums, errors = _sums(context, contender)
        if not errors:
            continue
        used = np.flatnonzero(sums[:, 0])
        number, confidence, fakes = sums[used].T
        parts.append(
            pd.DataFrame({
                "contender": contender.label, "bin": used, "share": number / len(errors),
                "confidence": confidence / number, "fakes": fakes / number,
                "ece": float(np.mean(errors)), "cells": len(errors),
            })
        )  # fmt: skip
    columns = ["contender", "bin", "share", "confidence", "fakes", "ece", "cells"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def reliability_pictures(context: Context) -> list[Picture]:
    """Draw ``reliability_table``, where it has a row."""
    view, table = context.view, reliability_table(context)
    if table.empty:
        return []
    shown = [c for c in view.contenders if c.label in set(table["contender"])]
    columns = columns_of(len(shown), most=4 if len(shown) <= 8 else 6)
    with new_figure() as figure:
        axes = panels(
            figure, len(shown), columns=columns, height=min(WIDTH / columns, 4.2), sharey=True
        )
        for axis, contender in zip(axes, shown, strict=True):
            _panel(axis, table[table["contender"] == contender.label])
            panel_title(axis, contender.label, figure.get_size_inches()[0] / columns - 0.4)
        for axis in axes[-columns:]:
            axis.set_xlabel("mean P(fake) in a bin")
        label_left(axes, columns, "share of fakes in it")
        alt = f"{view.protocol.title}: share of fakes over P(fake), by detector"
        title = f"{view.protocol.title}: {clean_results_text(view)}"
        return [picture(figure, f"{view.name}-reliability", _KIND, title, alt)]


def _panel(axis: Axes, rows: pd.DataFrame) -> None:
    """Draw one detector: a point a bin, as large as the share of images in it."""
    axis.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, linestyle=":", zorder=1)
    axis.vlines(
        rows["confidence"], rows["confidence"], rows["fakes"], color=FAINT, linewidth=0.8, zorder=1
    )
    axis.plot(rows["confidence"], rows["fakes"], color=BLUE, linewidth=1.3)
    axis.scatter(
        rows["confidence"], rows["fakes"], s=8 + 250 * rows["share"], color=BLUE, alpha=0.75, lw=0
    )
    first = rows.iloc[0]
    text = f"ECE {rounded(first['ece'])}, {first['cells']} cell{'s' if first['cells'] > 1 else ''}"
    axis.text(0.03, 0.95, text, va="top", color=INK, fontsize=8.5, transform=axis.transAxes)
    axis.set(xlim=(-0.04, 1.04), ylim=(-0.04, 1.04), xticks=[0, 0.25, 0.5, 0.75, 1])
    axis.set_xticklabels(["0", "", "0.5", "", "1"])
    axis.set_box_aspect(1)


def _sums(context: Context, contender: Contender) -> tuple[np.ndarray, list[float]]:
    """Add up share, P(fake) and fakes of each bin over cells, shape (15, 3); and give their ECE."""
    view, contents = context.view, context.contents
    sums, errors = np.zeros((BINS, 3)), []
    for result in clean_results(view, contender):
        assert result.model is not None
        scored = contents.scored(result.model.id, result.cell)
        p = scored.scores if view.level != "image" else probability(scored.scores)
        bins = np.minimum((p * BINS).astype(np.int64), BINS - 1)
        for column, weights in enumerate((None, p, scored.labels)):
            sums[:, column] += np.bincount(bins, weights, BINS) / len(p)
        errors.append(float(calibration(scored.labels, p).ece()))
    return sums, errors
