"""The store of trained models, apart from runs."""

import json
import os
import re
import shutil
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.environment import home
from benchmark.errors import BenchmarkError
from detectors.fetching import CONFIG, TENSORS
from results.files import atomic_write, file_hash, read_json
from results.schema import MODEL_ID, ModelFacts
from results.store import read_facts

if TYPE_CHECKING:
    from benchmark.training.jobs import TrainJob
    from detectors.base import Detector

MODEL_FACTS, _HOST = "facts.json", "host.json"


class ModelStore:
    """Trained models on disk, apart from runs, each written whole or not at all.

    ``<root>/<id>/`` holds the detector (``config.json``, ``model.safetensors``), ``facts.json`` and
    ``host.json``; ``<root>/<id>.resume/`` the private state of a training that is under way.
    """

    def __init__(self, root: Path) -> None:
        """Use the store at ``root``, made on first use."""
        self.root = root

    def has(self, model: str) -> bool:
        """Tell whether the model is there; what is no id, such as a path, is not."""
        return (
            re.fullmatch(MODEL_ID, model) is not None
            and (self.root / model / MODEL_FACTS).is_file()
        )

    def check_named(self, name: str) -> None:
        """Raise BenchmarkError if ``name`` is no model here and can be no folder or Hub name."""
        if self.has(name) or "/" in name or Path(name).is_dir():
            return
        ids = sorted(path.parent.name for path in self.root.glob(f"*/{MODEL_FACTS}"))
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
        return read_facts(self.root / model / MODEL_FACTS, ModelFacts)

    def host(self, model: str) -> dict[str, Any]:
        """Read where and how long the model was trained."""
        host: dict[str, Any] = read_json(self.root / model / _HOST)
        return host

    def load(self, job: "TrainJob") -> "Detector":
        """Load the trained detector of ``job``.

        Raises:
            BenchmarkError: Its files are not those that were put here.
        """
        from detectors.catalog import detector_class

        check_trained(self.root / job.id, self.facts(job.id))
        return detector_class(job.detector).from_pretrained(self.root / job.id)

    def add(self, detector: "Detector", facts: ModelFacts, host: dict[str, Any]) -> None:
        """Put a trained model in the store and drop its resume state."""
        draft = self.root / f".{facts.id}.{os.getpid()}.draft"
        shutil.rmtree(draft, ignore_errors=True)
        detector.save_pretrained(draft)
        stated = {"weights": file_hash(draft / TENSORS), "config": file_hash(draft / CONFIG)}
        facts = facts.model_copy(update=stated)
        atomic_write(draft / _HOST, json.dumps(host, indent=2, sort_keys=True) + "\n")
        text = json.dumps(facts.model_dump(mode="json", by_alias=True), indent=2, sort_keys=True)
        atomic_write(draft / MODEL_FACTS, text + "\n")
        target = self.root / facts.id
        if target.exists():  # left by a crash between two renames of an older version
            shutil.rmtree(target)
        draft.rename(target)
        shutil.rmtree(self.resume_folder(facts.id), ignore_errors=True)

    def resume_folder(self, model: str) -> Path:
        """Where the state of a training under way lies."""
        return self.root / f"{model}.resume"


def check_trained(folder: Path, facts: ModelFacts) -> None:
    """Raise BenchmarkError where a model's folder does not hold what its facts state."""
    for name, stated in ((TENSORS, facts.weights), (CONFIG, facts.config)):
        if stated is None:
            continue
        path = folder / name
        if not path.is_file():
            raise BenchmarkError(f"{path}: is not there; remove {folder}, and train it anew")
        if (found := file_hash(path)) != stated:
            raise BenchmarkError(
                f"{path}: was changed after training (sha256 {found[:12]}, not {stated[:12]}); "
                f"remove {folder}, and train it anew"
            )


def default_store() -> Path:
    """The store when none is named: ``$FORGERYBENCH_HOME/models``, or the user's cache folder."""
    return home() / "models"
