"""The folder where one works is no place to take code from, but for what the command names."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmark.cli.limits import find_modules
from tests.own_detector import detector
from tests.small_data import write_dataset

ROOT = Path(__file__).parents[1]
TRAP = "import pathlib; pathlib.Path(__file__).with_suffix('.ran').touch()\n"
# Libraries that are not needed, and ones that are: neither may be taken from where one works.
OPTIONAL = ("regex", "pynvml", "kernels", "flash_attn", "numexpr", "tensorflow", "yaml", "torch")
STUDY: dict[str, Any] = {
    "name": "theirs",
    "title": "Theirs",
    "protocols": [{"protocol": "everything"}],
    "size": "tiny",
    "seeds": [0],
}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"), count=4)


@pytest.fixture
def working_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    for name in OPTIONAL:
        (folder / f"{name}.py").write_text(TRAP)
    (folder / "mine.py").write_text(detector("from beside import ONE"))
    (folder / "beside.py").write_text("ONE = 1\n")
    (folder / "matplotlibrc").write_text("backend: module://regex\n")
    return folder


def start(folder: Path, *arguments: str, how: str = "-m") -> "subprocess.CompletedProcess[str]":
    """Run the command in ``folder``: by ``-m``, or as the installed command does."""
    script = "from benchmark.cli.app import main; main()"
    command = ["-m", "forgerybench"] if how == "-m" else ["-P", "-c", script]
    return subprocess.run(
        [sys.executable, *command, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "FORGERYBENCH_HOME": str(folder / "home")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("how", ["-m", "installed"])
def test_nothing_is_loaded_from_where_one_works_unless_it_is_named(
    how: str, working_folder: Path, manifest: Path
) -> None:
    plan = ["plan", "everything", "--size", "tiny", "--data", str(manifest), "--detectors"]
    done = start(working_folder, *plan, "spectrum", how=how)
    assert done.returncode == 0, done.stderr
    assert not list(working_folder.glob("*.ran"))


def test_a_module_that_is_named_is_found_where_one_works(
    working_folder: Path, manifest: Path
) -> None:
    for name in OPTIONAL:  # a folder that holds one's own module is trusted with what is beside it
        (working_folder / f"{name}.py").unlink()
    plan = ["plan", "everything", "--size", "tiny", "--data", str(manifest)]
    done = start(working_folder, *plan, "--detectors", "mine:Mine", how="installed")
    assert done.returncode == 0, done.stderr
    (working_folder / "theirs.yaml").write_text(
        yaml.safe_dump(STUDY | {"detectors": [{"detector": "mine:Mine"}]})
    )
    plan = ["plan", "theirs.yaml", "--data", str(manifest)]
    assert start(working_folder, *plan, how="installed").returncode == 1
    done = start(working_folder, *plan, "--allow-code", "mine", how="installed")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("named", ["tests.small_data", "json", "nowhere", "."])
def test_a_module_that_is_elsewhere_puts_the_working_folder_on_no_path(
    named: str, working_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(working_folder)
    monkeypatch.setattr(sys, "path", [*sys.path])
    find_modules([named])
    assert str(working_folder) not in sys.path
    find_modules(["mine"])
    assert sys.path[-1] == str(working_folder)
