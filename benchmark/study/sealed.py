"""A sealed run is added to, or gone on with, only while it is what it was sealed as."""

from collections.abc import Container
from pathlib import Path

from results.faults import Fault, faults_of, refuse, score_faults
from results.run import RunContents
from results.store import read_run

_MEND = "put back what was edited, or choose another --out"


def refuse_edited(out: Path) -> None:
    """Refuse to go on with a sealed run that was edited: a new seal would vouch for the edit.

    Scores are not looked at: those that are damaged may be computed again; see
    ``refuse_damaged``. A run under way has no seal yet.

    Raises:
        ResultError: Something differs from what was sealed, or cannot be read.
    """
    if (out / "run.json").is_file() and read_run(out).seal is not None:
        faults = [fault for fault in faults_of(RunContents(out)) if fault.rule != "scores"]
        _refuse(out, faults)


def refuse_damaged(out: Path, again: Container[str] = ()) -> None:
    """Refuse to go on with a sealed run whose scores are damaged and are not computed again.

    Args:
        out: The run's folder.
        again: Ids of models whose scores are, where they are not what they were.

    Raises:
        ResultError: Those of another model are not what its facts state, or are gone.
    """
    if not (out / "run.json").is_file() or (facts := read_run(out)).seal is None:
        return
    models = dict.fromkeys(entry.model for entry in facts.entries if entry.model)
    _refuse(out, list(score_faults(out, [each for each in models if each not in again])))


def _refuse(out: Path, faults: list[Fault]) -> None:
    refuse(out, faults, what="nothing is added to", remedy=_MEND)
