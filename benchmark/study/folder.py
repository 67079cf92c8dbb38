"""What a run's folder says of the run: begun or gone on with, never mixed."""

from collections.abc import Mapping
from pathlib import Path

from benchmark.errors import BenchmarkError
from benchmark.study.planning import Plan
from results.schema import SCHEMA, Dataset, Entry, RunFacts
from results.store import read_run, scores_path


def run_facts(
    out: Path, plan: Plan, *, batch_size: int, versions: dict[str, str], alone: bool = True
) -> RunFacts:
    """State the run; one that is there is added to.

    Args:
        out: Its folder.
        plan: What is added, or gone on with.
        batch_size: Images a forward pass.
        versions: Of what "same bytes" depends on.
        alone: Whether nobody else works on it: then what was begun and not finished is dropped.

    Raises:
        BenchmarkError: What is there was made from other data, models or versions.
    """
    protocols = [
        expansion.protocol.model_dump(mode="json") for expansion in plan.resolved.expansions
    ]
    facts = RunFacts(
        schema=SCHEMA,
        study=plan.resolved.study.name,
        title=plan.resolved.study.title,
        protocols=protocols,
        data=dict(plan.data),
        entries=list(plan.entries),
        batch_size=batch_size,
        versions=versions,
        reference=plan.resolved.study.reference,
        unbound=list(plan.resolved.unbound),
    )
    if not (out / "run.json").is_file():
        return facts
    before = read_run(out)
    # What an earlier sitting began and never finished, for an error say, is no part of the run.
    kept = [
        entry
        for entry in before.entries
        if not alone or entry.model is None or scores_path(out, entry.model).is_file()
    ]
    if not any(entry.model for entry in kept):
        return facts
    facts = facts.model_copy(update={"data": _named_as_before(facts.data, before.data)})
    difference = _difference(before.model_copy(update={"entries": kept}), facts)
    if difference:
        raise BenchmarkError(f"{out} holds a run {difference}: choose another --out")
    named = {protocol["name"]: protocol for protocol in [*before.protocols, *protocols]}
    entries = {entry_key(entry): entry for entry in [*kept, *plan.entries]}
    if len(entries) == len(plan.entries):
        entries = {
            entry_key(entry): entry for entry in plan.entries
        }  # the same study: in its order
    return before.model_copy(
        update={
            "protocols": list(named.values()),
            "entries": list(entries.values()),
            "seal": None,  # until scoring ends
        }
    )


def _named_as_before(
    data: Mapping[str, Dataset], before: Mapping[str, Dataset]
) -> dict[str, Dataset]:
    """Give datasets of the same content the names the run knows them by: folders are moved."""
    return {
        role: dataset.model_copy(update={"name": before[role].name})
        if role in before and before[role].fingerprint == dataset.fingerprint
        else dataset
        for role, dataset in data.items()
    }


def _difference(before: RunFacts, now: RunFacts) -> str:
    """Say why one cannot be added to the other; empty if it can."""
    if other := _other_data(before, now):
        return other
    was_made = {**before.versions, "batch size": str(before.batch_size)}
    made = {**now.versions, "batch size": str(now.batch_size)}
    for name in sorted(made.keys() | was_made.keys()):
        if made.get(name) != was_made.get(name):
            return f"made with {name} {was_made.get(name, 'none')}, not {made.get(name, 'none')}"
    named = {protocol["name"]: protocol for protocol in before.protocols}
    for protocol in now.protocols:
        if named.get(protocol["name"], protocol) != protocol:
            return f"under another version of protocol '{protocol['name']}'"
    models = {entry_key(entry): entry.model for entry in before.entries}
    for entry in now.entries:
        # What was a gap of a model, which could not be trained or scored, is tried again.
        if (models.get(entry_key(entry)) or entry.model) != entry.model:
            return f"with another '{entry.detector}' (options, track, recipe, size or code differ)"
    return ""


def _other_data(before: RunFacts, now: RunFacts) -> str:
    """Say how the data differ, empty if they do not."""
    for role, dataset in now.data.items():
        there = before.data.get(role)
        if there == dataset:
            continue
        if there and there.fingerprint == dataset.fingerprint:
            if there.synthetic != dataset.synthetic:
                first, then = ("" if d.synthetic else "not " for d in (there, dataset))
                return f"on data that was {first}synthetic ('{role}'), and is now {then}synthetic"
            return f"with {there.n_missing} images left out, not {dataset.n_missing}"
        was = f"{there.name} ({there.fingerprint[:12]})" if there else "nothing"
        return f"on other data ('{role}' is {was}, not {dataset.name} ({dataset.fingerprint[:12]}))"
    if before.data.keys() != now.data.keys():
        return f"on other data (its roles are {', '.join(sorted(before.data))})"
    return ""


def entry_key(entry: Entry) -> tuple[str, str, str, int]:
    """What an entry stands for."""
    return entry.protocol, entry.training, entry.detector, entry.seed
