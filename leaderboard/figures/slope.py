"""What a detector loses on forgeries that it was not trained for: seen to unseen, in one line."""

import pandas as pd
from matplotlib.axes import Axes

from leaderboard.figures.drawing import (
    FAINT,
    INK,
    FigureKind,
    Picture,
    new_figure,
    picture,
    shorten,
)
from leaderboard.figures.panels import contender_styles, grey_note, spread_labels
from leaderboard.view import Context, ProtocolView, summarise
from results.rounding import rounded, signed

_KIND = FigureKind(
    "slope",
    caption=(
        "Means over the cells that count, as in the summary; in parentheses what is lost. A "
        "dotted line is chance."
    ),
)
# Inches: the figure, which a telephone still shows whole, and a line of its labels.
_WIDTH, _LABEL = 4.9, 0.19
_NEAR = 0.1  # what is farther from chance is drawn without it


def slope_table(view: ProtocolView) -> pd.DataFrame:
    """Give each contender's mean over seen and over unseen headline cells, as the summary does.

    Returns:
        Columns ``contender``, ``seen``, ``unseen``; contenders without one of the two are left out.
    """
    rows = []
    for contender in view.contenders:
        seen, unseen = (
            summarise(view.of(contender, view.base, view.level, seen=which), view.metric).value
            for which in (True, False)
        )
        if seen is not None and unseen is not None:
            rows.append({"contender": contender.label, "seen": seen, "unseen": unseen})
    return pd.DataFrame(rows, columns=["contender", "seen", "unseen"])


def slope_pictures(context: Context) -> list[Picture]:
    """Draw ``slope_table``, where it has a row."""
    view, table = context.view, slope_table(context.view)
    if table.empty:
        return []
    with new_figure() as figure:
        height = max(3.0, _LABEL * len(table) + 1.2)
        figure.set_size_inches(_WIDTH, height)
        axis = figure.subplots()
        looks = {contender.label: look for contender, look in contender_styles(view).items()}
        for name, seen, unseen in _rows(table):
            look = looks[name]
            axis.plot(
                [0, 1], [seen, unseen], color=look.colour, marker=look.marker or ".",
                linewidth=1.5 if look.marker else 0.8, markersize=6, clip_on=False,
                zorder=3 if look.marker else 2,
            )  # fmt: skip
        values = pd.concat([table["seen"], table["unseen"]])
        space = 0.06 * max(values.max() - values.min(), 0.1)
        low, high = values.min() - space, values.max() + space
        chance = view.headline.chance
        if chance is not None and low - _NEAR < chance < high + _NEAR:
            axis.hlines(chance, -0.25, 1.05, color=FAINT, linewidth=0.8, linestyle=":")
            low, high = min(low, chance - space), max(high, chance + space)
        gap = (high - low) * _LABEL / (height - 0.7)
        places = spread_labels(table["unseen"].tolist(), gap)
        low, high = min(low, min(places) - gap / 2), max(high, max(places) + gap / 2)
        _name(axis, table, places, {name: look.colour for name, look in looks.items()})
        axis.set(xlim=(-0.25, 2.9), ylim=(low, high), ylabel=view.metric)
        axis.set_xticks([0, 1], ["seen in training", "not seen"])
        axis.grid(axis="x", visible=False)
        alt = f"{view.protocol.title}: {view.metric} on seen and on unseen forgeries, by detector"
        title, note = view.protocol.title, grey_note(view)
        return [picture(figure, f"{view.name}-slope", _KIND, title, alt, note=note)]


def _name(
    axis: Axes,
    table: pd.DataFrame,
    places: list[float],
    ink: dict[str, tuple[float, float, float]],
) -> None:
    """Write each line's name and loss beside its end, and lead to it where it had to move."""
    for (name, seen, unseen), place in zip(_rows(table), places, strict=True):
        colour = ink[name]
        axis.plot([1.05, 1.12], [unseen, place], color=colour, linewidth=0.6)
        change = signed(unseen - seen)
        text = f"{shorten(name, 26)}  {rounded(unseen)} ({change})"
        axis.text(1.14, place, text, va="center", fontsize=8.5, color=INK)


def _rows(table: pd.DataFrame) -> list[tuple[str, float, float]]:
    """Give contender, seen and unseen of each row."""
    return list(
        zip(
            table["contender"].tolist(),
            table["seen"].tolist(),
            table["unseen"].tolist(),
            strict=True,
        )
    )
