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
from protocols.expansion import Expansion

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
    study: Study, *, data: Data, out: Path | None = None, store: Path | None = None
) -> list[PlanTable]:
    """Tell what ``run`` would train, decode and score.

    Images are not decoded: only their being there is checked, so a manifest must state the sha256
    of each, from which the models' ids follow.

    Args:
        study: The study.
        data: As in ``benchmark.run``.
        out: The run's folder, if it may have scores already.
        store: The store of trained models; the user's cache folder if left out.

    Raises:
        BenchmarkError: As in ``benchmark.run``.
    """
    check_detectors(study)
    manifests = bind(load_protocols(study), data)
    plan = make_plan(study, manifests, _unverified(manifests))
    models = ModelStore(store or default_store())
    tables = [_training_table(expansion, plan) for expansion in plan.expansions]
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
            cells = [c for c in expansion.cells if c.training == training.name]
            gaps = sum(c.test.gap is not None for c in cells)
            told = f"{len(cells)}" + (f" ({gaps} with one class)" if gaps else "")
            rows.append(
                [training.name, *map(str, counts), training.statement, told, training.gap or ""]
            )
    missing = int((plan.samples["problem"] != "").sum())
    return PlanTable(
        title=f"{protocol.title} (version {protocol.version}, {protocol.hash})",
        columns=["train on", "real", "fake", "val", "real images", "cells a model", "gap"],
        rows=rows,
        note=f"{missing} images are missing" if missing else "",
    )


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
