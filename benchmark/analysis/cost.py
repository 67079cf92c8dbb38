"""What detectors cost: each is built from random weights and timed in a process of its own."""

import ctypes
import gc
import math
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch

from benchmark.environment import resolve_device
from benchmark.errors import BenchmarkError
from benchmark.progress import Progress
from detectors.base import Detector, Size
from detectors.cards import CARDS
from detectors.catalog import detector_class
from detectors.counting import build_random, count_flops, noise_batch, numbers_of
from detectors.errors import DetectorError
from leaderboard.tables.cost import Cost

# A round is at least as long: a clock of the process may tick in milliseconds.
_LEAST_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How costs are measured.

    Attributes:
        size: ``tiny`` or ``base``.
        device: ``auto``, ``cpu`` or ``cuda``.
        batch: Images a forward pass; fewer where a card pins less.
        rounds: How often it is timed, after two passes that do not count; a round is as many
            passes as take 0.2 s.
        threads: Of torch on a CPU; None: its own number.
    """

    size: Size
    device: str = "auto"
    batch: int = 8
    rounds: int = 5
    threads: int | None = None


class Costs(NamedTuple):
    """Costs in the order asked for, and how they were measured: size, precision, batch, device."""

    costs: list[Cost]
    measured: dict[str, str]


def measure_costs(names: Sequence[str], setting: Setting, progress: Progress) -> Costs:
    """Measure detectors one after the other; random weights, nothing is downloaded.

    Args:
        names: Names as in a study; none gives the catalog without checks of the benchmark.
        setting: How.
        progress: Told of each detector.

    Returns:
        The costs; where a detector cannot be built without a download, or does not fit in memory,
        its cost says so.

    Raises:
        BenchmarkError: The size, the device, the batch or the rounds are none.
        UnknownDetectorError: There is no such detector.
    """
    if setting.size not in ("tiny", "base"):
        raise BenchmarkError(f"--size is tiny or base, not '{setting.size}'")
    if setting.batch < 1 or setting.rounds < 1:
        raise BenchmarkError("--batch and --rounds are whole numbers from 1")
    resolve_device(setting.device)
    chosen = list(names) or [name for name, card in CARDS.items() if not card.sanity]
    groups = {name: detector_class(name).card.kind for name in chosen}
    costs, where = [], ""
    progress.phase("cost", len(chosen))
    for name, group in groups.items():
        progress.job(name, total=1)
        cost, told = _in_own_process(name, group, setting)
        costs.append(cost)
        where = where or told
        progress.finish()
    measured = {
        "size": setting.size,
        "precision": "float32",
        "batch": str(setting.batch),
        "rounds": str(setting.rounds),
        "on": where or "nothing: no detector could be built",
    }
    return Costs(costs, measured)


def _in_own_process(name: str, group: str, setting: Setting) -> tuple[Cost, str]:
    """Measure one detector where nothing of the others is in memory."""
    # Not a fork: it would begin with this process's memory, and CUDA does not survive one.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(measure_here, name, group, setting).result()
        except (DetectorError, torch.OutOfMemoryError) as error:
            reason = str(error).strip().splitlines()[0]
        except BrokenProcessPool:
            reason = f"{name}: its process was killed, probably for want of memory"
    return Cost(detector=name, group=group, reason=reason), ""


def measure_here(name: str, group: str, setting: Setting) -> tuple[Cost, str]:
    """Measure one detector in this process; give its cost and what it ran on."""
    if setting.threads is not None:
        torch.set_num_threads(setting.threads)
    _warm(name, resolve_device(setting.device))
    return measure_detector(name, group, setting, lambda: build_random(name, setting.size))


def measure_detector(
    name: str, group: str, setting: Setting, build: Callable[[], Detector]
) -> tuple[Cost, str]:
    """Measure what ``build`` gives, in this process; give its cost and what it ran on.

    What loads libraries that it needs is better done before: they would count as its memory.
    """
    device = resolve_device(setting.device)
    before = held_bytes(device)
    detector = build().to(device).eval()
    batch = min(setting.batch, detector.card.batch_dependent or setting.batch)
    inputs, known = noise_batch(detector, batch)

    @torch.inference_mode()
    def call() -> None:
        detector.answer(inputs, known).float().cpu()

    peak = peak_bytes(call, device) - before
    repeats = math.ceil(_LEAST_SECONDS / max(seconds(call, device), 1e-6))

    def calls() -> None:
        for _ in range(repeats):
            call()

    rates = [batch * repeats / seconds(calls, device) for _ in range(setting.rounds)]
    rate = median(rates)
    one, known_of_one = noise_batch(detector, 1)

    @torch.inference_mode()
    def alone() -> None:
        detector.answer(one, known_of_one).float().cpu()

    alone()
    latency = median(seconds(alone, device) for _ in range(max(setting.rounds, 3)))
    parameters, trained, side = numbers_of(detector)
    cost = Cost(
        detector=name,
        group=group,
        parameters=parameters,
        trained=trained,
        input_size=side,
        flops=count_flops(detector),
        batch=batch,
        images_per_second=rate,
        spread=(max(rates) - min(rates)) / 2 / rate,
        latency_seconds=latency,
        peak_bytes=peak,
    )
    return cost, hardware(device)


def _warm(name: str, device: torch.device) -> None:
    """Load the libraries that a detector needs, so that they are not taken for its memory."""
    detector = build_random(name, "tiny").to(device)
    inputs, known = noise_batch(detector, 1)
    with torch.inference_mode():
        detector.answer(inputs, known)


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
