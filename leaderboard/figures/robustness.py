"""How a detector holds up under damage: the headline metric over severity."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from leaderboard.figures.drawing import (
    FAINT,
    INK,
    FigureKind,
    Picture,
    new_figure,
    picture,
)
from leaderboard.figures.panels import (
    columns_of,
    contender_keys,
    contender_styles,
    grey_note,
    label_left,
    legend,
    panels,
)
from leaderboard.view import (
    FEW_TELLS,
    Contender,
    Context,
    ProtocolView,
    headline_results,
    summarise,
)
from protocols import Condition
from protocols.conditions import perturbation_of, shown
from results.errors import UndefinedError
from results.statistics.intervals import Interval

_KIND = FigureKind(
    "curves",
    caption=(
        "Real and forged images are damaged alike; a dotted line is chance. Bands are 95 % "
        "intervals from resampled clusters of images; neighbouring bands share their luck, so that "
        "bands that overlap may still differ."
    ),
)

_SMALL_LINE = (0, (4, 1.5))  # of means over few samples


def robustness_pictures(context: Context) -> list[Picture]:
    """Draw the headline metric over severity, a panel a perturbation, a line a detector.

    Bands are 95 % intervals (``severity_table``).
    """
    view, table = context.view, severity_table(context)
    names = list(dict.fromkeys(condition.name for condition in view.damaged))
    with new_figure() as figure:
        columns = columns_of(len(names))
        axes = panels(figure, len(names), columns=columns, height=2.9, sharey=True)
        for axis, name in zip(axes, names, strict=True):
            _damage_panel(axis, view, name, table)
        label_left(axes, columns, view.metric)
        keys = contender_keys(view)
        alt = f"{view.protocol.title}: {view.metric} over severity, by perturbation and detector"
        if table["small"].any():
            keys.append(
                Line2D(
                    [], [], color=INK, marker="o", markersize=5, markerfacecolor="white",
                    linestyle=_SMALL_LINE, label=f"hollow: {FEW_TELLS}, not ranked",
                )
            )  # fmt: skip
            alt += f"; some over {FEW_TELLS}"
        legend(figure, keys)
        title, note = view.protocol.title, grey_note(view)
        return [picture(figure, f"{view.name}-curves", _KIND, title, alt, note=note)]


def _damage_panel(axis: Axes, view: ProtocolView, name: str, table: pd.DataFrame) -> None:
    """Draw one perturbation: clean, then its severities with their levels."""
    rows = table[table["perturbation"] == name]
    for contender, style in contender_styles(view).items():
        line = rows[rows["contender"] == contender.label]
        if not style.marker:
            axis.plot(line["severity"], line["value"], color=style.colour, linewidth=0.8, zorder=1)
            continue
        small = line["small"].any()
        axis.fill_between(
            line["severity"], line["low"], line["high"], color=style.colour, alpha=0.15, lw=0
        )
        axis.plot(
            line["severity"], line["value"], color=style.colour, marker=style.marker,
            markersize=5, linewidth=1.5, markerfacecolor="white" if small else style.colour,
            linestyle=_SMALL_LINE if small else "-",
        )  # fmt: skip
    if view.headline.chance is not None:
        axis.axhline(view.headline.chance, color=FAINT, linewidth=0.8, linestyle=":")
    conditions = [condition for condition in view.damaged if condition.name == name]
    known, surrogate = perturbation_of(conditions[0].perturbation), conditions[0].surrogate
    axis.set_title(f"{known.title} on {surrogate}" if surrogate else known.title, loc="left")
    axis.set_xlabel(f"severity / {known.parameter}")
    ticks = ["clean", *(f"{c.severity}\n{shown(c.value)}" for c in conditions)]
    axis.set_xticks([0, *(condition.severity for condition in conditions)], ticks)


def severity_table(context: Context) -> pd.DataFrame:
    """Lay the headline metric out over severity, of a protocol with clean and damaged conditions.

    Returns:
        Columns ``perturbation``, ``severity`` (0: clean), ``contender``, ``value`` (the mean over
        cells that count), ``small`` (whether one of them has too few samples to be ranked) and
        ``low``, ``high``, the ends of the mean's 95 % interval by the cluster bootstrap, NaN where
        there is none: samples are too few, or nothing varies. The draws are those of all cells of
        the protocol, so that a mean over one cell has that cell's interval.
    """
    view, rows = context.view, []
    for contender in view.contenders:
        points = {
            condition.key: _point(context, contender, condition)
            for condition in (view.base, *view.damaged)
        }
        rows += [
            {
                "perturbation": name,
                "severity": condition.severity,
                "contender": contender.label,
                **points[condition.key],
            }
            for name in dict.fromkeys(condition.name for condition in view.damaged)
            for condition in (view.base, *(c for c in view.damaged if c.name == name))
        ]
    return pd.DataFrame(rows)


def _point(context: Context, contender: Contender, condition: Condition) -> dict[str, float | bool]:
    """Give a contender's mean under a condition with the ends of its interval."""
    view = context.view
    results = view.of(contender, condition, view.level)
    mean = summarise(results, view.metric, strict=False)
    value = mean.value
    if value is None:
        return {**dict.fromkeys(("value", "low", "high"), np.nan), "small": mean.small}
    cells = [(result.model.id, result.cell) for result in headline_results(results) if result.model]
    low = high = np.nan
    try:
        found: Interval = context.bootstrap.of(view.name).mean_interval(cells, view.metric, value)
        low, high = found.low, found.high
    except UndefinedError:
        pass
    return {"value": value, "low": low, "high": high, "small": mean.small}
