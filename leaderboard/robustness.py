"""How a metric falls with severity, and how sure that is."""

import numpy as np
import pandas as pd

from leaderboard.view import Contender, ProtocolView, counted, summarise
from protocols import Condition
from results.errors import UndefinedError
from results.evaluation import RunContents
from results.statistics import Interval


def severity_table(view: ProtocolView, contents: RunContents) -> pd.DataFrame:
    """Lay the headline metric out over severity.

    Args:
        view: Results of a protocol with clean and damaged conditions.
        contents: The run, for the resamples that intervals are made of.

    Returns:
        Columns ``perturbation``, ``severity`` (0: clean), ``contender``, ``value`` (the mean over
        cells that count) and ``low``, ``high``, the ends of its 95 % interval by the cluster
        bootstrap, NaN where there is none: samples are too few, or nothing varies. The draws are
        those of all cells of the protocol, so that a mean over one cell has that cell's interval.
    """
    rows = []
    for contender in view.contenders:
        points = {
            condition.key: _point(view, contents, contender, condition)
            for condition in (view.base, *view.damaged)
        }
        rows += [
            {
                "perturbation": name,
                "severity": condition.severity,
                "contender": contender.label,
                **points[condition.key],
            }
            for name in dict.fromkeys(condition.name for condition in view.damaged)
            for condition in (view.base, *(c for c in view.damaged if c.name == name))
        ]
    return pd.DataFrame(rows)


def _point(
    view: ProtocolView, contents: RunContents, contender: Contender, condition: Condition
) -> dict[str, float]:
    """Give a contender's mean under a condition with the ends of its interval."""
    results = view.of(contender, condition, view.level)
    value = summarise(results, view.metric, strict=False).value
    if value is None:
        return dict.fromkeys(("value", "low", "high"), np.nan)
    cells = [(result.model.id, result.cell) for result in counted(results) if result.model]
    low = high = np.nan
    try:
        found: Interval = contents.joint(view.name).mean_interval(cells, view.metric, value)
        low, high = found.low, found.high
    except UndefinedError:
        pass
    return {"value": value, "low": low, "high": high}
