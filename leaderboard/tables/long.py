"""Every cell of a run in one long table, with every fact that there is."""

import pandas as pd

from leaderboard.view import ProtocolView, Result
from protocols.conditions import shown

_WHOLE = ("steps", "n_real", "n_fake", "clusters_real", "clusters_fake")


def cells_frame(views: list[ProtocolView]) -> pd.DataFrame:
    """Give one row a cell and contender, with every fact there is; missing values are NaN."""
    rows = [_long_row(view, result) for view in views for result in view.results.values()]
    return pd.DataFrame(rows).astype(dict.fromkeys(_WHOLE, "Int64"))


def _long_row(view: ProtocolView, result: Result) -> dict[str, object]:
    """Give one row of the long table."""
    record, model, condition = result.record, result.model, result.cell.condition
    row: dict[str, object] = {
        "protocol": view.name,
        "protocol_version": view.protocol.version,
        "detector": result.contender.detector,
        "label": result.contender.label,
        "seed": result.contender.seed,
        "model": model.id if model else "",
        "init": model.init if model else "",
        "size": model.size if model else "",
        "track": model.track if model else "",
        "steps": model.steps if model else None,
        "epochs": model.epochs if model else None,
        "training": result.cell.training,
        "role": result.test.role,
        "test": result.test.name,
        "condition": condition.key,
        "condition_name": condition.name,
        "severity": condition.severity,
        "parameter": condition.parameter,
        "parameter_value": shown(condition.value) if condition.parameter else None,
        "level": result.cell.level,
        "seen": result.cell.seen,
        "reals": result.cell.test.statement,
        "policy": result.cell.test.reals,
        "headline": result.cell.headline,
        "pooled": result.pooled,
        "small": result.small,
        "n_real": record.n_real if record else None,
        "n_fake": record.n_fake if record else None,
        "clusters_real": record.clusters_real if record else None,
        "clusters_fake": record.clusters_fake if record else None,
        "n_missing": result.cell.test.n_missing,
        "n_orphans": result.cell.test.n_orphans,
        "prevalence": record.prevalence if record else None,
    }
    values = {metric: result.value(metric) for metric in view.protocol.metrics}
    every = values | (record.metrics if record else {})
    row |= {metric: value.value for metric, value in every.items()}
    for metric, value in every.items():
        row |= {f"{metric} low": value.low, f"{metric} high": value.high}
    others = record.other_reals if record else {}
    for policy in ("training-source", "stated", "pooled"):
        row[f"AUC, {policy}"] = others[policy].auc.value if policy in others else None
    reasons = [f"{name}: {value.reason}" for name, value in values.items() if value.reason]
    row["no_interval"] = values[view.metric].no_interval
    row["reason"] = f"no model: {result.gap}" if record is None else "; ".join(reasons)
    return row
