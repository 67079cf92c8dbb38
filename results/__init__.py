"""Scores, records, metrics: everything computed from scores, without torch or the images.

The names are loaded when they are first asked for: an import of one module stays light.
"""

from typing import TYPE_CHECKING, Any

from protocols.lazy import load_public

if TYPE_CHECKING:
    from results.comparing import compare_detectors as compare
    from results.evaluation import evaluate
    from results.query import cells
    from results.store import load_scores, records

__all__ = ["cells", "compare", "evaluate", "load_scores", "records"]
_HOMES = {
    "cells": "results.query:cells",
    "compare": "results.comparing:compare_detectors",
    "evaluate": "results.evaluation:evaluate",
    "load_scores": "results.store:load_scores",
    "records": "results.store:records",
}


def __getattr__(name: str) -> Any:
    """Load one of ``__all__``."""
    return load_public(__name__, _HOMES, name)
