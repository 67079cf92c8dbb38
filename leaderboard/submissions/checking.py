"""Checking a submission: every rule by name, a verdict each, then entries computed anew.

Labels and samples are the keeper's copy. Of the submission come scores, and what its models say of
themselves; its records are claims, compared with what is computed here.
"""

import errno
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from leaderboard.board.records import read_form
from leaderboard.errors import LeaderboardError
from leaderboard.submissions.archive import ArchiveError, read_archive
from leaderboard.submissions.keeper import Keeper
from leaderboard.submissions.measuring import check_claims, check_patterns, check_submitted_scores
from leaderboard.submissions.schema import Submission
from leaderboard.submissions.signing import SignatureError, Signer, verify_signature
from leaderboard.submissions.verdicts import CheckedSubmission, told_of
from protocols import expand
from protocols.text import printable
from results.errors import ResultError
from results.files import read_json
from results.run import RunContents
from results.schema import Entry, ModelFacts, RunFacts
from results.store import read_model, read_run, write_run, write_samples

LONGEST_TEXT = 20_000
_SAID = ("paper", "code", "licence", "fidelity")


def judge_archive(
    archive: str | Path,
    keeper: Keeper,
    folder: Path,
    day: date,
    *,
    signers: str | Path | None = None,
    counts_looks: bool = True,
) -> CheckedSubmission:
    """Check a submission.

    Args:
        archive: The zip file of a stranger.
        keeper: Whose labels count.
        folder: An empty folder to work in; what ``CheckedSubmission.scores`` names lies there.
        day: Today, for counting looks at hidden labels.
        signers: File of allowed signers; a signature is then required, and of the submitter.
        counts_looks: Whether the submitter is told; the keeper himself looks as often as he likes.

    Returns:
        The verdicts, and the entries where all rules are kept.

    Raises:
        FileNotFoundError: There is no such archive.
    """
    checked = CheckedSubmission(folder, keeper, day, counts_looks=counts_looks)
    if signers is not None:
        if not Path(archive).exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(archive))
        try:
            checked.signer = verify_signature(Path(archive), Path(signers))
        except SignatureError as error:
            checked.add(error.rule, [str(error)])
            return checked
        checked.add("signature", [])
    try:
        read_archive(Path(archive), folder)
    except ArchiveError as error:
        checked.add(error.rule, [str(error)])
        return checked
    checked.add("archive", [])
    steps: list[Callable[[CheckedSubmission], bool]] = [
        _check_form, _check_protocols, _check_entries, check_submitted_scores, _check_looks,
        check_patterns, check_claims,
    ]  # fmt: skip
    for step in steps:
        if not step(checked):
            checked.entries.clear()
            break
    return checked


def _check_form(checked: CheckedSubmission) -> bool:
    """Read what the submission says; no text may be endless, and its card must be whole."""
    folder = checked.folder
    try:
        long = [f for path in sorted(folder.rglob("*.json")) for f in _long_texts(path, folder)]
        if not checked.add("form-fields", long):
            return False
        checked.submission = read_form(folder / "submission.json", Submission)
        facts = read_run(folder)
        ids = {entry.model for entry in facts.entries if entry.model}
        models = {model: read_model(folder, model) for model in sorted(ids)}
    except (LeaderboardError, ResultError, OSError) as error:
        return checked.add("form-files", [told_of(error, folder)])
    checked.add("form-files", [])
    card, submission, signer = checked.submission.card, checked.submission, checked.signer
    if signer and not checked.add("signature-submitter", _not_theirs(signer, submission)):
        return False
    lacking = [name for name in _SAID if not getattr(card, name).strip()]
    lacking += ["training_data"] if not submission.training_data.strip() else []
    told = checked.add("card-complete", [f"'{name}' is empty" for name in lacking])
    said = "states that test images were used in training"
    told &= checked.add("statement", [said] if submission.trained_on_test else [])
    agree = list(_disagreeing_models(facts.entries, models))
    return checked.add("models-agree", agree) and told


def _disagreeing_models(
    entries: Sequence[Entry], models: Mapping[str, ModelFacts]
) -> Iterator[str]:
    """Name models that are not of the detector, training set and seed that entries say.

    A study may call a detector by a name of its own, which then stands for one detector alone.
    """
    called: dict[str, str] = {}
    for entry in entries:
        if entry.model is None:
            continue
        model = models[entry.model]
        detector = called.setdefault(entry.detector, model.detector)
        stated = (detector, entry.training, entry.seed)
        if (model.detector, model.training, model.seed) != stated:
            yield (
                f"{entry.detector} on {entry.training}, seed {entry.seed}: model {entry.model} is "
                f"of {model.detector} on {model.training}, seed {model.seed}"
            )


def _not_theirs(signer: Signer, submission: Submission) -> list[str]:
    """Hold that a submission is signed by its submitter, and not by another who may sign."""
    if signer.name == submission.submitter:
        return []
    return [f"it is {submission.submitter}'s, and {printable(signer.name)} signed"]


def _long_texts(path: Path, folder: Path) -> Iterator[str]:
    """Name the texts of a JSON file that are too long."""
    stack: list[Any] = [read_json(path)]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            stack += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            stack += value
        elif isinstance(value, str) and len(value) > LONGEST_TEXT:
            yield f"{path.relative_to(folder)}: a text of {len(value):,} letters"


def _check_looks(checked: CheckedSubmission) -> bool:
    """Count looks at labels: all rules after this one tell something of them, none before it."""
    most = checked.keeper.facts.looks_a_day
    if most is None or checked.submission is None or not checked.counts_looks:
        return True
    who = checked.submission.submitter
    used = checked.keeper.looks(who, checked.day)
    if used >= most:
        return checked.add("looks", [f"{who} was told numbers {used} times today, of {most}"])
    checked.keeper.count_look(who, checked.day)
    return checked.add("looks", [])


def _check_protocols(checked: CheckedSubmission) -> bool:
    """Hold protocols and data to the keeper's."""
    facts = read_run(checked.folder)
    known, faults, hashes = checked.keeper.protocols, [], []
    for raw in facts.protocols:
        name, version = raw.get("name"), raw.get("version")
        ours = known.get(str(name))
        if ours is None or ours.version != version:
            there = ", ".join(f"{p.name} version {p.version}" for p in known.values())
            faults.append(f"'{name}' version {version} is not taken; there are {there}")
        elif ours.model_dump(mode="json") != raw:
            hashes.append(f"'{name}' is not the keeper's: its hash should be {ours.hash}")
    kept = checked.add("protocol-known", faults or ([] if facts.protocols else ["none is named"]))
    kept &= checked.add("protocol-hash", hashes)
    data = [
        f"role '{role}': fingerprint {given.fingerprint}, the keeper's is {held.fingerprint}"
        for role, given in facts.data.items()
        if (held := checked.keeper.facts.data.get(role)) and held.fingerprint != given.fingerprint
    ]
    data += [f"no role '{r}' here" for r in facts.data if r not in checked.keeper.facts.data]
    return checked.add("data-fingerprint", data) and kept


def _check_entries(checked: CheckedSubmission) -> bool:
    """Hold that every training set that the keeper needs is there, then lay his run out."""
    facts, samples = read_run(checked.folder), checked.keeper.samples()
    names = [str(raw["name"]) for raw in facts.protocols]
    faults = []
    for name in names:
        sets = expand(
            checked.keeper.protocols[name], samples, checked.keeper.facts.unbound
        ).training_sets
        contenders = {(e.detector, e.seed) for e in facts.entries if e.protocol == name}
        faults += [] if contenders else [f"{name}: no entry"]
        for detector, seed in sorted(contenders):
            given = {
                e.training: e
                for e in facts.entries
                if (e.protocol, e.detector, e.seed) == (name, detector, seed)
            }
            needed = checked.keeper.facts.trainings.get(name)
            for training in sets:
                if needed is not None and training.name not in needed:
                    continue
                entry = given.get(training.name)
                if entry is None:
                    faults.append(f"{name}: {detector} lacks training set '{training.name}'")
                elif entry.model is None and not training.gap:
                    faults.append(f"{name}: {detector} has no model of '{training.name}'")
    ours = RunFacts(
        study=facts.study,
        title=facts.title,
        protocols=[checked.keeper.protocols[name].model_dump(mode="json") for name in names],
        data=checked.keeper.facts.data,
        entries=facts.entries,
        batch_size=facts.batch_size,
        versions=facts.versions,
        unbound=checked.keeper.facts.unbound,
    )
    write_run(checked.folder, ours)
    write_samples(checked.folder, samples)
    return checked.add("entries-complete", faults)


def laid_out(archive: str | Path, keeper: str | Path, folder: Path) -> RunContents:
    """Check a submission for its keeper, who looks uncounted, and read it with his samples.

    Args:
        archive: The zip file.
        keeper: The keeper's folder.
        folder: An empty folder, in which it is laid out.

    Raises:
        LeaderboardError: It breaks a rule.
    """
    day = datetime.now(UTC).date()
    checked = judge_archive(archive, Keeper(keeper), folder, day, counts_looks=False)
    for verdict in checked.verdicts:
        # It may be accepted already, and its scores are then there.
        if verdict.faults and verdict.rule != "scores-copied":
            raise LeaderboardError(f"{archive}: breaks {verdict.rule}: {verdict.faults[0]}")
    return RunContents(folder)


def check_archive(
    archive: str | Path,
    keeper: str | Path,
    day: date,
    *,
    signers: str | Path | None = None,
) -> CheckedSubmission:
    """Check a submission and leave nothing behind; otherwise as ``judge_archive``."""
    with tempfile.TemporaryDirectory() as folder:
        return judge_archive(archive, Keeper(keeper), Path(folder), day, signers=signers)
