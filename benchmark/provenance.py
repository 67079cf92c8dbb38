"""Where numbers come from, beyond what a score depends on: code, packages, driver, energy.

What cannot be told is left out: an absent energy is unknown, not zero.
"""

import json
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution, distributions
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from benchmark.environment import describe, host

ROOT = Path(__file__).parents[1]
DISTRIBUTION = "forgerybench"
# What can change a number; results that lie beside the code cannot.
_PACKAGES = ("benchmark", "detectors", "protocols", "results", "leaderboard")
_CODE = (*_PACKAGES, ":(exclude)results/published")


def provenance(device: torch.device) -> dict[str, Any]:
    """Give the facts of machine and installation that belong into ``host.json``.

    Returns:
        ``system``, ``cores``, ``device``, ``packages`` (version by name, all that are installed);
        ``driver``, ``commit`` and ``dirty`` where they are known.
    """
    told: dict[str, Any] = {**host(), "device": describe(device), "packages": packages()}
    driver = driver_version() if device.type == "cuda" else None
    if driver is not None:
        told["driver"] = driver
    return {**told, **source()}


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

    def __init__(self, device: torch.device) -> None:
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
