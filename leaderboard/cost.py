"""Accuracy against cost: what a detector's size buys."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from leaderboard.drawing import FAINT, Picture, new_figure, picture
from leaderboard.errors import LeaderboardError
from leaderboard.panels import (
    columns_of,
    contender_keys,
    label_left,
    legend,
    measured,
    panels,
    styles,
    unit_ticks,
    which,
)
from leaderboard.view import ProtocolView, summarise

PARAMETERS = "parameters"
# More is better: the frontier runs the other way.
RATES = frozenset({"images per second"})


def cost_table(view: ProtocolView, costs: pd.DataFrame | None = None) -> pd.DataFrame:
    """Put each contender's mean beside what it costs.

    Args:
        view: The protocol's results.
        costs: More costs, a row a detector (as the study calls it) and a column a cost, each above
            0 or missing; ``images per second`` is known to be a rate. Measured elsewhere.

    Returns:
        Columns ``contender``, ``value`` (over the cells of ``measured``; contenders without one
        are left out), ``parameters`` (of the largest of its models), and those of ``costs``.

    Raises:
        LeaderboardError: A cost is not a number above 0.
    """
    if costs is not None and not (costs.isna() | (costs > 0)).all(axis=None):
        raise LeaderboardError("costs are numbers above 0, or missing")
    rows = []
    for contender in view.contenders:
        value = summarise(measured(view, contender), view.metric, strict=False).value
        sizes = [model.parameters for (who, _), model in view.models.items() if who == contender]
        if value is None or not sizes:
            continue
        row: dict[str, object] = {
            "contender": contender.label,
            "value": value,
            PARAMETERS: float(max(sizes)),
        }
        if costs is not None and contender.detector in costs.index:
            row |= {str(name): costs.loc[contender.detector, name] for name in costs.columns}
        rows.append(row)
    more = [] if costs is None else list(costs.columns)
    return pd.DataFrame(rows, columns=["contender", "value", PARAMETERS, *more])


def cost_chart(view: ProtocolView, table: pd.DataFrame) -> Picture:
    """Draw ``cost_table``, which has a row at least: a panel a cost, a point a contender."""
    costs = [name for name in table.columns[2:] if table[name].notna().any()]
    looks = styles(view.contenders)
    with new_figure() as figure:
        columns = columns_of(len(costs))
        axes = panels(figure, len(costs), columns=columns, height=3.2, sharey=True)
        if len(costs) == 1:
            figure.set_size_inches(6.2, 3.75)
        for axis, cost in zip(axes, costs, strict=True):
            _frontier(axis, table, cost)
            for contender, look in looks.items():
                rows = table[table["contender"] == contender.label]
                axis.plot(
                    rows[cost], rows["value"], color=look.colour, marker=look.marker, markersize=8,
                    linestyle="",
                )  # fmt: skip
            axis.set_xscale("log")
            unit_ticks(axis.xaxis)
            axis.set_xlabel(cost)
        label_left(axes, columns, view.metric)
        shown = [contender for contender in looks if contender.label in set(table["contender"])]
        legend(figure, contender_keys(shown, line=False))
        alt = f"{view.protocol.title}: {view.metric} over cost, by detector"
        title = f"{view.protocol.title}: {which(view)}"
        return picture(figure, f"{view.name}-cost", "cost", title, alt)


def frontier(table: pd.DataFrame, cost: str) -> pd.DataFrame:
    """Give the rows that no row beats which costs no more, from the cheapest on."""
    known = table.dropna(subset=[cost])
    by = known.sort_values([cost, "value"], ascending=[cost not in RATES, False], kind="stable")
    before = by["value"].cummax().shift(fill_value=-np.inf)
    return by[by["value"] > before]


def _frontier(axis: Axes, table: pd.DataFrame, cost: str) -> None:
    """Draw what can be had for a cost."""
    best = frontier(table, cost)
    axis.step(best[cost], best["value"], where="post", color=FAINT, linewidth=1, linestyle="--")
