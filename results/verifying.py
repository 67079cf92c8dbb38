"""Does a run's folder still say what it said when scoring ended, and do its numbers follow?"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from protocols import ProtocolError
from protocols.schema import load_protocol, protocol_names
from results.errors import ResultError
from results.evaluation import evaluate_contents
from results.faults import Fault, faults_of, refuse, unfinished
from results.files import file_hash
from results.rounding import agree
from results.run import RunContents
from results.schema import CellRecord, Record
from results.store import records

_RECORDS = "records"
# So far two processors may compute one number apart: their matrix kernels add in another order. The
# published runs, recomputed with AVX-512 instead of AVX2, differ by 1e-15 at most.
_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What ``verify`` found.

    Attributes:
        faults: What is wrong; a run without any is sound.
        notes: What could not be compared, and why.
    """

    faults: tuple[Fault, ...]
    notes: tuple[str, ...]


def verify(run: str | Path, store: str | Path | None = None) -> Verdict:
    """Compare all that a run states with what it holds, and its records with recomputed ones.

    Args:
        run: The run's folder; nothing in it is changed.
        store: A folder of trained models; those that are there are compared by their sha256.
    """
    run = Path(run)
    try:
        contents = RunContents(run)
        faults = [*faults_of(contents), *unfinished(contents)]
        notes = _protocol_notes(contents)
        if not any(fault.rule == "scores" for fault in faults):
            if _has_records(contents):
                faults += _record_faults(contents, evaluate_contents(contents))
            else:
                notes.append(f"{contents.run / _RECORDS}: there are no records to compare")
    except (ResultError, ProtocolError) as error:
        return Verdict(faults=(Fault("unreadable", str(error)),), notes=())
    weights, said = _weight_faults(contents, None if store is None else Path(store))
    return Verdict(faults=(*faults, *weights), notes=(*notes, *said))


def _protocol_notes(contents: RunContents) -> list[str]:
    """Say which protocols there is nothing to compare with."""
    notes, shipped = [], set(protocol_names())
    for name, expansion in contents.expansions.items():
        protocol = expansion.protocol
        if name not in shipped:
            notes.append(f"'{name}' ({protocol.hash}) is no protocol that ships")
        elif (version := load_protocol(name).version) != protocol.version:
            told = f"'{name}' is version {protocol.version}, and version {version} ships"
            notes.append(f"{told}: it was not compared")
    return notes


def sound_records(contents: RunContents) -> list[Record]:
    """Compute every record of a run of which ``verify`` finds no fault; weights are not looked at.

    Raises:
        ResultError: There is one; it is named.
    """
    refuse(contents.run, [*faults_of(contents), *unfinished(contents)])
    found = evaluate_contents(contents)
    if _has_records(contents):
        refuse(contents.run, _record_faults(contents, found))
    return found


def _has_records(contents: RunContents) -> bool:
    """Tell whether the folder states numbers: a run has none before its first report."""
    return any((contents.run / _RECORDS).glob("*/*.json"))


def _record_faults(contents: RunContents, recomputed: Sequence[Record]) -> list[Fault]:
    """Compare records with recomputed ones."""
    folder = contents.run / _RECORDS
    try:
        there = {(each.protocol, each.model): each for each in records(contents.run)}
    except ResultError as error:
        return [Fault("record", str(error))]
    made = {(each.protocol, each.model): each for each in recomputed}
    faults = []
    for protocol, model in sorted(there.keys() | made.keys()):
        where = folder / protocol / f"{model}.json"
        key = (protocol, model)
        if key not in there:
            faults.append(Fault("record", f"{where}: is not there"))
        elif key not in made:
            faults.append(Fault("record", f"{where}: is of no model of the run"))
        elif not agree(there[key], made[key]):
            told = _difference(there[key], made[key])
            faults.append(Fault("record", f"{where}: {told}; forgerybench report makes it anew"))
    return faults


def _difference(stated: Record, found: Record) -> str:
    """Say in what a record differs from the recomputed one, the first number if it is one."""
    for name in Record.model_fields:
        if name != "cells" and not agree(getattr(stated, name), getattr(found, name)):
            return f"'{name}' is {getattr(stated, name)}, recomputed {getattr(found, name)}"
    for one, other in zip(stated.cells, found.cells, strict=False):
        if not agree(one, other):
            return f"{one.training}/{one.test} {one.condition} {one.level}: {_in_cell(one, other)}"
    return f"has {len(stated.cells)} cells, recomputed {len(found.cells)}"


def _in_cell(stated: CellRecord, found: CellRecord) -> str:
    """Say in what a cell differs from the recomputed one."""
    for name in sorted(stated.metrics.keys() | found.metrics.keys()):
        one, other = stated.metrics.get(name), found.metrics.get(name)
        if not agree(one, other):
            values = [None if each is None else each.value for each in (one, other)]
            return f"{name} is {values[0]}, recomputed {values[1]} (or its interval differs)"
    name = next(
        n for n in CellRecord.model_fields if not agree(getattr(stated, n), getattr(found, n))
    )
    return f"'{name}' is {getattr(stated, name)}, recomputed {getattr(found, name)}"


def _weight_faults(
    contents: RunContents, store: Path | None
) -> tuple[Sequence[Fault], Sequence[str]]:
    """Compare trained models with the sha256 that the run states, where they are at hand."""
    faults, absent = [], []
    trained = {name: facts for name, facts in contents.models.items() if facts.imported is None}
    for model, facts in trained.items():
        for name, stated in (
            ("model.safetensors", facts.weights),
            ("config.json", facts.config),
        ):
            path = None if store is None else store / model / name
            if stated is None or path is None or not path.is_file():
                absent.append(model)
            elif (found := file_hash(path)) != stated:
                told = f"has the sha256 {found[:12]}, and the run's model {stated[:12]}"
                faults.append(Fault("weights", f"{path}: {told}"))
    missing = len(set(absent))
    notes = [f"the weights of {missing} of {len(trained)} models are not at hand"]
    return faults, notes if missing else []
