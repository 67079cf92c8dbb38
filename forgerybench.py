"""ForgeryBench under its own name: its public functions, each loaded when it is first used.

    import forgerybench as fb

    page = fb.run("cross-generator", data="faces/manifest.csv", detectors=["mfclip"], size="tiny",
                  out="runs/faces")
    fb.compare("runs/faces", "mfclip", "xception")

``python -m forgerybench`` is the command line. The same names stand in the packages that they come
from: ``benchmark``, ``detectors``, ``protocols``, ``results``, ``leaderboard``.
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Python puts the working folder first for -m: a file there would stand for a library of that name.
_HERE = Path(__file__).resolve().parent
if __name__ == "__main__" and not sys.flags.safe_path and Path(sys.path[0]).resolve() != _HERE:
    del sys.path[0]

from benchmark import __version__  # noqa: E402 - after that

if TYPE_CHECKING:
    from benchmark.data.manifest import read_manifest
    from benchmark.perturbations import apply as perturb
    from benchmark.scoring.files import score_paths as score
    from benchmark.study.run import run
    from detectors.base import Detector
    from detectors.card import Card
    from detectors.catalog import create_detector, detector_class, load_detector
    from leaderboard.report import report
    from protocols.schema import load_protocol, protocol_names
    from results.comparing import compare_detectors as compare
    from results.evaluation import evaluate
    from results.store import load_scores, records

__all__ = [
    "Card",
    "Detector",
    "__version__",
    "compare",
    "create_detector",
    "detector_class",
    "evaluate",
    "load_detector",
    "load_protocol",
    "load_scores",
    "perturb",
    "protocol_names",
    "read_manifest",
    "records",
    "report",
    "run",
    "score",
]
_HOMES = {
    "Card": "detectors.card:Card",
    "Detector": "detectors.base:Detector",
    "compare": "results.comparing:compare_detectors",
    "create_detector": "detectors.catalog:create_detector",
    "detector_class": "detectors.catalog:detector_class",
    "evaluate": "results.evaluation:evaluate",
    "load_detector": "detectors.catalog:load_detector",
    "load_protocol": "protocols.schema:load_protocol",
    "load_scores": "results.store:load_scores",
    "perturb": "benchmark.perturbations:apply",
    "protocol_names": "protocols.schema:protocol_names",
    "read_manifest": "benchmark.data.manifest:read_manifest",
    "records": "results.store:records",
    "report": "leaderboard.report:report",
    "run": "benchmark.study.run:run",
    "score": "benchmark.scoring.files:score_paths",
}


def __getattr__(name: str) -> Any:
    """Load one of ``__all__``."""
    if name not in _HOMES:
        raise AttributeError(f"module 'forgerybench' has no attribute '{name}'")
    module, _, attribute = _HOMES[name].partition(":")
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    """Name all before they are loaded, for completion and ``help``."""
    return sorted({*globals(), *__all__})


if __name__ == "__main__":
    from benchmark.cli.app import main

    main()
