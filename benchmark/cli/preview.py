"""What a run would do, as tables; none of it is done."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmark.cli.tally import duration
from benchmark.data.images import file_of
from benchmark.data.remote import RemoteRoot
from benchmark.environment import resolve_device
from benchmark.progress import ModelWork
from benchmark.scoring.store import ScoreStore
from benchmark.study.checks import check_detectors
from benchmark.study.planning import Plan, left_to_score, make_plan, nothing_to_train
from benchmark.study.resolved import ResolvedStudy
from benchmark.study.samples import MISSING_HASH
from benchmark.study.speeds import Speeds, read_speeds
from benchmark.study.work import work_of
from benchmark.training.store import ModelStore, default_store
from leaderboard.tables.ablation import prompt_count
from leaderboard.tables.cells import number_range
from protocols.conditions import CLEAN
from protocols.expansion import Cell, Expansion
from protocols.overlaps import KINDS, Overlap, overlaps, unstated
from protocols.schema import Protocol
from results.files import file_hash

# A stored score: a float32 logit and its share of the three text columns, measured.
_BYTES_A_SCORE = 14
_KINDS = {
    "sha256": "file (sha256)",
    "identity": "person (identity)",
    "pair": "edit and original (pair)",
    "group": "video (group)",
}
# Of a name on two sides: digests are long.
_FIRST = 40
_WORKERS = 4


@dataclass(frozen=True, kw_only=True)
class PlanTable:
    """A table to print."""

    title: str
    columns: list[str]
    rows: list[list[str]]
    note: str = ""


def preview(
    resolved: ResolvedStudy,
    *,
    out: Path | None = None,
    store: Path | None = None,
    device: str = "auto",
    threads: int | None = None,
) -> list[PlanTable]:
    """Tell what ``run`` would train, decode and score.

    Images are not decoded: only their being there is checked. The models' ids follow from the
    sha256 of each; a file whose manifest does not state it is read for it.

    Args:
        resolved: The study on its data.
        out: The run's folder, if it may have scores already.
        store: The store of trained models; the user's cache folder if left out.
        device: Where it would be computed: the time it takes is estimated from what earlier runs
            took there.
        threads: CPU threads; None: torch's own choice.

    Raises:
        BenchmarkError: As in ``benchmark.run``.
    """
    check_detectors(resolved.study, resolved.recipes)
    plan = make_plan(resolved.on(_unverified(resolved)))
    models = ModelStore(store or default_store())
    tables = []
    for expansion in plan.resolved.expansions:
        found = _found_overlaps(expansion, plan)
        tables += [
            _training_table(expansion, plan),
            _test_table(expansion, plan, _looked_for(plan.resolved.samples, found)),
            *_overlap_tables(found, expansion.protocol.title),
        ]
    speeds = read_speeds(models.root, resolve_device(device), threads)
    return [*tables, _work_table(plan, models, out, speeds)]


def _unverified(resolved: ResolvedStudy) -> pd.DataFrame:
    """Take the manifests at their word, but for files that are not there; hash what is unstated."""
    samples, roots = resolved.samples, resolved.roots
    named = zip(samples["dataset"], samples["sample_id"], samples["sha256"], strict=True)
    paths = [_path(roots[dataset], file_of(name), stated) for dataset, name, stated in named]
    there = [path is None or path.is_file() for path in paths]
    files = zip(paths, there, samples["sha256"], strict=True)
    with ThreadPoolExecutor(_WORKERS) as pool:
        digests = list(pool.map(lambda file: _digest(*file), files))
    return samples.assign(sha256=digests, problem=["" if found else "missing" for found in there])


def _path(root: Path, name: str, stated: str) -> Path | None:
    """Find a file; None if it is on an object store and nothing of it need be fetched."""
    if not isinstance(root, RemoteRoot):
        return root / name
    return None if stated else root.find(name)


def _digest(path: Path | None, there: bool, stated: str) -> str:
    """Give the sha256 of a file, as the manifest states it or else by reading it."""
    return stated or (file_hash(path) if path is not None and there else MISSING_HASH)


def _training_table(expansion: Expansion, plan: Plan) -> PlanTable:
    """Show the training sets of one protocol."""
    protocol = expansion.protocol
    real = (plan.resolved.samples["label"] == "real").to_numpy()
    wanted = {entry.training for entry in plan.entries if entry.protocol == protocol.name}
    rows = []
    for training in expansion.training_sets:
        if training.name in wanted:
            n_real = int(real[training.rows].sum())
            counts = [n_real, len(training.rows) - n_real, len(training.val)]
            k = prompt_count(plan.resolved.samples.iloc[training.rows]) if len(training.rows) else 0
            cells = [c for c in expansion.cells if c.training == training.name]
            gaps = sum(c.test.gap is not None for c in cells)
            size = f"{len(cells)}" + (f" ({gaps} of them gaps)" if gaps else "")
            numbers = [str(number) for number in (*counts, k)]
            rows.append(
                [training.name, *numbers, training.statement, size, str(training.gap or "")]
            )
    missing = int((plan.resolved.samples["problem"] != "").sum())
    notes = [
        "K: distinct prompts of a training set; at K = 2 they say no more than the class",
        *([f"encoding {plan.resolved.encoding_name}"] if plan.resolved.encoding else []),
        *([f"images that are missing: {missing}"] if missing else []),
        *_idle_caps(protocol, plan.resolved.samples),
    ]
    return _table(
        title=f"{protocol.title} (version {protocol.version}, {protocol.hash})",
        columns=["train on", "real", "fake", "val", "K", "real images", "cells a model", "gap"],
        rows=rows,
        note="; ".join(notes),
    )


def _test_table(expansion: Expansion, plan: Plan, looked_for: str) -> PlanTable:
    """Show the test sets of one protocol; those that differ by training set, as ranges."""
    real = (plan.resolved.samples["label"] == "real").to_numpy()
    wanted = {e.training for e in plan.entries if e.protocol == expansion.protocol.name}
    tests: dict[tuple[str, str], list[Cell]] = {}
    for cell in expansion.cells:
        if cell.training in wanted:
            tests.setdefault((cell.test.role, cell.test.name), []).append(cell)
    rows = []
    for (role, name), cells in tests.items():
        n_real = [int(real[cell.test.rows].sum()) for cell in cells]
        n_fake = [len(cell.test.rows) - n for cell, n in zip(cells, n_real, strict=True)]
        statements = dict.fromkeys(cell.test.statement for cell in cells)
        also = dict.fromkeys(str(policy) for cell in cells for policy in cell.test.alternatives)
        gaps = dict.fromkeys(str(cell.test.gap) for cell in cells if cell.test.gap)
        counts = any(cell.headline for cell in cells)
        rows.append(
            [name, role, number_range(n_real), number_range(n_fake), "; ".join(statements),
             ", ".join(also), "yes" if counts else "no", "; ".join(gaps)]
        )  # fmt: skip
    return _table(
        title=f"{expansion.protocol.title}: tests",
        columns=["test on", "role", "real", "fake", "real images", "also", "in means", "gap"],
        rows=rows,
        note=f"{_conditions(expansion.protocol)}\n{looked_for}",
    )


def _table(title: str, columns: list[str], rows: list[list[str]], note: str) -> PlanTable:
    """Leave out the columns in which nothing stands."""
    kept = [number for number in range(len(columns)) if any(row[number] for row in rows)]
    return PlanTable(
        title=title,
        columns=[columns[number] for number in kept],
        rows=[[row[number] for number in kept] for row in rows],
        note=note,
    )


def _conditions(protocol: Protocol) -> str:
    """Say under which conditions images are scored."""
    stated: dict[tuple[str, str], list[int]] = {}
    for condition in protocol.expanded_conditions:
        stated.setdefault((condition.name, condition.stage), []).append(condition.severity)
    titles = [
        name if name == CLEAN.name else f"{name} {' '.join(map(str, severities))} [{stage}]"
        for (name, stage), severities in stated.items()
    ]
    return f"Conditions: {', '.join(titles)}"


def _idle_caps(protocol: Protocol, samples: pd.DataFrame) -> list[str]:
    """Name the generators that are capped and not there: a cap may be misspelt."""
    capped = {name for selection in protocol.train for name in selection.caps}
    absent = sorted(capped - set(samples["generator"]))
    return [f"no image is of {', '.join(absent)}, for which there are caps"] if absent else []


def _looked_for(samples: pd.DataFrame, found: Sequence[Overlap]) -> str:
    """Say what was looked for on two sides, and what could not be."""
    absent = unstated(samples)
    known = ", ".join(_KINDS[kind] for kind in KINDS if kind not in absent)
    sentence = f"Looked for on two sides: {known}; {'see below' if found else 'nothing found'}"
    if absent:
        unknown = ", ".join(_KINDS[kind] for kind in absent)
        sentence += f". Not looked for, since no manifest states it: {unknown}"
    return sentence


def _found_overlaps(expansion: Expansion, plan: Plan) -> list[Overlap]:
    """List the overlaps of the training sets that are wanted for."""
    wanted = {e.training for e in plan.entries if e.protocol == expansion.protocol.name}
    return [each for each in overlaps(expansion, plan.resolved.samples) if each.training in wanted]


def _overlap_tables(found: Sequence[Overlap], title: str) -> list[PlanTable]:
    """Show what stands on two sides, if anything does: one row a training set, side and kind."""
    rows: dict[tuple[str, str, str], list[Overlap]] = {}
    for each in found:
        rows.setdefault((each.training, each.side, each.kind), []).append(each)
    if not rows:
        return []
    shown = [
        [training, side, _KINDS[kind], number_range([each.number for each in alike]),
         alike[0].first[:_FIRST], ", ".join(each.other for each in alike)]
        for (training, side, kind), alike in rows.items()
    ]  # fmt: skip
    return [
        PlanTable(
            title=f"Warning: {title} has the same on two sides",
            columns=["trained on", "split", "what", "how many", "first", "also in"],
            rows=shown,
            note="A detector may recognise them; a protocol with strict: true refuses them",
        )
    ]


def _work_table(plan: Plan, models: ModelStore, out: Path | None, speeds: Speeds) -> PlanTable:
    """Show what is left to do."""
    there = [model for model in plan.jobs if models.has(model)]
    groups = left_to_score(ScoreStore(out or Path("nowhere-yet")), plan)
    scores = sum(group.scores for group in groups)
    decodes = sum(group.decodes for group in groups)
    pairs = sum(len(rows) for wanted in plan.needs.values() for rows in wanted.values())
    rows = [
        ["models", f"{len(plan.jobs)} ({len(there)} in the store, {models.root})"],
        ["models to train", str(len(plan.jobs) - len(there))],
        ["scores", f"{pairs} ({scores} left to compute)"],
        ["groups of models", str(len(groups))],
        ["images to decode for scoring", str(decodes)],
        ["disk for scores", f"about {_bytes(scores * _BYTES_A_SCORE)}"],
        ["time", _expected(work_of(groups, plan, models, speeds), speeds)],
    ]
    reasons = nothing_to_train(plan.resolved)
    notes = [f"There is nothing to train, so run refuses: {'; '.join(reasons)}"] if reasons else []
    notes += plan.resolved.notes
    return PlanTable(title="Work", columns=["what", "how much"], rows=rows, note="\n".join(notes))


def _expected(work: Mapping[str, ModelWork], speeds: Speeds) -> str:
    """Say how long the work takes by what earlier runs took on the same device; never a guess."""
    steps = {each.title for each in work.values() if each.steps and each.step_seconds is None}
    scores = {each.title for each in work.values() if each.scores and each.score_seconds is None}
    wanted = sum(bool(each.steps) + bool(each.scores) for each in work.values())
    where = f"on {speeds.device}, by what the same kinds of models took there before"
    if len(steps) + len(scores) == wanted and wanted:
        return f"not known: none of these was trained or scored before on {speeds.device}"
    known = sum(
        each.steps * (each.step_seconds or 0) + each.scores * (each.score_seconds or 0)
        for each in work.values()
    )
    if not steps and not scores:
        return f"about {duration(known)} at most {where}"
    first = sorted(steps | scores)[0]
    return f"more than {duration(known)} {where}; not known: {first}" + (
        f" and {len(steps | scores) - 1} more" if len(steps | scores) > 1 else ""
    )


def _bytes(number: int) -> str:
    """Write a number of bytes in a unit in which it is no 0.0."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number} bytes"
