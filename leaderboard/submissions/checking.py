"""Checking a submission: every rule by name, a verdict each, then entries computed anew.

Labels and samples are the keeper's copy. Of the submission come scores, and what its models say of
themselves; its records are claims, compared with what is computed here.
"""

import tempfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

from leaderboard.errors import LeaderboardError
from leaderboard.submissions.archive import ArchiveError, read_archive
from leaderboard.submissions.keeper import Keeper
from leaderboard.submissions.measuring import check_claims, check_patterns, check_submitted_scores
from leaderboard.submissions.schema import Submission, read_statement
from leaderboard.submissions.verdicts import CheckedSubmission, told_of
from protocols import expand
from results.errors import ResultError
from results.files import read_json
from results.schema import RunFacts
from results.store import read_model, read_run, write_run, write_samples

LONGEST_TEXT = 20_000
_SAID = ("paper", "code", "licence", "fidelity")


def judge_archive(
    archive: str | Path, keeper: Keeper, folder: Path, day: date
) -> CheckedSubmission:
    """Check a submission.

    Args:
        archive: The zip file of a stranger.
        keeper: Whose labels count.
        folder: An empty folder to work in; what ``CheckedSubmission.scores`` names lies there.
        day: Today, for counting looks at hidden labels.

    Returns:
        The verdicts, and the entries where all rules are kept.

    Raises:
        FileNotFoundError: There is no such archive.
    """
    checked = CheckedSubmission(folder, keeper, day)
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
        checked.submission = read_statement(folder / "submission.json", Submission)
        facts = read_run(folder)
        ids = {entry.model for entry in facts.entries if entry.model}
        models = {model: read_model(folder, model) for model in sorted(ids)}
    except (LeaderboardError, ResultError, OSError) as error:
        return checked.add("form-files", [told_of(error, folder)])
    checked.add("form-files", [])
    card, submission = checked.submission.card, checked.submission
    lacking = [name for name in _SAID if not getattr(card, name).strip()]
    lacking += ["training_data"] if not submission.training_data.strip() else []
    told = checked.add("card-complete", [f"'{name}' is empty" for name in lacking])
    said = "states that test images were used in training"
    told &= checked.add("statement", [said] if submission.trained_on_test else [])
    agree = [
        f"{e.detector} on {e.training}: model {e.model} is of {m.detector} on {m.training}"
        for e in facts.entries
        if e.model and (m := models[e.model])
        if (m.detector, m.training, m.seed) != (e.detector, e.training, e.seed)
    ]
    return checked.add("models-agree", agree) and told


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
    if most is None or checked.submission is None:
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


def check_archive(archive: str | Path, keeper: str | Path, day: date) -> CheckedSubmission:
    """Check a submission and leave nothing behind; otherwise as ``judge_archive``."""
    with tempfile.TemporaryDirectory() as folder:
        return judge_archive(archive, Keeper(keeper), Path(folder), day)
