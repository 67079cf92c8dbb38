"""Where scores lie: P(fake) of real images and of each generator's, a panel a detector."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection

from leaderboard.figures.drawing import (
    FAINT,
    INK,
    FigureKind,
    Picture,
    new_figure,
    panel_title,
    picture,
    shorten,
)
from leaderboard.figures.panels import BLUE, clean_results, clean_results_text, columns_of, panels
from leaderboard.view import Contender, Context
from results.metrics.functions import probability
from results.rounding import rounded

_KIND = FigureKind(
    "scores",
    caption=(
        "Histograms of P(fake) of single images, each row scaled to its own peak; on the right the "
        "share called fake at 0.5: for real images false alarms, for a generator's those found. "
        "Mean over models."
    ),
    heading="Scores by generator",
)
HISTOGRAM_BINS = 20
REAL_FACES = "real"
_PEAK = 0.85  # of the distance between two rows


def score_table(context: Context) -> pd.DataFrame:
    """Count the scores of single images in bins of P(fake).

    Of each model those test images count that ``clean_results`` gives, each once; its shares are
    then averaged over models, so that scores of different models are never pooled.

    Returns:
        Columns ``contender``, ``kind`` (``real`` or the generator; ``real`` first), ``bin`` (from
        0, 20 of equal width), ``share`` of the kind's images that lie in the bin, ``called``, the
        share of the kind called fake at P(fake) 0.5, ``images`` and ``models``, how many.
    """
    parts = []
    for contender in context.view.contenders:
        of_models = _of_models(context, contender)
        if not of_models:
            continue
        together = pd.concat(of_models, keys=range(len(of_models)), names=["model"])
        means = together.groupby(["kind", "bin"])[["share", "called"]].mean()
        number = together.groupby(["kind", "bin"]).agg(
            images=("images", "max"), models=("share", "size")
        )
        table = means.join(number).reset_index()
        table.insert(0, "contender", contender.label)
        parts.append(table)
    columns = ["contender", "kind", "bin", "share", "called", "images", "models"]
    if not parts:
        return pd.DataFrame(columns=columns)
    found = pd.concat(parts, ignore_index=True)
    order = found["kind"].where(found["kind"] != REAL_FACES, "")
    return found.assign(order=order).sort_values(
        ["contender", "order", "bin"], kind="stable", ignore_index=True
    )[columns]


def score_pictures(context: Context) -> list[Picture]:
    """Draw ``score_table``, where it has a row: a panel a detector, a row a generator."""
    view, table = context.view, score_table(context)
    if table.empty:
        return []
    shown = [c.label for c in view.contenders if c.label in set(table["contender"])]
    kinds = list(dict.fromkeys(table["kind"]))
    kinds.sort(key=lambda kind: (kind != REAL_FACES, kind))
    columns = columns_of(len(shown), most=3 if len(shown) <= 9 else 5)
    height = 0.27 * len(kinds) + 0.75
    with new_figure() as figure:
        axes = panels(figure, len(shown), columns=columns, height=height, sharey=True)
        for axis, label in zip(axes, shown, strict=True):
            _ridges(axis, table[table["contender"] == label], kinds)
            panel_title(axis, label, figure.get_size_inches()[0] / columns - 0.4)
        axes[0].set_yticks(range(len(kinds)), [shorten(kind) for kind in kinds])
        axes[0].set_ylim(len(kinds) - 0.7, -1)
        for axis in axes[-columns:]:
            axis.set_xlabel("P(fake)")
        alt = f"{view.protocol.title}: histograms of P(fake) by detector and generator"
        title = f"{view.protocol.title}: {clean_results_text(view)}"
        return [picture(figure, f"{view.name}-scores", _KIND, title, alt)]


def _ridges(axis: Axes, table: pd.DataFrame, kinds: list[str]) -> None:
    """Draw one detector's histograms, one above the other, each scaled to its own peak."""
    corners = np.repeat(np.linspace(0, 1, HISTOGRAM_BINS + 1), 2)
    outlines: list[np.ndarray] = []
    inks: list[str] = []
    rows: list[int] = []
    axis.axvline(0.5, color=INK, linewidth=0.8, linestyle=":", zorder=3)
    for row, kind in enumerate(kinds):
        here = table[table["kind"] == kind]
        if here.empty:
            continue
        heights = here["share"].to_numpy() / here["share"].max() * _PEAK
        tops = np.pad(np.repeat(row - heights, 2), 1, constant_values=row)
        outlines.append(np.column_stack([corners, tops]))
        inks.append(FAINT if kind == REAL_FACES else BLUE)
        rows.append(row)
        text = f"{rounded(100 * here['called'].iloc[0], 0)} %"
        axis.text(1.02, row, text, va="bottom", fontsize=8, color=INK)
    axis.add_collection(PolyCollection(outlines, facecolors=inks, alpha=0.75, lw=0, zorder=2))
    axis.hlines(rows, 0, 1.26, color=FAINT, linewidth=0.5)
    axis.text(1.02, -0.95, "called fake", va="bottom", fontsize=7.5, color=FAINT)
    axis.set(xlim=(0, 1.26), xticks=[0, 0.25, 0.5, 0.75, 1])
    axis.set_xticklabels(["0", "", "0.5", "", "1"])
    axis.grid(axis="y", visible=False)


def _of_models(context: Context, contender: Contender) -> list[pd.DataFrame]:
    """Count the scores of each of a contender's models."""
    view, contents = context.view, context.contents
    rows: dict[str, list[np.ndarray]] = {}
    for result in clean_results(view, contender):
        assert result.model is not None
        rows.setdefault(result.model.id, []).append(result.cell.test.rows)
    found = []
    for model, each in rows.items():
        chosen = np.unique(np.concatenate(each))
        p = probability(contents.scores(model).logits(view.base.key, chosen))
        samples = contents.samples.iloc[chosen]
        kinds = samples["generator"].where((samples["label"] == "fake").to_numpy(), REAL_FACES)
        found.append(_shares(kinds.to_numpy(dtype=object), p))
    return found


def _shares(kinds: np.ndarray, p: np.ndarray) -> pd.DataFrame:
    """Give the shares of each kind's images in each bin."""
    parts = []
    for kind in dict.fromkeys(kinds):
        values = p[kinds == kind]
        counts, _ = np.histogram(values, bins=HISTOGRAM_BINS, range=(0, 1))
        parts.append(
            pd.DataFrame({
                "kind": kind, "bin": range(HISTOGRAM_BINS), "share": counts / len(values),
                "called": float((values > 0.5).mean()), "images": len(values),
            })
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True)
