"""What make and CI install is named file by file: the lock of hashes."""

import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from docs.scripts.lock import CONSTRAINTS, EXTRA, FURTHER, LOCK, Pin, constraints, pins

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / LOCK).read_text(encoding="utf-8")
LOCKED = {canonicalize_name(pin.name): pin for pin in pins(TEXT)}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def wanted(extras: Sequence[str]) -> Iterator[Requirement]:
    """What pyproject.toml asks for with some extras, and what builds it."""
    project = PROJECT["project"]
    left = [*project["dependencies"], *PROJECT["build-system"]["requires"]]
    left += [text for extra in extras for text in project["optional-dependencies"][extra]]
    while left:
        asked = Requirement(left.pop())
        if asked.name == project["name"]:
            left += [each for e in asked.extras for each in project["optional-dependencies"][e]]
        else:
            yield asked


def test_every_distribution_of_the_lock_has_hashes_and_no_address() -> None:
    assert len(LOCKED) > 100
    assert [pin.name for pin in LOCKED.values() if not pin.hashes] == []
    assert "://" not in TEXT
    assert not [line for line in TEXT.splitlines() if line.startswith("-")]


def test_constraints_are_the_versions_of_the_lock() -> None:
    text = (ROOT / CONSTRAINTS).read_text(encoding="utf-8")
    assert text == constraints(TEXT)
    versions = {canonicalize_name(pin.name): pin.version for pin in pins(text)}
    assert versions == {name: pin.version for name, pin in LOCKED.items()}


def test_the_lock_has_all_that_the_project_asks_for() -> None:
    asked = [*wanted([EXTRA]), *(Requirement(name) for name in FURTHER)]
    assert len(asked) > 40
    for each in asked:
        pin = LOCKED.get(canonicalize_name(each.name))
        assert pin is not None, f"{each.name} is not in the lock: make lock"
        assert each.specifier.contains(pin.version), f"{each} but {pin.version}: make lock"


def test_there_is_one_opencv() -> None:
    assert [name for name in LOCKED if name.startswith("opencv")] == ["opencv-python-headless"]


def test_make_and_ci_install_by_hash_and_nothing_beside() -> None:
    make = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = re.search(r"^\$\(INSTALLED\): .*requirements\.lock\n((?:\t.*\n)+)", make, re.MULTILINE)
    assert recipe is not None
    installs = [line for line in recipe[1].splitlines() if "pip install" in line]
    assert len(installs) == 2
    assert "--require-hashes --no-deps" in installs[0]
    assert f"--requirement {LOCK}" in installs[0]
    assert "--no-deps --no-build-isolation --editable ." in installs[1]
    assert "make install\n" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


SUM = "--hash=sha256:" + "0a" * 32


@pytest.mark.parametrize(
    "line",
    [
        f"six @ https://host/six.whl {SUM}",
        f"--index-url https://host/simple\nsix==1 {SUM}",
        f"six>=1 {SUM}",
        "six==1 --hash=md5:00",
        f"six==1 {SUM}0",
        "-r others.txt",
    ],
)
def test_a_lock_holds_pins_with_hashes_alone(line: str) -> None:
    with pytest.raises(ValueError, match="is no pinned package with sha256 sums"):
        list(pins(line))


def test_a_pin_is_read_with_its_marker() -> None:
    text = f"six==1.0 ; python_version < '3.12' and sys_platform == 'linux' \\\n    {SUM}\n"
    (pin,) = pins(text)
    expected = " ; python_version < '3.12' and sys_platform == 'linux'"
    assert pin == Pin("six", "1.0", expected, ("0a" * 32,))
