"""The seal of a finished run: hashes of what it was made of, as they were when scoring ended.

A seal is no signature: whoever edits a run by a program can seal it again. It tells damage, mix-ups
and edits by hand, and what a run was when it was handed over.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from protocols import Expansion
from results.hashing import content_hash, text_hash
from results.run import UNFINISHED, RunContents
from results.schema import ModelFacts, RunFacts, Seal
from results.store import read_run, write_run

# What may change after scoring ended: the seal itself, and whom an ablation compares with.
_OPEN = {"seal", "reference"}


def seal_run(run: str | Path) -> None:
    """Put the seal into ``run.json``; the last thing that is done to a run but for its report.

    A run of which some models are not scored yet has none.

    Raises:
        ResultError: A file of the run is missing or wrong.
    """
    contents, facts = RunContents(run), read_run(run)
    if any(entry.gap == UNFINISHED for entry in contents.facts.entries):
        write_run(run, facts.model_copy(update={"seal": None}))
        return
    found = seal_of(facts, contents.samples, contents.expansions, contents.models)
    write_run(run, facts.model_copy(update={"seal": found}))


def seal_of(
    facts: RunFacts,
    samples: pd.DataFrame,
    expansions: Mapping[str, Expansion],
    models: Mapping[str, ModelFacts],
) -> Seal:
    """Compute the seal of a run.

    Args:
        facts: What ``run.json`` says.
        samples: The samples table, as it is read.
        expansions: By name of the protocol, what it asks of the samples.
        models: By id, the facts of the models that the entries name.
    """
    return Seal(
        run=text_hash(facts.model_dump(mode="json", by_alias=True, exclude=_OPEN), "run.json"),
        entries=text_hash([each.model_dump(mode="json") for each in facts.entries], "entries"),
        samples=content_hash(samples),
        selections={name: selection_hash(expansion) for name, expansion in expansions.items()},
        models={
            model: text_hash(known.model_dump(mode="json", by_alias=True), model)
            for model, known in models.items()
        },
    )


def selection_hash(expansion: Expansion) -> str:
    """Name what a protocol selects: the positions of all training, validation and test samples."""
    digest = hashlib.sha256(expansion.protocol.hash.encode())
    for training in expansion.training_sets:
        digest.update(f"\ntrain {training.name} {training.n_missing}\n".encode())
        digest.update(training.rows.tobytes() + b"/" + training.val.tobytes())
    tests = {id(cell.test): (cell.training, cell.test) for cell in expansion.cells}
    for name, test in tests.values():
        digest.update(f"\ntest {name} {test.role} {test.name} {test.n_missing}\n".encode())
        digest.update(test.rows.tobytes())
        for policy, other in test.alternatives.items():
            digest.update(policy.encode() + other.rows.tobytes())
    return digest.hexdigest()
