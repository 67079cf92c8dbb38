"""The table of metrics in a page.

python -m docs.scripts.metrics docs/metrics.md
"""

import sys

from docs.scripts.pages import between_marks, rewrite
from results.metrics.registry import METRICS, Metric

BEGIN, END = "<!-- made by: make metric-page -->", "<!-- end of what is made -->"
_HEADS = ("name", "definition", "range, better", "chance", "needs", "interval", "in every record")


def table() -> str:
    """Give the table of all metrics, in Markdown."""
    lines = [f"| {' | '.join(_HEADS)} |", f"|{'---|' * len(_HEADS)}"]
    lines += [f"| {' | '.join(_row(metric))} |" for metric in METRICS.values()]
    return "\n".join(lines) + "\n"


def with_table(text: str) -> str:
    """Put ``table`` in the place of what was made before."""
    return between_marks(text, BEGIN, END, table())


def _row(metric: Metric) -> tuple[str, ...]:
    """Describe one metric."""
    low, high = metric.bounds
    spread = f"{low:g} to {high:g}" if metric.is_bounded else f"from {low:g}"
    return (
        f"`{metric.name}`",
        metric.title,
        f"{spread}, {'higher' if metric.higher_is_better else 'lower'}",
        "" if metric.chance is None else f"{metric.chance:g}",
        _needs(metric),
        f"none: {metric.not_resampled}" if metric.not_resampled else "yes",
        "yes" if metric.beside else "",
    )


def _needs(metric: Metric) -> str:
    """Say in words what a metric needs."""
    told = ["both classes"] if {"real", "forged"} <= metric.needs else []
    told += (
        [] if told else [f"{need} samples" for need in ("real", "forged") if need in metric.needs]
    )
    told += ["a carried threshold"] if "threshold" in metric.needs else []
    return ", ".join(told + (["P(fake)"] if "probabilities" in metric.needs else []))


if __name__ == "__main__":
    rewrite(sys.argv[1], BEGIN, END, table())
