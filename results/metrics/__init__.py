"""Metrics: arrays in, floats out; what there is to know of each stands in ``METRICS``.

All names are loaded when they are first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from results.metrics.confusion import best_threshold
    from results.metrics.functions import (
        accuracy,
        auc,
        average_precision,
        balanced_accuracy,
        brier,
        ece,
        eer,
        f1,
        fpr,
        fpr_at_tpr,
        log_loss,
        partial_auc,
        probability,
        tpr,
        tpr_at_fpr,
    )
    from results.metrics.registry import METRICS, Metric, metric

__all__ = [
    "METRICS",
    "Metric",
    "accuracy",
    "auc",
    "average_precision",
    "balanced_accuracy",
    "best_threshold",
    "brier",
    "ece",
    "eer",
    "f1",
    "fpr",
    "fpr_at_tpr",
    "log_loss",
    "metric",
    "partial_auc",
    "probability",
    "tpr",
    "tpr_at_fpr",
]
_HOMES = {
    **dict.fromkeys(("METRICS", "Metric", "metric"), "results.metrics.registry"),
    "best_threshold": "results.metrics.confusion",
}


def __getattr__(name: str) -> Any:
    """Load one of ``__all__``."""
    if name not in __all__:
        raise AttributeError(f"module 'results.metrics' has no attribute '{name}'")
    return getattr(import_module(_HOMES.get(name, "results.metrics.functions")), name)
