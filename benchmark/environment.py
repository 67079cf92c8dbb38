"""What numbers are made with: versions, device, code, energy; and settings of the process.

What cannot be told is left out: an absent energy is unknown, not zero.
"""

import ctypes
import json
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution, distributions, version
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from benchmark.errors import BenchmarkError
from benchmark.version import __version__

if TYPE_CHECKING:
    import torch

# Torch is loaded where it is asked: names are checked before it is.
_PACKAGES = ("accelerate", "numpy", "opencv-python-headless", "pillow", "scikit-learn", "timm")
_TORCH_PACKAGES = ("torch", "torchvision", "transformers")


def versions() -> dict[str, str]:
    """Give the versions that can move a score."""
    found = {name: version(name) for name in (*_PACKAGES, *_TORCH_PACKAGES)}
    return {"forgerybench": __version__, "python": platform.python_version(), **found}


PRECISIONS = ("float32", "bfloat16")
"""In which scores may be computed."""


def check_device(name: str) -> None:
    """Raise BenchmarkError unless ``name`` can name a device."""
    if name not in ("auto", "cpu", "cuda"):
        raise BenchmarkError(f"--device is auto, cpu or cuda, not '{name}'")


def check_precision(name: str) -> None:
    """Raise BenchmarkError unless ``name`` is one of ``PRECISIONS``."""
    if name not in PRECISIONS:
        raise BenchmarkError(f"--precision is {' or '.join(PRECISIONS)}, not '{name}'")


def resolve_device(name: str) -> "torch.device":
    """Give the device that ``auto``, ``cpu`` or ``cuda`` means here.

    Raises:
        BenchmarkError: ``cuda`` was asked for and there is none.
    """
    import torch

    check_device(name)
    if name == "cuda" and not torch.cuda.is_available():
        raise BenchmarkError("--device cuda: torch finds no CUDA device here; use --device cpu")
    if name == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda")


def environment(device: "torch.device") -> dict[str, str]:
    """Give all that "same bytes" depends on beside data, protocols and seeds."""
    import torch

    return {**versions(), "device": describe(device), "threads": str(torch.get_num_threads())}


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one CPU thread for a while, whatever the process has.

    The sums of several threads are rounded otherwise for every number of them, and hundreds of
    steps of a training make another model of that.
    """
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    with threadpool_limits(1):
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def describe(device: "torch.device") -> str:
    """Name a device for a reader."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu ({platform.machine()})"


def process_rank() -> int:
    """Give this process's number; 0 leads, and is the only one without a launcher."""
    return int(os.environ.get("RANK", "0"))


def process_count() -> int:
    """Give how many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def host() -> dict[str, str]:
    """Give facts of the machine that no number depends on."""
    return {"system": platform.platform(), "cores": str(os.cpu_count())}


_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # mallopt's numbers of its parameters

_LARGEST_KEPT = 32 * 2**20  # bytes; glibc takes no more
_NEVER = 2**31 - 1
_USERS_OWN = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


def keep_freed_memory() -> bool:
    """Let glibc keep the memory of freed tensors, up to 32 MiB each, for those that come next.

    On a CPU torch takes and frees megabytes for every layer of every step. By its own rule glibc
    gives them back to the system each time, which hands them out again page by page, zeroed:
    often more time than the arithmetic (``performance/README.md``). It is a setting of the
    process; no number depends on it, and what is larger than 32 MiB is still given back at once.

    Returns:
        Whether it is so from now on: not without glibc, nor where the environment sets glibc's
        thresholds itself.
    """
    if platform.libc_ver()[0] != "glibc" or any(name in os.environ for name in _USERS_OWN):
        return False
    mallopt = ctypes.CDLL(None).mallopt
    kept = mallopt(_TRIM_THRESHOLD, _NEVER) and mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT)
    return bool(kept)


def is_out_of_memory(error: Exception) -> bool:
    """Tell whether torch raised an error for want of memory, on a card or beside it."""
    import torch

    return isinstance(error, torch.OutOfMemoryError) or _NO_MEMORY in str(error)


_NO_MEMORY = "DefaultCPUAllocator: can't allocate memory"


def home() -> Path:
    """Give the folder of what runs share: models, the embedded set, copies of what was fetched."""
    import platformdirs

    named = os.environ.get("FORGERYBENCH_HOME")
    return Path(named) if named else Path(platformdirs.user_cache_dir("forgerybench"))


ROOT = Path(__file__).parents[1]
DISTRIBUTION = "forgerybench"

# What can change a number; results that lie beside the code cannot.
_OURS = ("benchmark", "detectors", "protocols", "results", "leaderboard")
_CODE = (*_OURS, ":(exclude)results/published")


def provenance(device: "torch.device") -> dict[str, Any]:
    """Give the facts of machine and installation that belong into ``host.json``.

    Returns:
        ``system``, ``cores``, ``device``, ``packages`` (version by name, all that are installed);
        ``driver``, ``commit`` and ``dirty`` where they are known.
    """
    facts: dict[str, Any] = {**host(), "device": describe(device), "packages": packages()}
    driver = driver_version() if device.type == "cuda" else None
    if driver is not None:
        facts["driver"] = driver
    return {**facts, **source()}


@cache
def packages() -> Mapping[str, str]:
    """Give the version of every installed package by its name."""
    found = {str(each.metadata["Name"]): each.version for each in distributions()}
    return dict(sorted(found.items()))


@cache
def source(root: Path = ROOT) -> Mapping[str, Any]:
    """Give the commit that the code is of, and whether the code differs from it.

    Args:
        root: The folder of the five packages.

    Returns:
        ``commit`` and ``dirty`` where ``root`` is a checkout of this project; ``commit`` where it
        was installed from one; else nothing. A repository around it that does not hold it is not
        meant.
    """
    if _git(root, "ls-files", "--error-unmatch", "benchmark/__init__.py") is not None:
        commit = _git(root, "rev-parse", "HEAD")
        changes = _git(root, "status", "--porcelain", "--untracked-files=normal", "--", *_CODE)
        if commit is not None and changes is not None:
            return {"commit": commit, "dirty": bool(changes)}
    try:
        stated = distribution(DISTRIBUTION).read_text("direct_url.json")
    except PackageNotFoundError:
        return {}
    commit = json.loads(stated or "{}").get("vcs_info", {}).get("commit_id")
    return {"commit": commit} if commit else {}


def _git(root: Path, *arguments: str) -> str | None:
    """Ask git; None where it is not installed or says no."""
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments
            ["git", "-C", str(root), *arguments],  # noqa: S607 - the user's own git
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def driver_version() -> str | None:
    """Give the version of NVIDIA's driver, or None where it cannot be asked."""
    nvml = _nvml()
    return None if nvml is None else str(nvml.nvmlSystemGetDriverVersion())


class EnergyMeter:
    """The energy that a graphics card used since the meter was made, as its driver counts it.

    It is all the card's, whoever used it: an estimate of what a run took. Several processes or
    cards are not added up; the meter reads the one of ``device``.
    """

    def __init__(self, device: "torch.device") -> None:
        """Begin to count."""
        self._device = device
        self._began = self._read()

    def joules(self) -> float | None:
        """Give the energy in joules, or None where the driver does not count it."""
        now = self._read()
        return None if now is None or self._began is None else (now - self._began) / 1000

    def _read(self) -> float | None:
        """Read the card's counter in millijoules."""
        nvml = _nvml() if self._device.type == "cuda" else None
        if nvml is None:
            return None
        import torch

        try:
            uuid = torch.cuda.get_device_properties(self._device).uuid
            handle = nvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
            return float(nvml.nvmlDeviceGetTotalEnergyConsumption(handle))
        except nvml.NVMLError:  # old cards and parts of one do not count
            return None


@cache
def _nvml() -> ModuleType | None:
    """Load NVIDIA's management library (package ``nvidia-ml-py``) where it and a driver are."""
    try:
        nvml = import_module("pynvml")
    except ImportError:
        return None
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return None
    return nvml
