"""Is a run still what it was sealed as, as far as that is told without computing its numbers again?

Every doubt is a ``Fault`` with the rule that it breaks, a word that code and readers may rely on:

    unsealed     the run is finished and has no seal
    unfinished   the run is under way, or of a version that did not seal: nothing vouches for it
    fingerprint  samples are not those of the stated fingerprint
    counts       the stated numbers of samples, or of those that cannot be read, are others
    samples      the table differs from the sealed one
    selection    a protocol selects other samples than when the run was sealed
    protocol     a protocol is not the one that ships under its name and version
    entries      which model stands for which training set differs
    run          something else in run.json differs
    model        the facts of a model differ
    scores       the scores of a model are not those that its facts state, or are gone
    record       a record differs from what the scores give, or from what a report wrote
    weights      a trained model differs from the sha256 that its facts state
    unreadable   a file cannot be read at all

``record`` and ``weights`` are told by ``results.verifying`` alone.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from protocols.samples import fingerprint
from protocols.schema import changed_from_shipped
from results.errors import ResultError
from results.files import read_json
from results.run import UNFINISHED, RunContents
from results.schema import SCHEMA, Record, RunFacts, Seal
from results.sealing import seal_of
from results.store import check_scores, read_run, scores_path
from results.upgrades import schema_of

_AGAIN = "the same forgerybench run goes on"


class Fault(NamedTuple):
    """What is wrong, in one sentence that names the file, and the rule that it breaks."""

    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.message}"


def checked_contents(run: str | Path) -> RunContents:
    """Read a run, and see that it is what it was sealed as.

    Raises:
        ResultError: It is not, or a file of it is missing or wrong.
        ProtocolError: A protocol does not fit the samples.
    """
    contents = RunContents(run)
    refuse_faults(contents)
    return contents


def refuse_faults(contents: RunContents) -> None:
    """Raise ResultError where a run is not what it was sealed as; the first fault is named."""
    refuse(contents.run, faults_of(contents))


def refuse(
    run: str | Path,
    faults: Sequence[Fault],
    *,
    what: str = "nothing is taken from",
    remedy: str = "",
) -> None:
    """Raise ResultError if there is a fault; the first is named.

    Args:
        run: The run's folder.
        faults: What is wrong with it.
        what: What is not done with such a run.
        remedy: What to do about it, beside looking at all faults.
    """
    if faults:
        more = f"; and {len(faults) - 1} more" if len(faults) > 1 else ""
        raise ResultError(
            f"{run}: {faults[0]}{more}; {what} a run that is not what it says: "
            f"{remedy}{'; ' if remedy else ''}forgerybench verify {run} lists all"
        )


def refuse_stale(contents: RunContents, record: Record) -> None:
    """Raise ResultError where a record is not of the run's scores, data and protocols as they are.

    Its numbers are not recomputed here: ``verify`` does that.
    """
    expansion = contents.expansions.get(record.protocol)
    facts, data = contents.models.get(record.model), contents.facts.data
    told = None
    if expansion is None or facts is None:
        told = "is of a protocol or model that the run does not have"
    elif record.protocol_hash != expansion.protocol.hash:
        told = "is of another version of its protocol"
    elif facts.scores not in (None, record.scores):
        told = "is of other scores than the run has now"
    elif any(role in data and data[role].fingerprint != f for role, f in record.data.items()):
        told = "is of other data than the run has now"
    if told is not None:
        path = contents.run / "records" / record.protocol / f"{record.model}.json"
        raise ResultError(f"{path}: {told}; make the records anew: forgerybench report")


def faults_of(contents: RunContents) -> list[Fault]:
    """Do what takes no recomputing: samples, selections, protocols, entries, models and scores."""
    run, stated = contents.run, read_run(contents.run)
    faults = [*_data_faults(run, stated, contents.samples), *_protocol_faults(contents)]
    if stated.seal is None:
        return [*faults, *_unsealed(contents)]
    found = seal_of(stated, contents.samples, contents.expansions, contents.models)
    faults += _seal_faults(run, stated.seal, found, told={fault.rule for fault in faults})
    models = dict.fromkeys(entry.model for entry in stated.entries if entry.model)
    return [*faults, *score_faults(run, list(models))]


def _data_faults(run: Path, facts: RunFacts, samples: pd.DataFrame) -> Iterator[Fault]:
    """Compare the samples with the fingerprints and counts that the run states."""
    where = run / "samples.parquet"
    for role in sorted(set(samples["dataset"]) - set(facts.data)):
        yield Fault("samples", f"{where}: samples of '{role}', which run.json does not have")
    for role, dataset in facts.data.items():
        rows = samples[samples["dataset"] == role]
        counts = {
            "samples": (len(rows), dataset.n_samples),
            "samples that cannot be read": (
                int((rows["problem"] != "").sum()),
                dataset.n_missing,
            ),
        }
        for what, (there, stated) in counts.items():
            if there != stated:
                told = f"{there} {what} of '{role}', and run.json states {stated}"
                yield Fault("counts", f"{where}: {told}")
        if (found := fingerprint(rows)) != dataset.fingerprint:
            yield Fault(
                "fingerprint",
                f"{where}: the samples of '{role}' (content, label, source, split, group) have the "
                f"fingerprint {found[:12]}, and run.json states {dataset.fingerprint[:12]}",
            )


def _protocol_faults(contents: RunContents) -> Iterator[Fault]:
    """Compare protocols with those that ship under their names and versions."""
    for expansion in contents.expansions.values():
        protocol = expansion.protocol
        if (shipped := changed_from_shipped(protocol)) is not None:
            yield Fault(
                "protocol",
                f"{contents.run / 'run.json'}: '{protocol.name}' version {protocol.version} has "
                f"the hash {protocol.hash}, and the one that ships {shipped.hash}: a protocol that "
                "was changed needs a name of its own",
            )


def _unsealed(contents: RunContents) -> Iterator[Fault]:
    """Refuse a run that is finished and has no seal; one that is under way has none yet."""
    path = contents.run / "run.json"
    waiting = any(entry.gap == UNFINISHED for entry in contents.facts.entries)
    is_older = schema_of(read_json(path), str(path)) < SCHEMA
    if not (waiting or is_older):
        yield Fault("unsealed", f"{path}: has no seal, which a finished run has; {_AGAIN}")


def unfinished(contents: RunContents) -> Iterator[Fault]:
    """Tell of a run that nothing vouches for: it is under way, or older than seals are.

    It may be reported, since its page says so; but it is not sound.
    """
    path = contents.run / "run.json"
    if read_run(contents.run).seal is None and not any(_unsealed(contents)):
        yield Fault("unfinished", f"{path}: has no seal: it is under way, or of an older version")


def _seal_faults(run: Path, stated: Seal, found: Seal, told: set[str]) -> Iterator[Fault]:
    """Compare a seal with what the folder gives now; ``told`` are rules that were broken before."""
    path = run / "run.json"
    if stated.samples != found.samples and not told & {"fingerprint", "counts", "samples"}:
        yield Fault("samples", f"{run / 'samples.parquet'}: differs from the sealed table")
    for name in sorted(stated.selections.keys() ^ found.selections.keys()):
        yield Fault("selection", f"{path}: protocol '{name}' was added or taken away")
    for name in stated.selections.keys() & found.selections.keys():
        if stated.selections[name] != found.selections[name] and "protocol" not in told:
            yield Fault("selection", f"{path}: '{name}' selects other samples than it did")
    if stated.entries != found.entries:
        yield Fault("entries", f"{path}: the entries are not those that were sealed")
    elif stated.run != found.run and not told:
        yield Fault("run", f"{path}: differs from what was sealed")
    for model in sorted(stated.models.keys() | found.models.keys()):
        where = run / "models" / f"{model}.json"
        if model not in stated.models:
            yield Fault("model", f"{where}: stands for an entry, and was not sealed")
        elif model in found.models and stated.models[model] != found.models[model]:
            yield Fault("model", f"{where}: differs from what was sealed")


def score_faults(run: str | Path, models: Sequence[str]) -> Iterator[Fault]:
    """Compare the scores of models with the hash that the facts of each state."""
    for model in models:
        path = scores_path(run, model)
        if not path.is_file():
            yield Fault("scores", f"{path}: is gone, though run.json has the model; {_AGAIN}")
            continue
        try:
            check_scores(run, model)
        except ResultError as error:
            yield Fault("scores", str(error))
