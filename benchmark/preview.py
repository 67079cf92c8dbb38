"""What a run would do, as tables; none of it is done."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmark.data.manifest import Manifest
from benchmark.definition import Study
from benchmark.errors import BenchmarkError
from benchmark.models import ModelStore, default_store
from benchmark.planning import (
    Data,
    Plan,
    bind,
    load_protocols,
    make_plan,
    stated_samples,
)
from benchmark.study import check_detectors, left_to_score
from leaderboard.ablation import prompt_count
from leaderboard.cells import number_range
from protocols.expansion import Cell, Expansion
from protocols.overlaps import Overlap, overlaps

# A stored score: a float32 logit and its share of the three text columns, measured.
_BYTES_A_SCORE = 14


@dataclass(frozen=True, kw_only=True)
class PlanTable:
    """A table to print."""

    title: str
    columns: list[str]
    rows: list[list[str]]
    note: str = ""


def preview(
    study: Study,
    *,
    data: Data,
    out: Path | None = None,
    store: Path | None = None,
    allow_missing: bool = False,
) -> list[PlanTable]:
    """Tell what ``run`` would train, decode and score.

    Images are not decoded: only their being there is checked, so a manifest must state the sha256
    of each, from which the models' ids follow.

    Args:
        study: The study.
        data: As in ``benchmark.run``.
        out: The run's folder, if it may have scores already.
        store: The store of trained models; the user's cache folder if left out.
        allow_missing: Plan without the manifests of some roles, as stated gaps.

    Raises:
        BenchmarkError: As in ``benchmark.run``.
    """
    check_detectors(study)
    manifests = bind(load_protocols(study), data, allow_missing=allow_missing)
    plan = make_plan(study, manifests, _unverified(manifests))
    models = ModelStore(store or default_store())
    tables = [
        table
        for expansion in plan.expansions
        for table in (
            _training_table(expansion, plan),
            _test_table(expansion, plan),
            *_overlap_tables(expansion, plan),
        )
    ]
    return [*tables, _work_table(plan, models, out)]


def _unverified(manifests: Mapping[str, Manifest]) -> pd.DataFrame:
    """Take the manifests at their word, but for files that are not there."""
    samples = stated_samples(manifests)
    if (samples["sha256"] == "").any():
        raise BenchmarkError(
            "the manifest states no sha256 of its images, which the plan's model ids need: "
            "write them with 'forgerybench data index', or start the run"
        )
    roots = {role: manifest.root for role, manifest in manifests.items()}
    there = [
        (roots[dataset] / sample_id.partition("#")[0]).is_file()
        for dataset, sample_id in zip(samples["dataset"], samples["sample_id"], strict=True)
    ]
    samples["problem"] = ["" if found else "missing" for found in there]
    return samples


def _training_table(expansion: Expansion, plan: Plan) -> PlanTable:
    """Show the training sets of one protocol."""
    protocol = expansion.protocol
    real = (plan.samples["label"] == "real").to_numpy()
    asked = {entry.training for entry in plan.entries if entry.protocol == protocol.name}
    rows = []
    for training in expansion.training_sets:
        if training.name in asked:
            n_real = int(real[training.rows].sum())
            counts = [n_real, len(training.rows) - n_real, len(training.val)]
            k = prompt_count(plan.samples.iloc[training.rows]) if len(training.rows) else 0
            cells = [c for c in expansion.cells if c.training == training.name]
            gaps = sum(c.test.gap is not None for c in cells)
            told = f"{len(cells)}" + (f" ({gaps} are gaps)" if gaps else "")
            numbers = [str(number) for number in (*counts, k)]
            rows.append([training.name, *numbers, training.statement, told, training.gap or ""])
    missing = int((plan.samples["problem"] != "").sum())
    notes = [
        "K: distinct prompts of a training set; at K = 2 they say no more than the class",
        *([f"encoding {plan.encoding_name}"] if plan.encoding else []),
        *([f"{missing} images are missing"] if missing else []),
    ]
    return PlanTable(
        title=f"{protocol.title} (version {protocol.version}, {protocol.hash})",
        columns=["train on", "real", "fake", "val", "K", "real images", "cells a model", "gap"],
        rows=rows,
        note="; ".join(notes),
    )


def _test_table(expansion: Expansion, plan: Plan) -> PlanTable:
    """Show the test sets of one protocol; those that differ by training set, as ranges."""
    real = (plan.samples["label"] == "real").to_numpy()
    asked = {e.training for e in plan.entries if e.protocol == expansion.protocol.name}
    tests: dict[tuple[str, str], list[Cell]] = {}
    for cell in expansion.cells:
        if cell.training in asked:
            tests.setdefault((cell.test.role, cell.test.name), []).append(cell)
    rows = []
    for (role, name), cells in tests.items():
        n_real = [int(real[cell.test.rows].sum()) for cell in cells]
        n_fake = [len(cell.test.rows) - n for cell, n in zip(cells, n_real, strict=True)]
        statements = dict.fromkeys(cell.test.statement for cell in cells)
        also = dict.fromkeys(str(policy) for cell in cells for policy in cell.test.alternatives)
        gaps = dict.fromkeys(cell.test.gap for cell in cells if cell.test.gap)
        counts = any(cell.headline for cell in cells)
        rows.append(
            [name, role, number_range(n_real), number_range(n_fake), "; ".join(statements),
             ", ".join(also), "yes" if counts else "no", "; ".join(gaps)]
        )  # fmt: skip
    return PlanTable(
        title=f"{expansion.protocol.title}: tests",
        columns=["test on", "role", "real", "fake", "real images", "also", "in means", "gap"],
        rows=rows,
    )


def _overlap_tables(expansion: Expansion, plan: Plan) -> list[PlanTable]:
    """Show what stands on two sides, if anything does: one row a training set, side and kind."""
    asked = {e.training for e in plan.entries if e.protocol == expansion.protocol.name}
    rows: dict[tuple[str, str, str], list[Overlap]] = {}
    for found in overlaps(expansion, plan.samples):
        if found.training in asked:
            rows.setdefault((found.training, found.side, found.kind), []).append(found)
    if not rows:
        return []
    shown = [
        [*key, number_range([each.number for each in found]), found[0].first,
         ", ".join(each.other for each in found)]
        for key, found in rows.items()
    ]  # fmt: skip
    return [
        PlanTable(
            title=f"Warning: {expansion.protocol.title} has the same on two sides",
            columns=["trained on", "split", "what", "how many", "first", "also in"],
            rows=shown,
            note="A detector may recognise them; a protocol with strict: true refuses them",
        )
    ]


def _work_table(plan: Plan, models: ModelStore, out: Path | None) -> PlanTable:
    """Show what is left to do."""
    there = [model for model in plan.jobs if models.has(model)]
    groups = left_to_score(out or Path("nowhere-yet"), plan)
    scores = sum(group.scores for group in groups)
    decodes = sum(group.decodes for group in groups)
    pairs = sum(len(rows) for wanted in plan.needs.values() for rows in wanted.values())
    rows = [
        ["models", f"{len(plan.jobs)} ({len(there)} in the store, {models.root})"],
        ["models to train", str(len(plan.jobs) - len(there))],
        ["scores", f"{pairs} ({scores} left to compute)"],
        ["groups of models", str(len(groups))],
        ["images to decode for scoring", str(decodes)],
        ["disk for scores", f"about {scores * _BYTES_A_SCORE / 1e6:.1f} MB"],
    ]
    return PlanTable(title="Work", columns=["what", "how much"], rows=rows)
