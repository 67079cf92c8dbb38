"""What detectors cost, as ``bench`` measures it, as a table and as a figure: rates against sizes.

What a cost buys in a run is in ``leaderboard.figures.tradeoff``.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator
from tabulate import tabulate

from leaderboard.figures.drawing import Picture, new_figure, picture
from leaderboard.figures.panels import LABEL_HEIGHT, legend, name_points, styles, unit_ticks
from leaderboard.tables.table import DASH, with_unit
from results.files import atomic_write

COLUMNS = ("detector", "group", "params", "trained", "input", "FLOPs", "images/s", "± %", "MB")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one detector costs; all numbers are missing where it could not be built.

    Attributes:
        detector: As it was asked for.
        group: The kind of its card.
        parameters: All parameters, as in training.
        trained: Those that gradient steps change.
        input_size: Side of its input in pixels.
        flops: Floating-point operations of scoring one image alone, a multiply-add as two.
        batch: Images a forward pass when it was timed.
        images_per_second: Images scored a second, already prepared; the median of the rounds.
        spread: Half the range of the rounds' rates over their median.
        peak_bytes: Memory for weights and one forward pass, at its peak.
        reason: Why there are no numbers.
    """

    detector: str
    group: str
    parameters: int | None = None
    trained: int | None = None
    input_size: int | None = None
    flops: int | None = None
    batch: int | None = None
    images_per_second: float | None = None
    spread: float | None = None
    peak_bytes: float | None = None
    reason: str | None = None


def cost_rows(costs: Sequence[Cost]) -> list[list[str]]:
    """Give the rows under ``COLUMNS``; reasons are numbered as in ``cost_notes``."""
    reasons = _reasons(costs)
    rows = []
    for cost in costs:
        if cost.reason:
            mark = f"{DASH} [{reasons.index(cost.reason) + 1}]"
            rows.append([cost.detector, cost.group, mark, *[DASH] * (len(COLUMNS) - 3)])
            continue
        rate, spread, peak = cost.images_per_second, cost.spread, cost.peak_bytes
        rows.append(
            [cost.detector, cost.group, _shown(cost.parameters), _shown(cost.trained),
             str(cost.input_size), _shown(cost.flops), _shown(rate),
             DASH if spread is None else f"{100 * spread:.0f}",
             DASH if peak is None else f"{peak / 1e6:.0f}"]
        )  # fmt: skip
    return rows


def cost_notes(costs: Sequence[Cost], measured: Mapping[str, str]) -> list[str]:
    """Say how it was measured, and why numbers are missing."""
    said = ", ".join(f"{name}: {value}" for name, value in measured.items())
    return [
        f"Measured: {said}.",
        "Random weights, nothing downloaded: they change no cost. Rates are of prepared inputs, "
        "reading and resizing images is not in them; they compare within this table alone. "
        "± %: half the range of the rounds.",
        "FLOPs: of one image alone, a multiply-add as two; products, convolutions and attention "
        "count, Fourier transforms and element-wise operations do not. MB: weights and one forward "
        "pass at the peak; on a CPU a coarse figure, libraries' buffers included.",
        *(f"[{number}] {reason}" for number, reason in enumerate(_reasons(costs), 1)),
    ]


def cost_markdown(costs: Sequence[Cost], measured: Mapping[str, str]) -> str:
    """Write the table in Markdown, notes below."""
    align = ["left", "left", *["right"] * (len(COLUMNS) - 2)]
    rows = cost_rows(costs)
    table = tabulate(rows, COLUMNS, tablefmt="pipe", colalign=align, disable_numparse=True)
    notes = "\n".join(f"- {note}" for note in cost_notes(costs, measured))
    return f"# Cost of detectors\n\n{table}\n\n{notes}\n"


def cost_csv(costs: Sequence[Cost]) -> str:
    """Write the numbers at full precision, a row a detector, empty where missing."""
    whole = dict.fromkeys(("parameters", "trained", "input_size", "flops", "batch"), "Int64")
    frame = pd.DataFrame([asdict(cost) for cost in costs]).astype(whole)
    return frame.to_csv(index=False, lineterminator="\n")


def cost_json(costs: Sequence[Cost], measured: Mapping[str, str]) -> str:
    """Write the numbers at full precision with how they were measured."""
    whole = {"measured": dict(measured), "detectors": [asdict(cost) for cost in costs]}
    return json.dumps(whole, indent=2, sort_keys=True, allow_nan=False) + "\n"


def write_costs(folder: Path, costs: Sequence[Cost], measured: Mapping[str, str]) -> list[Path]:
    """Write the table in its three forms and the figure; give the files."""
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
            figure, "costs", "rate", f"Rates and sizes: {where}",
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


def _shown(number: float | None) -> str:
    """Write a number, or a dash."""
    return DASH if number is None else with_unit(number)


def _reasons(costs: Sequence[Cost]) -> list[str]:
    """Give why numbers are missing, each once."""
    return list(dict.fromkeys(cost.reason for cost in costs if cost.reason))
