"""The tables of a run: matrices, conditions, summaries, and every cell in one long table."""

import re
from collections.abc import Iterable
from dataclasses import replace

import pandas as pd

from leaderboard.tables.cells import number_range, signed, summary_cell, value_cell
from leaderboard.tables.summary import summary_table
from leaderboard.tables.table import BEST, DASH, SECOND, SMALL, Section, Table, TableCell
from leaderboard.view import ProtocolView, Result, counted, is_better, summarise
from protocols.conditions import shown
from results.metrics.registry import METRICS

UNSEEN_MEAN = "mean unseen"


def matrix_table(view: ProtocolView, metric: str, level: str) -> Table:
    """Lay one metric out as training sets x test sets, detector by detector.

    Args:
        view: The protocol's results.
        metric: One of the protocol's metrics.
        level: One of its levels.

    Returns:
        The matrix under the base condition; first the mean over unseen cells where the protocol
        has such, and how many of them have a value.
    """
    results = {
        (result.contender, result.cell.training, result.test): result
        for result in view.at(view.base, level)
    }
    placed = places(results.values(), metric)
    with_mean = view.has(seen=False)
    sections = []
    for contender in view.contenders:
        rows = []
        for training in view.trainings:
            row = [results[contender, training, test] for test in view.tests]
            cells = [value_cell(result, metric, placed.get(result)) for result in row]
            if with_mean:
                unseen = summarise((r for r in row if not r.cell.seen), metric)
                cells.insert(0, summary_cell(unseen))
            rows.append((training, tuple(cells)))
        sections.append(Section(contender.label, tuple(rows)))
    under = "" if view.base.name == "clean" else f", {view.base.label}"
    return Table(
        name=_name(view, metric, level),
        metric=metric,
        level=level,
        caption=f"{view.protocol.title}: {metric} by {level}{under}",
        corner="trained on",
        columns=(*([UNSEEN_MEAN] if with_mean else []), *(test.label for test in view.tests)),
        head=_counts(view, results.values(), with_mean),
        sections=tuple(sections),
        notes=(*_interval_notes(results.values(), metric), *_reals_notes(results.values())),
    )


def condition_table(view: ProtocolView, metric: str, level: str) -> Table:
    """Lay one metric out as perturbations x severities, with the difference from clean.

    Where the protocol has several training or test sets, a value is the mean over those whose real
    images are of the sources of their forged ones.

    Args:
        view: Results of a protocol with clean and damaged conditions.
        metric: One of the protocol's metrics.
        level: One of its levels.
    """
    severities = sorted({condition.severity for condition in view.damaged})
    by_key = {(condition.name, condition.severity): condition for condition in view.damaged}
    names = list(dict.fromkeys(condition.name for condition in view.damaged))
    sections = []
    for contender in view.contenders:
        at_clean = view.of(contender, view.base, level)
        clean = summarise(at_clean, metric, strict=False)
        rows = []
        for name in names:
            cells = [_condition_cell(at_clean, metric, None)]
            for severity in severities:
                condition = by_key.get((name, severity))
                cells.append(
                    _condition_cell(view.of(contender, condition, level), metric, clean.value)
                    if condition
                    else TableCell(DASH, reason="the protocol does not have this severity")
                )
            rows.append((name, tuple(cells)))
        sections.append(Section(contender.label, tuple(rows)))
    n_cells = max(len(counted(view.of(c, view.base, level))) for c in view.contenders)
    mean = f", mean over {n_cells} cells" if n_cells > 1 else ""
    return Table(
        name=f"{_name(view, metric, level)}-conditions",
        metric=metric,
        level=level,
        caption=f"{view.protocol.title}: {metric} by {level} under damage{mean}",
        corner="perturbation",
        columns=("clean", *(str(severity) for severity in severities)),
        sections=tuple(sections),
        notes=(
            "Columns are severities; in parentheses the difference from clean",
            *_size_notes(view.at(view.base, level)),
        ),
    )


def protocol_tables(view: ProtocolView) -> list[Table]:
    """Give every table of a protocol: the summary, then metric by metric, the headline first."""
    tables = [summary_table(view)]
    for level in view.protocol.levels:
        for metric in view.protocol.metrics:
            if view.is_matrix:
                tables.append(matrix_table(view, metric, level))
            if view.damaged:
                tables.append(condition_table(view, metric, level))
    return tables


def cells_frame(views: list[ProtocolView]) -> pd.DataFrame:
    """Give one row a cell and contender, with every fact there is; missing values are NaN."""
    rows = [_long_row(view, result) for view in views for result in view.results.values()]
    return pd.DataFrame(rows).astype({"steps": "Int64", "n_real": "Int64", "n_fake": "Int64"})


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


def _name(view: ProtocolView, metric: str, level: str) -> str:
    """Name the files of a table."""
    stem = re.sub(r"[^A-Za-z0-9]+", "-", metric).strip("-")
    return f"{view.name}-{stem}" + (f"-{level}" if len(view.protocol.levels) > 1 else "")


def _condition_cell(results: list[Result], metric: str, clean: float | None) -> TableCell:
    """Show the mean under a condition and, given that of clean, the difference from it."""
    summary = summarise(results, metric, strict=False)
    if summary.value is None:
        return TableCell(DASH, reason=results[0].value(metric).reason or summary.reason)
    change = "" if clean is None else signed(summary.value - clean)
    marks = frozenset({SMALL} if summary.small else ())
    return TableCell(f"{summary.value:.3f}", change, summary.value, marks)


def _counts(
    view: ProtocolView, results: Iterable[Result], with_mean: bool
) -> tuple[tuple[str, tuple[TableCell, ...]], ...]:
    """Give the rows that say how many samples each test set has."""
    found = [result for result in results if result.record]
    rows = []
    for name, field in (("real", "n_real"), ("forged", "n_fake")):
        cells = [TableCell("")] if with_mean else []
        for test in view.tests:
            numbers = [getattr(r.record, field) for r in found if r.test == test]
            cells.append(TableCell(number_range(numbers) if numbers else DASH))
        rows.append((f"n {name}", tuple(cells)))
    return tuple(rows)


def _size_notes(results: Iterable[Result]) -> list[str]:
    """Say in words how many samples a table without such rows is over."""
    found = list(results)
    sizes = {
        r.test.label: f"{r.record.n_real} real, {r.record.n_fake} forged" for r in found if r.record
    }
    return [*(f"Test set {test}: {n}" for test, n in sizes.items()), *_reals_notes(found)]


def _reals_notes(results: Iterable[Result]) -> list[str]:
    """Say which real images each test set has, and what could not be read."""
    statements: dict[str, list[str]] = {}
    missing: dict[str, int] = {}
    for result in results:
        tests = statements.setdefault(result.cell.test.statement, [])
        if result.test.label not in tests:
            tests.append(result.test.label)
        if result.cell.test.n_missing:
            missing[result.test.label] = result.cell.test.n_missing
    notes = [f"Real images of {', '.join(tests)}: {says}" for says, tests in statements.items()]
    if missing:
        counts = ", ".join(f"{test}: {n}" for test, n in missing.items())
        notes.append(f"Samples that could not be read and stand in no number: {counts}")
    return notes


def _interval_notes(results: Iterable[Result], metric: str) -> list[str]:
    """Say what the intervals of a table are, where it has some."""
    values = [result.value(metric) for result in results]
    notes = []
    if any(value.low is not None for value in values):
        notes.append(
            "In parentheses: 95 % interval by resampling clusters (videos, persons, pairs), for "
            "these trained models and thresholds; cells that share real images share their luck"
        )
    notes += dict.fromkeys(f"No interval: {v.no_interval}" for v in values if v.no_interval)
    return notes


def places(results: Iterable[Result], metric: str) -> dict[Result, str]:
    """Find the best contenders of every cell that is large enough to rank, and of three the second.

    Equal values share a place; two that are best leave no second.
    """
    cells: dict[tuple[str, str], list[tuple[float, Result]]] = {}
    for result in results:
        value = result.value(metric).value
        if value is not None and not result.small:
            where = (result.cell.training, result.test.label)
            cells.setdefault(where, []).append((value, result))
    found: dict[Result, str] = {}
    for ranked in cells.values():
        for value, result in ranked:
            better = sum(is_better(metric, other, value) for other, _ in ranked)
            if better == 0 and len(ranked) > 1:
                found[result] = BEST
            elif better == 1 and len(ranked) > 2:
                found[result] = SECOND
    return found


PAIR = ("ACC", "AUC")
SWAPPED = "transposed"


def pair_table(view: ProtocolView, level: str) -> Table | None:
    """Lay accuracy and AUC out side by side: training sets x test sets, detector by detector.

    Args:
        view: The protocol's results.
        level: One of its levels.

    Returns:
        The matrix under the base condition; None where a cell does not have both metrics.
    """
    results = {
        (result.contender, result.cell.training, result.test): result
        for result in view.at(view.base, level)
    }
    records = [result.record for result in results.values() if result.record]
    if not all(metric in record.metrics for record in records for metric in PAIR):
        return None
    best = {metric: places(results.values(), metric) for metric in PAIR}
    sections = []
    for contender in view.contenders:
        rows = []
        for training in view.trainings:
            row = [results[contender, training, test] for test in view.tests]
            cells = [value_cell(r, metric, best[metric].get(r)) for r in row for metric in PAIR]
            # Two numbers a column are what papers have room for; the AUC's table has intervals.
            rows.append((training, tuple(replace(cell, detail="") for cell in cells)))
        sections.append(Section(contender.label, tuple(rows)))
    under = "" if view.base.name == "clean" else f", {view.base.label}"
    return Table(
        name=f"{view.name}-{'-'.join(PAIR)}"
        + (f"-{level}" if len(view.protocol.levels) > 1 else ""),
        metric=" and ".join(PAIR),
        level=level,
        caption=f"{view.protocol.title}: {' and '.join(PAIR)} by {level}{under}",
        corner="trained on",
        columns=tuple(f"{test.label} {metric}" for test in view.tests for metric in PAIR),
        sections=tuple(sections),
        notes=tuple(f"{name}: {METRICS[name].title}" for name in PAIR if METRICS[name].note),
    )


def transposed(table: Table) -> Table:
    """Swap rows and columns, section by section; rows that hold for all sections come last."""
    head = [(name, cells) for name, cells in table.head]
    sections = []
    for section in table.sections:
        lines = [*section.rows, *head]
        rows = tuple(
            (column, tuple(cells[at] for _, cells in lines))
            for at, column in enumerate(table.columns)
        )
        sections.append(Section(section.title, rows))
    names = {tuple(name for name, _ in section.rows) for section in table.sections}
    if len(names) > 1:
        raise ValueError(f"{table.name}: its sections do not have the same rows")
    return replace(
        table,
        name=f"{table.name}-{SWAPPED}",
        corner=f"tested on / {table.corner}",
        columns=(*next(iter(names), ()), *(name for name, _ in head)),
        head=(),
        sections=tuple(sections),
    )
