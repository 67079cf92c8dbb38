"""The modules that a detector is built on, and hashes of their code; none of it is run.

They are found as an import finds them, and their import statements are followed.
"""

import hashlib
import json
import os
import sys
import sysconfig
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import NamedTuple

from benchmark.training.syntax import dump, imported, parsed, parts

# What all detectors share: these modules of ``detectors``, and what they import there.
CONTRACT = (
    *("base", "catalog", "fetching", "inference", "loading", "pretrained", "transform", "weights"),
)
# What a model learns rests on these too: how images are read and the trainer takes its steps.
TRAINER = (
    *(f"benchmark.data.{name}" for name in ("encoding", "images", "source", "video")),
    *(
        f"benchmark.training.{name}"
        for name in ("augmentation", "batches", "gradient", "optim", "recipe", "sampling", "train")
    ),
)
# Of these no line can move a number but what ``identity.of_card`` takes from a card.
_INERT = ("detectors.card", "detectors.cards", "detectors.errors")
# The catalog loads it for a network without a card of its own, and no other rests on it.
_BY_NAME = ("detectors.plain",)
_OURS = ("benchmark", "detectors", "forgerybench.py", "leaderboard", "protocols", "results")
_HOME = Path(__file__).resolve().parents[2]
_INSTALLED = {"site-packages", "dist-packages"}


class Source(NamedTuple):
    """A module's file.

    Attributes:
        module: Its full name.
        path: Where it lies.
        data: What it holds.
    """

    module: str
    path: Path
    data: bytes

    @property
    def imports(self) -> frozenset[str]:
        """Name what it may import, as ``syntax.imported``."""
        names = tuple(self.module.split("."))
        return imported(self.data, names if self.path.name == "__init__.py" else names[:-1])

    @property
    def hash(self) -> str:
        """Hash all that it says but for comments and layout; of other files every byte."""
        tree = parsed(self.data)
        return hashlib.sha256(dump(tree).encode() if tree else self.data).hexdigest()


def own_sources(roots: Iterable[str]) -> dict[str, Source]:
    """Read the user's own modules among ``roots`` and those that they import, by name.

    His own is what lies neither in the standard library nor among installed distributions nor in
    ForgeryBench. A package is imported with each module in it.
    """
    return _followed(roots, lambda _, path: is_own(path), packages=True)


def installed_sources(module: str) -> dict[str, Source]:
    """Read all Python files of the topmost package that an installed module lies in, by place."""
    names = module.split(".")
    above = (module_file(".".join(names[: count + 1])) for count in range(len(names)))
    path = next(found for found in above if found is not None)
    inside = path.name == "__init__.py"
    files = sorted(path.parent.rglob("*.py")) if inside else [path]
    places = {each.relative_to(path.parent).as_posix(): each for each in files}
    return {place: _read(place.removesuffix(".py"), each) for place, each in places.items()}


def shipped_sources(roots: Iterable[str]) -> dict[str, Source]:
    """Read the modules of ``detectors`` among ``roots`` and those that they import, by name.

    Left out is the contract. Packages there only pass names on, so one counts where it is itself
    imported from.
    """
    contract = contract_sources().keys()
    return _followed(roots, lambda name, _: _counts(name) and name not in contract, packages=False)


def contract_sources() -> dict[str, Source]:
    """Read the modules of ``detectors`` that all detectors share, by name."""
    roots = [f"detectors.{name}" for name in CONTRACT]
    return _followed(roots, lambda name, _: _counts(name) and name not in _BY_NAME, packages=False)


def trainer_sources() -> dict[str, Source]:
    """Read the modules of ``TRAINER``, and none that they import, by name."""
    return _followed(TRAINER, lambda name, _: name in TRAINER, packages=False)


def own_hash(sources: Mapping[str, Source]) -> str:
    """Hash a user's modules, each under its name."""
    return _hash({name: source.hash for name, source in sources.items()})


def shipped_hash(sources: Mapping[str, Source]) -> str:
    """Hash modules of ``detectors`` by their ``syntax.parts``, whichever of them each stands in."""
    return _hash(
        sorted({p for source in sources.values() for p in parts(source.data, "detectors")})
    )


def is_own(path: Path) -> bool:
    """Tell whether a file is the user's own."""
    ours = any(path.resolve().is_relative_to(_HOME / name) for name in _OURS)
    standard = any(path.is_relative_to(folder) for folder in _standard_library())
    return not (ours or is_installed(path) or standard)


def is_installed(path: Path) -> bool:
    """Tell whether a file lies among installed distributions, as a file or as a link."""
    folders = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
    return bool(_INSTALLED & set(path.parts)) or any(path.is_relative_to(f) for f in folders)


def module_file(module: str) -> Path | None:
    """Find a module's file; None for what has none: no module, a built-in one, a mere folder."""
    if module in sys.modules:
        file = getattr(sys.modules[module], "__file__", None)
        return Path(file).absolute() if file else None
    spec = _spec(module)
    return Path(spec.origin).absolute() if spec and spec.has_location and spec.origin else None


def _followed(
    roots: Iterable[str], kept: Callable[[str, Path], bool], *, packages: bool
) -> dict[str, Source]:
    """Read the modules among ``roots`` that are kept and those that they import, by name."""
    left, seen, found = list(roots), set[str](), dict[str, Source]()
    while left:
        name = left.pop()
        parent, _, last = name.rpartition(".")
        path = None if name in seen else module_file(parent if last == "*" else name)
        seen.add(name)
        if packages and parent:
            left.append(parent)
        if path is None or not kept(name, path):
            continue
        if last == "*":
            left += [f"{parent}.{inner}" for inner in _inner(path)]
        else:
            found[name] = _read(name, path)
            left += found[name].imports
    return found


def _read(module: str, path: Path) -> Source:
    return Source(module, path, path.read_bytes())


def _inner(path: Path) -> list[str]:
    """Name the modules in a package: ``import *`` may load each."""
    if path.name != "__init__.py":
        return []
    return [each.stem for each in path.parent.iterdir() if each.suffix == ".py" or each.is_dir()]


def _counts(module: str) -> bool:
    """Tell whether a module is one of ``detectors`` that can move a number."""
    inert = any(f"{module}.".startswith(f"{name}.") for name in _INERT)
    return module.startswith("detectors.") and not inert


@cache
def _standard_library() -> frozenset[Path]:
    """Give the folders of the standard library, as they are named and as links lead to them."""
    named = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib")]
    folders = {Path(os.__file__).parent, *map(Path, named)}
    return frozenset(folders | {folder.resolve() for folder in folders})


def _spec(module: str) -> ModuleSpec | None:
    """Find a module that is not loaded, and load nothing for it."""
    parent = module.rpartition(".")[0]
    places = _places(parent) if parent else None
    if parent and places is None:
        return None
    found = (finder.find_spec(module, places) for finder in sys.meta_path)
    return next((spec for spec in found if spec is not None), None)


def _places(package: str) -> list[str] | None:
    """Give the folders that the modules of a package lie in; None if it is no package."""
    if package in sys.modules:
        loaded = getattr(sys.modules[package], "__path__", None)
        return None if loaded is None else list(loaded)
    spec = _spec(package)
    if spec is None or spec.submodule_search_locations is None:
        return None
    if spec.has_location:
        return list(spec.submodule_search_locations)
    # A package without a file of its own would look for the one above it among loaded modules.
    parent, _, last = package.rpartition(".")
    above = (_places(parent) or []) if parent else [entry or "." for entry in sys.path]
    return [str(Path(entry, last)) for entry in above if Path(entry, last).is_dir()]


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
