"""What detectors cost, as ``bench`` measures it, as a figure: rates against sizes.

Its table is in ``leaderboard.tables.cost``; what a cost buys in a run in
``leaderboard.figures.tradeoff``.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from leaderboard.figures.drawing import FigureKind, Picture, new_figure, picture
from leaderboard.figures.panels import LABEL_HEIGHT, legend, name_points, styles, unit_ticks
from leaderboard.tables.cost import Cost, cost_csv, cost_json, cost_markdown
from results.files import atomic_write, refuse_existing


def cost_files(folder: str | Path) -> list[Path]:
    """Name all that ``write_costs`` may write."""
    return [
        Path(folder) / f"costs.{ending}" for ending in ("md", "csv", "json", "png", "svg", "pdf")
    ]


def write_costs(
    folder: str | Path, costs: Sequence[Cost], measured: Mapping[str, str], *, force: bool = False
) -> list[Path]:
    """Write the table in its three forms and the figure.

    Args:
        folder: Where to; it is made where it is not there.
        costs: A detector each.
        measured: How it was measured: what, and its value.
        force: Replace files that are there.

    Returns:
        The files.

    Raises:
        ResultError: One is there.
    """
    folder = Path(folder)
    refuse_existing(*cost_files(folder), force=force)
    texts: dict[str, str | bytes] = {
        "costs.md": cost_markdown(costs, measured),
        "costs.csv": cost_csv(costs),
        "costs.json": cost_json(costs, measured),
    }
    chart = rate_chart(costs, measured)
    if chart is not None:
        texts |= {f"{chart.name}.{ending}": content for ending, content in chart.files.items()}
    for name, content in texts.items():
        atomic_write(folder / name, content)
    return [folder / name for name in texts]


def rate_chart(costs: Sequence[Cost], measured: Mapping[str, str]) -> Picture | None:
    """Draw images per second over parameters, each point named at the side; None without any."""
    table = rate_table(costs)
    if table.empty:
        return None
    looks = styles(list(dict.fromkeys(table["group"])))
    with new_figure() as figure:
        height = max(3.6, LABEL_HEIGHT * len(table) + 1.1)
        figure.set_size_inches(8.4, height)
        axis = figure.subplots()
        axis.set_xscale("log")
        axis.set_yscale("log")
        for group, look in looks.items():
            rows = table[table["group"] == group]
            axis.plot(
                rows["parameters"], rows["images_per_second"], color=look.colour, linestyle="",
                marker=look.marker, markersize=7, markeredgecolor="white", markeredgewidth=0.6,
            )  # fmt: skip
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        _spread(axis, table["images_per_second"])
        name_points(
            axis,
            *(table[name].tolist() for name in ("detector", "parameters", "images_per_second")),
        )
        unit_ticks(axis.xaxis, axis.yaxis)
        axis.set_xlabel("parameters")
        axis.set_ylabel("images per second")
        keys = [
            Line2D([], [], color=look.colour, marker=look.marker, linestyle="", label=group)
            for group, look in looks.items()
        ]
        legend(figure, keys)
        where = ", ".join(measured[key] for key in ("size", "precision", "on") if key in measured)
        return picture(
            figure, "costs", FigureKind("rate"), f"Rates and sizes: {where}",
            "images per second over parameters, by detector",
        )  # fmt: skip


def rate_table(costs: Sequence[Cost]) -> pd.DataFrame:
    """Give what the figure shows: detector, group, parameters, images_per_second, both above 0."""
    columns = ["detector", "group", "parameters", "images_per_second"]
    rows = [
        {name: getattr(cost, name) for name in columns}
        for cost in costs
        if cost.parameters and cost.images_per_second
    ]
    return pd.DataFrame(rows, columns=columns)


def _spread(axis: Axes, rates: "pd.Series[float]") -> None:
    """Give the rates as much room as their names need, even where all are alike."""
    low, high = np.log10(rates.min()), np.log10(rates.max())
    span = max(high - low, 0.3) * 1.1
    axis.set_ylim(10 ** ((low + high - span) / 2), 10 ** ((low + high + span) / 2))
