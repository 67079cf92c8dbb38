"""What a run's host.json tells of code, packages and energy - and what it leaves out."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from benchmark import environment
from benchmark.environment import EnergyMeter, driver_version, packages, source

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Forget what was read once, before and after."""
    caches = (packages, source, environment._nvml)
    for each in caches:
        each.cache_clear()
    yield
    for each in caches:
        each.cache_clear()


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "benchmark").mkdir()
    (tmp_path / "benchmark" / "__init__.py").write_text("")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def test_a_checkout_tells_its_commit_and_whether_it_was_changed(checkout: Path) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    assert source(checkout) == {"commit": commit, "dirty": False}
    source.cache_clear()
    (checkout / "notes.txt").write_text("not code")
    assert source(checkout) == {"commit": commit, "dirty": False}
    source.cache_clear()
    (checkout / "benchmark" / "__init__.py").write_text("x = 1")
    assert source(checkout) == {"commit": commit, "dirty": True}


def test_a_repository_around_an_installation_is_not_taken_for_ours(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = checkout / ".venv" / "site-packages"
    (installed / "benchmark").mkdir(parents=True)
    (installed / "benchmark" / "__init__.py").write_text("")
    stated = '{"url": "x", "vcs_info": {"vcs": "git", "commit_id": "abc"}}'
    for text, expected in ((None, {}), ('{"url": "x"}', {}), (stated, {"commit": "abc"})):
        source.cache_clear()
        fake = SimpleNamespace(read_text=lambda _, text=text: text)
        monkeypatch.setattr(environment, "distribution", lambda _, fake=fake: fake)
        assert source(installed) == expected


def test_without_git_there_is_no_commit(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert "dirty" not in source(checkout)


def test_packages_have_versions() -> None:
    assert packages()["numpy"].count(".") == 2
    assert {"torch", "pandas"} <= set(packages())


class NVMLError(Exception):
    pass


def nvml(**functions: object) -> SimpleNamespace:
    """A management library whose counter goes up by 5 J a reading."""
    readings = iter(range(1000, 10**6, 5000))
    usual = {
        "NVMLError": NVMLError,
        "nvmlInit": lambda: None,
        "nvmlSystemGetDriverVersion": lambda: "570.1",
        "nvmlDeviceGetHandleByUUID": lambda uuid: uuid,
        "nvmlDeviceGetTotalEnergyConsumption": lambda handle: next(readings),
    }
    return SimpleNamespace(**(usual | functions))


def refuse(*_: object) -> None:
    raise NVMLError("not supported")


def test_energy_is_the_difference_of_the_cards_counter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", nvml())
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda _: SimpleNamespace(uuid="a-b-c")
    )
    assert EnergyMeter(CUDA).joules() == 5.0
    assert driver_version() == "570.1"


@pytest.mark.parametrize(
    "library",
    [None, nvml(nvmlInit=refuse), nvml(nvmlDeviceGetTotalEnergyConsumption=refuse)],
    ids=["no library", "no driver", "no counter"],
)
def test_energy_that_is_not_counted_is_absent(
    monkeypatch: pytest.MonkeyPatch, library: SimpleNamespace | None
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", library)
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda _: SimpleNamespace(uuid="a-b-c")
    )
    assert EnergyMeter(CUDA).joules() is None
    assert EnergyMeter(CPU).joules() is None


def test_host_facts_of_a_cpu_name_no_driver() -> None:
    told = environment.provenance(CPU)
    assert {"system", "cores", "device", "packages"} <= set(told)
    assert "driver" not in told
