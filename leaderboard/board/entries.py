"""Entries of the board from runs and from published numbers."""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from leaderboard.board.schema import (
    BoardDataset,
    BoardEntry,
    EntryCell,
    EntryCost,
    Number,
    Replicates,
    State,
    replicates_of,
)
from leaderboard.errors import LeaderboardError
from leaderboard.tables.run_cost import run_costs
from leaderboard.view import Contender, ProtocolView, Result, views
from protocols import Protocol
from results.errors import UndefinedError
from results.evaluation import evaluate_contents
from results.faults import checked_contents
from results.run import RunContents
from results.schema import ModelFacts, Value
from results.statistics.joint import Bootstrap, Joint

_LONGEST_SLUG = 90
# What resamples are drawn by: raised when the same images would be drawn otherwise.
_DRAWS_VERSION = 1


def slug(name: str) -> str:
    """Name files and addresses after something; what is long or odd has a hash at its end."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if plain and len(plain) <= _LONGEST_SLUG and name.isascii():
        return plain
    digest = hashlib.sha256(name.encode("utf-8", "backslashreplace")).hexdigest()[:8]
    return f"{plain[: _LONGEST_SLUG - 9]}-{digest}".lstrip("-")


def titled(name: str, precision: str) -> str:
    """Give a name with the precision of its scores, where that is less than float32."""
    return f"{name} in {precision}" if precision else name


def run_entries(run: RunContents | str | Path, state: State = "recomputed") -> list[BoardEntry]:
    """Compute the entries of a run from its scores: one a protocol, detector and training seed.

    Args:
        run: The run, or its folder, whose seal is then compared.
        state: How the board knows the numbers.

    Raises:
        LeaderboardError: The run has no model.
        ResultError: A file of the run is missing or wrong, or the run is not what it was sealed as.
        ProtocolError: A protocol does not fit the samples.
    """
    contents = run if isinstance(run, RunContents) else checked_contents(run)
    bootstrap = Bootstrap(contents)
    laid_out = views(contents, evaluate_contents(contents, bootstrap))
    found = []
    for view in laid_out:
        joint = bootstrap.of(view.name)
        trained = dict.fromkeys(contender for contender, _ in view.models)
        found += [_entry(contents, view, joint, contender, state) for contender in trained]
    if not found:
        raise LeaderboardError(f"{contents.run}: the run has no model, so there is no entry")
    return found


def _entry(
    contents: RunContents, view: ProtocolView, joint: Joint, contender: Contender, state: State
) -> BoardEntry:
    """Give the entry of one contender under one protocol."""
    models = {training: m for (who, training), m in view.models.items() if who == contender}
    first = next(iter(models.values()))
    data = _data(contents, view.protocol)
    results = [r for r in view.results.values() if r.contender == contender and r.record]
    named = f"{contender.detector}-{first.size}-{first.track}-{contender.seed}"
    return BoardEntry(
        entry=slug(titled(named, first.reduced)),
        version=1,
        title=titled(contender.name, first.reduced),
        state=state,
        **protocol_facts(view.protocol),
        data=data,
        draws=_draws(contents, view.protocol),
        detector=contender.detector,
        seed=contender.seed,
        size=first.size,
        init=first.init,
        track=first.track,
        parameters=first.parameters,
        pretraining=first.pretraining or "",
        card=first.card,
        source=_imported(models.values()),
        precision=first.reduced,
        costs=_costs(contents, contender.detector),
        models={training: contents.scores(m.id).hash for training, m in models.items()},
        cells=tuple(_cell(result, view, joint) for result in results),
    )


def _costs(contents: RunContents, detector: str) -> tuple[EntryCost, ...]:
    """Give what was measured of a detector, device by device."""
    wanted = EntryCost.model_fields.keys() - {"device"}
    return tuple(
        EntryCost(device=each.device, **each.detectors[detector].model_dump(include=set(wanted)))
        for each in run_costs(contents)
        if detector in each.detectors
    )


def _imported(models: Iterable[ModelFacts]) -> str:
    """Say which scores were not made here."""
    files = dict.fromkeys(model.imported.file for model in models if model.imported)
    return f"scores made elsewhere: {', '.join(files)}" if files else ""


def protocol_facts(protocol: Protocol) -> dict[str, object]:
    """Give what an entry says of its protocol."""
    return {
        "protocol": protocol.name,
        "protocol_version": protocol.version,
        "protocol_hash": protocol.hash,
        "protocol_title": protocol.title,
        "protocol_summary": protocol.summary,
        "protocol_citation": protocol.citation,
        "metrics": tuple(protocol.metrics),
        "levels": tuple(protocol.levels),
    }


def _data(contents: RunContents, protocol: Protocol) -> dict[str, BoardDataset]:
    """Give the datasets of a protocol's roles."""
    known = contents.facts.data
    return {
        role: BoardDataset.model_validate(known[role].model_dump())
        for role in protocol.roles
        if role in known
    }


def _draws(contents: RunContents, protocol: Protocol) -> str:
    """Name what a protocol's resamples are of: the same images under the same protocol."""
    facts = contents.facts
    told = [
        f"{role} {facts.data[role].fingerprint}" for role in protocol.roles if role in facts.data
    ]
    problems = hashlib.sha256("\n".join(contents.samples["problem"]).encode()).hexdigest()
    told += [protocol.hash, problems, f"draws {_DRAWS_VERSION}", *sorted(facts.unbound)]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


def _cell(result: Result, view: ProtocolView, joint: Joint) -> EntryCell:
    """Give one cell with the protocol's metrics."""
    record, cell = result.record, result.cell
    assert record is not None
    metrics = {name: _number(record.metrics[name]) for name in view.protocol.metrics}
    return EntryCell(
        training=cell.training,
        test=result.test.label,
        role=cell.test.role,
        condition=cell.condition.key,
        condition_name=cell.condition.name,
        severity=cell.condition.severity,
        level=cell.level,
        seen=cell.seen,
        headline=cell.headline and not result.small,
        n_real=record.n_real,
        n_fake=record.n_fake,
        metrics={name: number for name, number in metrics.items() if number is not None},
        replicates=None if metrics[view.metric] is None else _replicates(result, view, joint),
    )


def _number(value: Value) -> Number | None:
    """Give a value with its interval; nothing where there is none."""
    if value.value is None:
        return None
    return Number(value=value.value, low=value.low, high=value.high)


def _replicates(result: Result, view: ProtocolView, joint: Joint) -> Replicates | None:
    """Give the headline metric in the resamples that all entries of these images share."""
    if result.model is None:
        return None
    try:
        return replicates_of(joint.replicates(result.model.id, result.cell, view.metric))
    except UndefinedError:
        return None
