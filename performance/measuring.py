"""Times, memory and tables for the scripts here.

Ratios are medians of pairs measured one after the other: a machine that slows down slows both.
"""

import ctypes
import gc
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch

Call = Callable[[], object]
Row = dict[str, Any]


def paired(calls: Mapping[str, Call], rounds: int, device: torch.device) -> dict[str, Row]:
    """Time every call right after the first one, after a round that does not count.

    Args:
        calls: What is timed, by name; the first is what the others are compared with.
        rounds: How often.
        device: Its queue is emptied before and after each call.

    Returns:
        For each name ``seconds``, the median, and ``ratio``, the median over the rounds of the
        first call's time over this one's in its pair: above 1 is faster than the first.
    """
    (name_of_first, first), *others = calls.items()
    pairs: dict[str, list[tuple[float, float]]] = {name: [] for name, _ in others}
    for number in range(rounds + 1):
        for name, call in others:
            pair = seconds(first, device), seconds(call, device)
            if number:
                pairs[name].append(pair)
    taken = [a for timed in pairs.values() for a, _ in timed]
    taken = taken or [seconds(first, device) for _ in range(rounds + 1)][1:]
    found: dict[str, Row] = {name_of_first: {"seconds": median(taken), "ratio": 1.0}}
    for name, timed in pairs.items():
        ratios = [a / b for a, b in timed]
        found[name] = {"seconds": median(b for _, b in timed), "ratio": median(ratios)}
    return found


def seconds(call: Call, device: torch.device) -> float:
    """Time one call.

    On a CPU with one thread it is the process's own time, which others on the machine hardly
    change; otherwise the time on the wall.
    """
    clock = time.process_time if is_own_time(device) else time.perf_counter
    wait(device)
    began = clock()
    call()
    wait(device)
    return clock() - began


def is_own_time(device: torch.device) -> bool:
    """Tell whether times are the process's own."""
    return device.type == "cpu" and torch.get_num_threads() == 1


def wait(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_megabytes(call: Call, device: torch.device) -> float:
    """Give the most memory that ``call`` takes on top of what is taken already, in MB.

    On a GPU it is what torch's allocator hands out; on a CPU the process's resident memory, by
    Linux's high-water mark, so that libraries' own buffers count and the figure is coarse.
    """
    gc.collect()
    if device.type == "cuda":
        wait(device)
        torch.cuda.reset_peak_memory_stats(device)
        at_first = torch.cuda.memory_allocated(device)
        call()
        wait(device)
        return (torch.cuda.max_memory_allocated(device) - at_first) / 1e6
    ctypes.CDLL("libc.so.6").malloc_trim(0)  # what was freed is given back, or it hides the peak
    before = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    call()
    return (_resident("VmHWM") - before) / 1e6


def _resident(field: str) -> float:
    """Read a size in bytes from the process's status."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return 1024.0 * int(line.split()[1])
    raise OSError(f"/proc/self/status has no {field}")


def hardware(device: torch.device) -> str:
    """Say what was measured on, without naming the machine."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}"
    with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
        flags = {flag for line in file if line.startswith("flags") for flag in line.split()}
    units = [flag for flag in ("avx512f", "avx512_bf16", "amx_bf16") if flag in flags]
    threads = torch.get_num_threads()
    cores = len(os.sched_getaffinity(0))
    has = ", ".join(units) or "no avx512"
    clock = "the process's own time" if is_own_time(device) else "time on the wall"
    return f"{cores}-core CPU ({has}), threads: {threads}, torch {torch.__version__}; {clock}"


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
