"""Training jobs: what is to be trained, under which id."""

import ast
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmark.data.encoding import AS_IS
from benchmark.errors import BenchmarkError
from benchmark.training.recipe import Recipe, ResolvedRecipe
from benchmark.version import __version__
from detectors.catalog import catalog_target, checkpoint_of
from protocols.expansion import TrainingSet
from protocols.samples import TAXONOMY, taxa

if TYPE_CHECKING:
    pass

# Raised by every change of the trainer that can change what is learnt.
TRAINING_VERSION = 1

# Modules of ``detectors`` that every detector shares and that make none of them another.
_CONTRACT = {"base", "card", "cards", "catalog", "errors", "inference", "loading"}


_CONTRACT |= {"pretrained", "weights"}


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainJob:
    """One model to train: a detector, a recipe, a training set and a seed.

    Attributes:
        id: Hash of all that could change the model's scores.
        label: What the study calls the detector.
        detector: Name in the catalog, or ``package.module:Class``.
        options: Options of its constructor, without size and taxa.
        recipe: With every duration in steps of this training set.
        track: Whose recipe it is: ``common``, ``own`` or ``custom``; no part of the id.
        training: The samples.
        taxa: Kinds of image among the training samples.
    """

    id: str
    label: str
    detector: str
    options: Mapping[str, Any]
    size: str
    recipe: ResolvedRecipe
    track: str
    seed: int
    training: TrainingSet
    taxa: tuple[tuple[str, ...], ...]

    @property
    def title(self) -> str:
        """Say what is trained, for progress and errors."""
        return f"{self.label} on {self.training.name} (seed {self.seed})"


def train_job(
    *,
    label: str,
    detector: str,
    options: Mapping[str, Any],
    size: str,
    recipe: Recipe,
    seed: int,
    training: TrainingSet,
    samples: pd.DataFrame,
    encoding: str = AS_IS,
    track: str = "custom",
) -> TrainJob:
    """Describe a model to train and give it its id; nothing is imported or built.

    ``encoding`` names what the images go through before anything else; ``track`` is told on.
    """
    kinds = tuple(taxa(samples.iloc[training.rows]))
    resolved = recipe.resolved(len(training.rows))
    identity: dict[str, Any] = {
        "version": [__version__, TRAINING_VERSION],
        "detector": detector,
        "code": _code_hash(detector),
        "options": {name: _identify(value) for name, value in sorted(options.items())},
        "size": size,
        # The side that a detector takes stands among its options.
        "recipe": resolved.model_dump(mode="json", exclude={"input_size"}),
        "seed": seed,
        "train": _selection_hash(samples, training.rows),
        "val": _selection_hash(samples, training.val),
    }
    if (checkpoint := checkpoint_of(detector)) is not None:
        identity["checkpoint"] = _identify(checkpoint)
    if encoding != AS_IS:
        identity["encoding"] = encoding
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    slug = "".join(c if c.isalnum() else "-" for c in label.lower())
    return TrainJob(
        id=f"{slug}-{digest[:12]}",
        label=label,
        detector=detector,
        options=options,
        size=size,
        recipe=resolved,
        track=track,
        seed=seed,
        training=training,
        taxa=kinds,
    )


def _selection_hash(samples: pd.DataFrame, rows: "np.ndarray[Any, Any]") -> str:
    """Hash ids, contents and taxonomy of the selected samples."""
    columns = ["sample_id", "sha256", *TAXONOMY]
    chosen = sorted(samples.iloc[rows][columns].itertuples(index=False, name=None))
    return hashlib.sha256(json.dumps(chosen).encode()).hexdigest()


@cache
def _code_hash(detector: str) -> str:
    """Hash the source of a detector, so that edited code is another model.

    That is its module (or package), and what of ``detectors`` it is built on.
    """
    left, sources = [catalog_target(detector).partition(":")[0]], dict[Path, bytes]()
    while left:
        module = left.pop()
        spec = find_spec(module)
        if spec is None or spec.origin is None:
            raise BenchmarkError(f"detector '{detector}': there is no module '{module}'")
        origin = Path(spec.origin)
        files = origin.parent.rglob("*.py") if origin.name == "__init__.py" else [origin]
        for path in sorted(set(files) - sources.keys()):
            sources[path] = path.read_bytes()
            left += _built_on(ast.parse(sources[path]))
    digest = hashlib.sha256()
    for path in sorted(sources):
        digest.update(sources[path])
    return digest.hexdigest()


def _built_on(source: ast.Module) -> list[str]:
    """Name the modules of ``detectors`` that a source imports from and that hold no contract."""
    nodes = [node for node in ast.walk(source) if isinstance(node, ast.ImportFrom)]
    names = [node.module for node in nodes if node.module and node.level == 0]
    parts = [name.split(".") for name in names]
    return [
        ".".join(part)
        for part in parts
        if part[0] == "detectors" and len(part) > 1 and part[1] not in _CONTRACT
    ]


def _identify(value: Any) -> Any:
    """Stand in for an option: a local file or folder of weights by the hash of what it holds."""
    if not isinstance(value, str):
        return value
    path = Path(value)
    if path.is_file():
        return f"sha256:{_file_hash(path)}"
    if not path.is_dir():
        return value
    digest = hashlib.sha256()
    for held in sorted(path.rglob("*")):
        if held.is_file():
            digest.update(held.name.encode())
            digest.update(bytes.fromhex(_file_hash(held)))
    return f"sha256:{digest.hexdigest()}"


def _file_hash(path: Path) -> str:
    """Hash a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
