"""Models: what is to be trained, under which id, and the store of what was trained."""

import ast
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import platformdirs

from benchmark import __version__
from benchmark.errors import BenchmarkError
from benchmark.recipe import Recipe, ResolvedRecipe
from detectors.catalog import catalog_target, checkpoint_of
from protocols.expansion import TrainingSet
from protocols.samples import TAXONOMY, taxa
from results.files import atomic_write
from results.schema import ModelFacts
from results.store import read_facts

if TYPE_CHECKING:
    from detectors.base import Detector

# Raised by every change of the trainer that can change what is learnt.
TRAINING_VERSION = 1
# Modules of ``detectors`` that every detector shares and that make none of them another.
_CONTRACT = {"base", "card", "cards", "catalog", "errors", "inference", "loading"}
_CONTRACT |= {"pretrained", "weights"}
FACTS, HOST, TENSORS = "facts.json", "host.json", "model.safetensors"
AS_IS = "as-is"


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


class ModelStore:
    """Trained models on disk, apart from runs, each written whole or not at all.

    ``<root>/<id>/`` holds the detector (``config.json``, ``model.safetensors``), ``facts.json`` and
    ``host.json``; ``<root>/<id>.resume/`` the private state of a training that is under way.
    """

    def __init__(self, root: Path) -> None:
        """Use the store at ``root``, made on first use."""
        self.root = root

    def has(self, model: str) -> bool:
        """Tell whether the model is there."""
        return (self.root / model / FACTS).is_file()

    def check_named(self, name: str) -> None:
        """Raise BenchmarkError if ``name`` is no model here and can be no folder or Hub name."""
        if self.has(name) or "/" in name or Path(name).is_dir():
            return
        ids = sorted(path.parent.name for path in self.root.glob(f"*/{FACTS}"))
        alike = [known for known in ids if known.startswith(name)]
        close = alike[:3] or get_close_matches(name, ids, n=3) or ids[:3]
        more = ", ..." if len(ids) > len(close) else ""
        there = f"its {len(ids)} are {', '.join(close)}{more}" if ids else "it has none"
        raise BenchmarkError(
            f"the store {self.root} has no model '{name}'; {there}; give the id of one, a folder "
            "or a Hub name, or another --store"
        )

    def facts(self, model: str) -> ModelFacts:
        """Read what is known of the model."""
        return read_facts(self.root / model / FACTS, ModelFacts)

    def host(self, model: str) -> dict[str, Any]:
        """Read where and how long the model was trained."""
        text = (self.root / model / HOST).read_text(encoding="utf-8")
        host: dict[str, Any] = json.loads(text)
        return host

    def load(self, job: TrainJob) -> "Detector":
        """Load the trained detector of ``job``."""
        from detectors.catalog import detector_class

        return detector_class(job.detector).from_pretrained(self.root / job.id)

    def add(self, detector: "Detector", facts: ModelFacts, host: dict[str, Any]) -> None:
        """Put a trained model in the store and drop its resume state."""
        draft = self.root / f".{facts.id}.{os.getpid()}.draft"
        shutil.rmtree(draft, ignore_errors=True)
        detector.save_pretrained(draft)
        facts = facts.model_copy(update={"weights": _file_hash(draft / TENSORS)})
        atomic_write(draft / HOST, json.dumps(host, indent=2, sort_keys=True) + "\n")
        text = json.dumps(facts.model_dump(mode="json", by_alias=True), indent=2, sort_keys=True)
        atomic_write(draft / FACTS, text + "\n")
        target = self.root / facts.id
        if target.exists():  # left by a crash between two renames of an older version
            shutil.rmtree(target)
        draft.rename(target)
        shutil.rmtree(self.resume_folder(facts.id), ignore_errors=True)

    def resume_folder(self, model: str) -> Path:
        """Where the state of a training under way lies."""
        return self.root / f"{model}.resume"


def default_store() -> Path:
    """The store when none is named: ``$FORGERYBENCH_HOME/models``, or the user's cache folder."""
    return home() / "models"


def home() -> Path:
    """The folder of what is shared between runs: models and the embedded set."""
    named = os.environ.get("FORGERYBENCH_HOME")
    return Path(named) if named else Path(platformdirs.user_cache_dir("forgerybench"))
