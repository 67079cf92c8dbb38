"""What the numbers were made with: package versions, threads, device."""

import os
import platform
from importlib.metadata import version
from typing import TYPE_CHECKING

from benchmark import __version__
from benchmark.errors import BenchmarkError

if TYPE_CHECKING:
    import torch

# Torch is loaded where it is asked: names are checked before it is.
_PACKAGES = ("accelerate", "numpy", "opencv-python-headless", "pillow", "scikit-learn", "timm")
_TORCH_PACKAGES = ("torch", "torchvision", "transformers")


def versions() -> dict[str, str]:
    """Give the versions that can move a score."""
    found = {name: version(name) for name in (*_PACKAGES, *_TORCH_PACKAGES)}
    return {"forgerybench": __version__, "python": platform.python_version(), **found}


def check_device(name: str) -> None:
    """Raise BenchmarkError unless ``name`` can name a device."""
    if name not in ("auto", "cpu", "cuda"):
        raise BenchmarkError(f"--device is auto, cpu or cuda, not '{name}'")


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


def describe(device: "torch.device") -> str:
    """Name a device for a reader."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu ({platform.machine()})"


def host() -> dict[str, str]:
    """Give facts of the machine that no number depends on."""
    return {"system": platform.platform(), "cores": str(os.cpu_count())}
