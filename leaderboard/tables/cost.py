"""What detectors cost, as ``bench`` measures it, as a table.

Its figure is in ``leaderboard.figures.cost``; what a cost buys in a run in
``leaderboard.figures.tradeoff``.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import pandas as pd
from tabulate import tabulate

from leaderboard.tables.table import DASH, with_unit
from results.files import csv_table

COST_COLUMNS = (
    "detector",
    "group",
    "params",
    "trained",
    "input",
    "FLOPs",
    "images/s",
    "± %",
    "ms",
    "MB",
)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one detector costs; all numbers are missing where it could not be built.

    Attributes:
        detector: Its name, or class, as given.
        group: The kind of its card.
        parameters: All parameters, as in training.
        trained: Those that gradient steps change.
        input_size: Side of its input in pixels.
        flops: Floating-point operations of scoring one image alone, a multiply-add as two.
        batch: Images a forward pass when it was timed.
        images_per_second: Images scored a second, already prepared; the median of the rounds.
        spread: Half the range of the rounds' rates over their median.
        latency_seconds: Time of scoring one prepared image alone; the median of the rounds.
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
    latency_seconds: float | None = None
    peak_bytes: float | None = None
    reason: str | None = None


def cost_rows(costs: Sequence[Cost]) -> list[list[str]]:
    """Give the rows under ``COLUMNS``; reasons are numbered as in ``cost_notes``."""
    reasons = _reasons(costs)
    rows = []
    for cost in costs:
        if cost.reason:
            mark = f"{DASH} [{reasons.index(cost.reason) + 1}]"
            rows.append([cost.detector, cost.group, mark, *[DASH] * (len(COST_COLUMNS) - 3)])
            continue
        rate, spread, peak = cost.images_per_second, cost.spread, cost.peak_bytes
        latency = None if cost.latency_seconds is None else 1e3 * cost.latency_seconds
        rows.append(
            [cost.detector, cost.group,
             _shown(cost.parameters or None), _shown(cost.trained or None),
             str(cost.input_size), _shown(cost.flops), _shown(rate),
             DASH if spread is None else f"{100 * spread:.0f}", _shown(latency),
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
        "± %: half the range of the rounds. ms: of one image alone.",
        "FLOPs: of one image alone, a multiply-add as two; products, convolutions and attention "
        "count, Fourier transforms and element-wise operations do not. MB: weights and one forward "
        "pass at the peak; on a CPU a coarse figure, libraries' buffers included.",
        *(f"[{number}] {reason}" for number, reason in enumerate(_reasons(costs), 1)),
    ]


def cost_markdown(costs: Sequence[Cost], measured: Mapping[str, str]) -> str:
    """Write the table in Markdown, notes below."""
    align = ["left", "left", *["right"] * (len(COST_COLUMNS) - 2)]
    rows = cost_rows(costs)
    table = tabulate(rows, COST_COLUMNS, tablefmt="pipe", colalign=align, disable_numparse=True)
    notes = "\n".join(f"- {note}" for note in cost_notes(costs, measured))
    return f"# Cost of detectors\n\n{table}\n\n{notes}\n"


def cost_csv(costs: Sequence[Cost]) -> str:
    """Write the numbers at full precision, a row a detector, empty where missing."""
    whole = dict.fromkeys(("parameters", "trained", "input_size", "flops", "batch"), "Int64")
    frame = pd.DataFrame([asdict(cost) for cost in costs]).astype(whole)
    return csv_table(frame)


def cost_json(costs: Sequence[Cost], measured: Mapping[str, str]) -> str:
    """Write the numbers at full precision with how they were measured."""
    whole = {"measured": dict(measured), "detectors": [asdict(cost) for cost in costs]}
    return json.dumps(whole, indent=2, sort_keys=True, allow_nan=False) + "\n"


def _shown(number: float | None) -> str:
    """Write a number, or a dash."""
    return DASH if number is None else with_unit(number)


def _reasons(costs: Sequence[Cost]) -> list[str]:
    """Give why numbers are missing, each once."""
    return list(dict.fromkeys(cost.reason for cost in costs if cost.reason))
