"""Time and memory of calls, as a device or Linux tells them."""

import ctypes
import gc
import os
import time
from collections.abc import Callable
from pathlib import Path

import torch

Call = Callable[[], object]


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


def held_bytes(device: torch.device) -> float:
    """Give the memory that is taken now.

    On a GPU it is what torch's allocator hands out; on a CPU the process's resident memory, so that
    libraries' own buffers count and the figure is coarse.
    """
    gc.collect()
    if device.type == "cuda":
        wait(device)
        return float(torch.cuda.memory_allocated(device))
    ctypes.CDLL("libc.so.6").malloc_trim(0)  # what was freed is given back, or it hides the peak
    return _resident("VmRSS")


def peak_bytes(call: Call, device: torch.device) -> float:
    """Give the most memory that is taken during ``call``; see ``held_bytes``."""
    if device.type == "cuda":
        wait(device)
        torch.cuda.reset_peak_memory_stats(device)
        call()
        wait(device)
        return float(torch.cuda.max_memory_allocated(device))
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # Linux's high-water mark
    call()
    return _resident("VmHWM")


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


def _resident(field: str) -> float:
    """Read a size in bytes from the process's status."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return 1024.0 * int(line.split()[1])
    raise OSError(f"/proc/self/status has no {field}")
