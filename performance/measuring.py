"""Times, memory and tables for the scripts here.

Ratios are medians of pairs measured one after the other: a machine that slows down slows both.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmark.analysis.cost import (
    Call,
    hardware,
    held_bytes,
    is_own_time,
    peak_bytes,
    seconds,
    wait,
)

__all__ = [
    "Call",
    "Row",
    "hardware",
    "has_half_precision",
    "is_own_time",
    "markdown",
    "on_the_wall",
]
__all__ += ["own_seconds", "paired", "peak_megabytes", "seconds", "wait", "write_report"]
Row = dict[str, Any]


def paired(
    calls: Mapping[str, Call],
    rounds: int,
    device: torch.device,
    *,
    timed: Callable[[Call, torch.device], float] | None = None,
) -> dict[str, Row]:
    """Time every call right after the first one, after a round that does not count.

    Args:
        calls: What is timed, by name; the first is what the others are compared with.
        rounds: How often; 0: once, with no round before it, for what takes long.
        device: Its queue is emptied before and after each call.
        timed: Gives the seconds of a call; None: as ``seconds``.

    Returns:
        For each name ``seconds``, the median, and ``ratio``, the median over the rounds of the
        first call's time over this one's in its pair: above 1 is faster than the first.
    """
    timed = timed or seconds
    (name_of_first, first), *others = calls.items()
    pairs: dict[str, list[tuple[float, float]]] = {name: [] for name, _ in others}
    for number in range(rounds + 1):
        for name, call in others:
            pair = timed(first, device), timed(call, device)
            if number or not rounds:
                pairs[name].append(pair)
    taken = [a for found_pairs in pairs.values() for a, _ in found_pairs]
    taken = taken or [timed(first, device) for _ in range(rounds + 1)][bool(rounds) :]
    found: dict[str, Row] = {name_of_first: {"seconds": median(taken), "ratio": 1.0}}
    for name, each in pairs.items():
        ratios = [a / b for a, b in each]
        found[name] = {"seconds": median(b for _, b in each), "ratio": median(ratios)}
    return found


def own_seconds(call: Call, _: torch.device) -> float:
    """Time a call by the process's own clock: all of its threads, which others hardly change."""
    began = time.process_time()
    call()
    return time.process_time() - began


def on_the_wall(call: Call, device: torch.device) -> float:
    """Time a call by the wall's clock: what several threads do together."""
    wait(device)
    began = time.perf_counter()
    call()
    wait(device)
    return time.perf_counter() - began


def peak_megabytes(call: Call, device: torch.device) -> float:
    """Give the most memory that ``call`` takes on top of what is taken already, in MB."""
    before = held_bytes(device)
    return (peak_bytes(call, device) - before) / 1e6


def has_half_precision(device: torch.device) -> bool:
    """Tell whether the device computes in bf16 itself: otherwise it is slower than fp32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return any(unit in hardware(device) for unit in ("avx512_bf16", "amx_bf16"))


def markdown(rows: Sequence[Row]) -> str:
    """Lay rows of equal keys out as a Markdown table."""
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
    lines += ["| " + " | ".join(_shown(value) for value in row.values()) + " |" for row in rows]
    return "\n".join(lines)


def _shown(value: object) -> str:
    """Show a figure with as many digits as it deserves."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
    return "-" if value is None else str(value)


def write_report(tables: Mapping[str, Sequence[Row]], where: str, path: Path | None) -> None:
    """Print the tables, and write them to ``path`` as JSON if one is given."""
    print(f"Measured on: {where}\n")
    for title, rows in tables.items():
        print(f"### {title}\n\n{markdown(rows)}\n")
    if path is not None:
        text = json.dumps({"hardware": where, "tables": tables}, indent=2, sort_keys=True)
        path.write_text(text + "\n", encoding="utf-8")
