"""Accuracy against cost in a run: what a detector's size buys.

What ``bench`` measures is in ``leaderboard.tables.cost``.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from leaderboard.errors import LeaderboardError
from leaderboard.figures.drawing import FAINT, FigureKind, Picture, new_figure, picture
from leaderboard.figures.panels import (
    BLUE,
    LABEL_HEIGHT,
    clean_results,
    clean_results_text,
    name_points,
    unit_ticks,
)
from leaderboard.tables.run_cost import run_costs
from leaderboard.view import Context, ProtocolView, summarise
from results.costs import DeviceCosts
from results.metrics.registry import Metric

_KIND = FigureKind(
    "cost",
    caption=(
        "Farther up and left is better. Filled and joined by the dashed line: no other detector "
        "that costs as little is better."
    ),
    heading="Accuracy against cost",
)
PARAMETERS = "parameters"
# More is better: the frontier runs the other way.
RATES = frozenset({"images per second"})


def tradeoff_table(view: ProtocolView, costs: pd.DataFrame | None = None) -> pd.DataFrame:
    """Put each contender's mean beside what it costs.

    Args:
        view: The protocol's results.
        costs: More costs, a row a detector (as the study calls it) and a column a cost, each above
            0 or missing; ``images per second`` is known to be a rate. Measured elsewhere.

    Returns:
        Columns ``contender``, ``value`` (over ``clean_results``; contenders without one are left
        out), ``parameters`` (of the largest of its models), and those of ``costs``.

    Raises:
        LeaderboardError: A cost is not a number above 0.
    """
    if costs is not None and not (costs.isna() | (costs > 0)).all(axis=None):
        raise LeaderboardError("costs are numbers above 0, or missing")
    rows = []
    for contender in view.contenders:
        value = summarise(clean_results(view, contender), view.metric, strict=False).value
        sizes = [model.parameters for (who, _), model in view.models.items() if who == contender]
        if value is None or not any(sizes):
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


def tradeoff_pictures(context: Context) -> list[Picture]:
    """Draw ``tradeoff_table``, where it has two contenders to compare.

    Returns:
        Accuracy against parameters, and a picture a device of what was measured on it.
    """
    view = context.view
    table = tradeoff_table(view)
    pictures = [tradeoff_chart(view, table)] if len(table) > 1 else []
    for number, measured in enumerate(run_costs(context.contents), 1):
        table = tradeoff_table(view, _measured_frame(measured)).drop(columns=PARAMETERS)
        table = table.dropna()
        if len(table) > 1:
            name = f"{view.name}-cost-{number}"
            pictures.append(tradeoff_chart(view, table, name=name, device=measured.device))
    return pictures


def _measured_frame(measured: DeviceCosts) -> pd.DataFrame:
    """Give what ``tradeoff_table`` puts beside the means."""
    rows = {
        name: {"FLOPs": cost.flops or None, "images per second": cost.images_per_second}
        for name, cost in measured.detectors.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index", dtype=float)


def tradeoff_chart(
    view: ProtocolView, table: pd.DataFrame, *, name: str | None = None, device: str = ""
) -> Picture:
    """Draw ``tradeoff_table``, which has a row at least: a panel a cost, a point a contender.

    Args:
        view: The protocol's results.
        table: The table, or some of its columns of costs.
        name: Stem of the files; None: that of the protocol.
        device: What the costs were measured on; empty where they are counted.
    """
    costs = [name for name in table.columns[2:] if table[name].notna().any()]
    with new_figure() as figure:
        height = max(3.2, LABEL_HEIGHT * len(table) + 1.1)
        figure.set_size_inches(6.6, height * len(costs))
        axes = figure.subplots(len(costs), 1, squeeze=False).ravel()
        for axis, cost in zip(axes, costs, strict=True):
            _panel(axis, table.dropna(subset=[cost]), cost, view.headline)
            axis.set_ylabel(view.metric)
        where = f", measured on {device}" if device else ""
        alt = f"{view.protocol.title}: {view.metric} over cost, by detector{where}"
        title = f"{view.protocol.title}: {clean_results_text(view)}{where}"
        return picture(figure, name or f"{view.name}-cost", _KIND, title, alt)


def frontier(table: pd.DataFrame, cost: str, *, higher_is_better: bool = True) -> pd.DataFrame:
    """Give the rows that no row beats which costs no more, from the cheapest on."""
    known = table.dropna(subset=[cost])
    order = [cost not in RATES, not higher_is_better]
    by = known.sort_values([cost, "value"], ascending=order, kind="stable")
    worth = by["value"] if higher_is_better else -by["value"]
    return by[worth > worth.cummax().shift(fill_value=-np.inf)]


def _panel(axis: Axes, table: pd.DataFrame, cost: str, metric: Metric) -> None:
    """Draw what each contender costs and reaches; filled is what nothing cheaper beats."""
    best = frontier(table, cost, higher_is_better=metric.higher_is_better)
    axis.step(best[cost], best["value"], where="post", color=FAINT, linewidth=1, linestyle="--")
    for rows, fill in ((table.drop(index=best.index), "white"), (best, BLUE)):
        axis.plot(
            rows[cost], rows["value"], marker="o", markersize=6, linestyle="", color=BLUE,
            markerfacecolor=fill, zorder=3,
        )  # fmt: skip
    axis.set_xscale("log")
    axis.set_xlim(axis.get_xlim())
    axis.set_ylim(axis.get_ylim())
    if not metric.higher_is_better:  # farther up is better in every such figure
        axis.invert_yaxis()
    unit_ticks(axis.xaxis)
    axis.set_xlabel(cost)
    name_points(axis, *(table[column].tolist() for column in ("contender", cost, "value")))
