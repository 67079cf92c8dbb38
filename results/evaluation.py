"""From scores to records: every number of a run, recomputed without torch and the images."""

import os
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

from protocols import Cell, Protocol
from results.faults import checked_contents
from results.measured import Measured
from results.metrics.registry import beside
from results.run import NO_THRESHOLD, RunContents
from results.schema import CellRecord, OtherReals, Record, Value
from results.statistics.joint import Bootstrap, Joint


def evaluate(run: str | Path) -> list[Record]:
    """Compute every record of a run from its scores.

    Args:
        run: The run's folder; nothing in it is changed.

    Returns:
        One record a protocol and model: protocols and models in the order of ``run.json``.

    Raises:
        ResultError: A file is missing or wrong, a needed score is missing, or the run is not what
            it was sealed as.
        ProtocolError: A protocol does not fit the samples.
    """
    return evaluate_contents(checked_contents(run))


def evaluate_contents(contents: RunContents, bootstrap: Bootstrap | None = None) -> list[Record]:
    """Compute every record of a run that was read; otherwise as ``evaluate``.

    Args:
        contents: The run.
        bootstrap: Its resamples, where others go on with them: means, ranks. None: its own.
    """
    bootstrap = bootstrap or Bootstrap(contents)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0)), thread_name_prefix="cell") as pool:
        return [
            _record(contents, bootstrap.of(name), name, *item, pool=pool)
            for name in contents.expansions
            for item in _trainings(contents, name).items()
        ]


def _trainings(contents: RunContents, protocol: str) -> dict[str, list[str]]:
    """Give the training sets that each model of a protocol stands for, by its id."""
    found: dict[str, list[str]] = {}
    for entry in contents.entries(protocol):
        if entry.model:
            found.setdefault(entry.model, []).append(entry.training)
    return found


def _record(
    contents: RunContents,
    joint: Joint,
    name: str,
    model: str,
    trainings: list[str],
    *,
    pool: Executor,
) -> Record:
    """Compute the record of one model under one protocol, its cells at once: one model is read."""
    expansion, facts = contents.expansions[name], contents.models[model]
    protocol = expansion.protocol
    cells = [cell for cell in expansion.cells if cell.training in trainings]
    thresholds = {
        training.name: {
            level: contents.threshold(model, training.val, level) for level in protocol.levels
        }
        for training in expansion.training_sets
        if training.name in trainings
    }
    return Record(
        protocol=name,
        protocol_version=protocol.version,
        protocol_hash=protocol.hash,
        model=model,
        detector=facts.detector,
        title=facts.title,
        size=facts.size,
        init=facts.init,
        track=facts.track,
        seed=facts.seed,
        data={
            role: contents.facts.data[role].fingerprint
            for role in protocol.roles
            if role in contents.facts.data
        },
        scores=contents.scores(model).hash,
        cells=list(
            pool.map(
                lambda cell: _cell_record(
                    contents,
                    joint,
                    protocol,
                    model,
                    cell,
                    threshold=thresholds[cell.training][cell.level],
                ),
                cells,
            )
        ),
        thresholds=thresholds,
    )


def _cell_record(
    contents: RunContents,
    joint: Joint,
    protocol: Protocol,
    model: str,
    cell: Cell,
    *,
    threshold: Value,
) -> CellRecord:
    """Compute the numbers of one cell."""
    names = dict.fromkeys(
        (*protocol.metrics, *(beside() if cell.condition.name == "clean" else ()))
    )
    n_real, n_fake, others = 0, 0, {}
    if lacking := contents.unscored(model, cell):
        metrics = dict.fromkeys(names, Value(value=None, reason=lacking))
    else:
        measured = contents.measured(model, cell, threshold)
        n_real, n_fake = measured.n_real, measured.n_fake
        metrics = joint.with_intervals(model, cell, measured, measured.values(names))
        others = _other_reals(contents, model, cell)
    clusters = joint.clusters(cell)
    return CellRecord(
        training=cell.training,
        test=cell.test.name,
        role=cell.test.role,
        condition=cell.condition.key,
        condition_name=cell.condition.name,
        severity=cell.condition.severity,
        level=cell.level,
        reals=cell.test.statement,
        policy=cell.test.reals,
        pooled=contents.has_foreign_reals(cell.test),
        headline=cell.headline,
        seen=cell.seen,
        n_real=n_real,
        n_fake=n_fake,
        clusters_real=clusters.real,
        clusters_fake=clusters.fake,
        n_missing=cell.test.n_missing,
        n_orphans=cell.test.n_orphans,
        prevalence=n_fake / (n_real + n_fake) if n_real + n_fake else None,
        metrics=metrics,
        other_reals=others,
    )


def _other_reals(contents: RunContents, model: str, cell: Cell) -> dict[str, OtherReals]:
    """Compute the AUC of a cell's forged images against the real ones of the other policies."""
    found = {}
    for policy, alternative in cell.test.alternatives.items():
        scored = contents.scored_rows(model, cell, alternative.rows)
        measured = Measured(scored.labels, scored.scores, level=cell.level, carried=NO_THRESHOLD)
        found[str(policy)] = OtherReals(
            sources=list(alternative.reals_sources),
            n_real=measured.n_real,
            n_fake=measured.n_fake,
            auc=measured.value("AUC"),
        )
    return found
