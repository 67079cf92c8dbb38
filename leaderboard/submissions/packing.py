"""Packing a submission: what one detector of a run scored, and what it says of itself."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from leaderboard.board.entries import slug
from leaderboard.errors import LeaderboardError
from leaderboard.submissions.archive import write_archive
from leaderboard.submissions.schema import Submission
from results.files import atomic_write, json_text
from results.hashing import content_hash
from results.run import RunContents
from results.schema import CardFacts, Record
from results.store import read_scores, scores_path, write_model, write_record, write_run
from results.verifying import sound_records

_MISSING = "a card says {}; give what is missing (--paper, --code, --licence, --fidelity)"


def pack(
    run: str | Path,
    archive: str | Path,
    *,
    submitter: str,
    training_data: str,
    detector: str | None = None,
    said: dict[str, str] | None = None,
) -> Submission:
    """Pack the scores, records, card and environment of one detector; no image and no weights.

    Args:
        run: The run's folder.
        archive: The file to write.
        submitter: Who submits.
        training_data: What the detector was trained and pretrained on.
        detector: Which of the run's; may be left out where it has one.
        said: Parts of the card (``paper``, ``code``, ``licence``, ``fidelity``) in place of what
            the models took down.

    Returns:
        What the submission says of itself.

    Raises:
        LeaderboardError: The run has several detectors and none is named, the card has holes, or
            the scores were imported.
        ResultError: A file of the run is missing or wrong, or ``results.verifying.verify`` finds a
            fault in the run.
    """
    contents = RunContents(run)
    chosen, ids = _models_of(contents, detector)
    first = contents.models[ids[0]]
    submission = Submission(
        name=slug(f"{submitter} {chosen}"),
        title=first.title,
        submitter=slug(submitter),
        card=_card(first.card, said or {}),
        training_data=training_data,
        trained_on_test=False,
        scores={model: content_hash(read_scores(run, model)) for model in ids},
        environment=contents.facts.versions,
    )
    found = [record for record in sound_records(contents) if record.model in ids]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        _write_files(folder, contents, chosen, submission, found)
        files = [p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()]
        write_archive(Path(archive), folder, files)
    return submission


def _models_of(contents: RunContents, detector: str | None) -> tuple[str, list[str]]:
    """Give the detector that is packed and the ids of its models.

    Raises:
        LeaderboardError: None is named of several, it has no model, or its scores were imported.
    """
    run = contents.run
    names = list(dict.fromkeys(entry.detector for entry in contents.facts.entries))
    if detector is None and len(names) > 1:
        raise LeaderboardError(f"{run}: name one detector: {', '.join(names)}")
    chosen = detector or names[0]
    entries = [entry for entry in contents.facts.entries if entry.detector == chosen]
    if not entries:
        raise LeaderboardError(f"{run}: no detector '{chosen}'; there are {', '.join(names)}")
    ids = list(dict.fromkeys(entry.model for entry in entries if entry.model))
    if not ids:
        raise LeaderboardError(f"{run}: '{chosen}' has no model")
    if contents.models[ids[0]].imported is not None:
        raise LeaderboardError(
            f"{run}: the scores of '{chosen}' were imported, and a submission is of models of the "
            "protocol's own training sets; 'board build' and 'board enter' take its run as it is"
        )
    return chosen, ids


def _write_files(
    folder: Path,
    contents: RunContents,
    detector: str,
    submission: Submission,
    found: Sequence[Record],
) -> None:
    """Write what goes into the archive: of the run's files those of the detector's models."""
    run, ids = contents.run, submission.scores.keys()
    entries = [entry for entry in contents.facts.entries if entry.detector == detector]
    write_run(folder, contents.facts.model_copy(update={"entries": entries, "seal": None}))
    for model in ids:
        # submission.json states the hashes of the scores, and has rules of its own for them.
        write_model(folder, contents.models[model].model_copy(update={"scores": None}))
        scores_path(folder, model).parent.mkdir(exist_ok=True)
        shutil.copyfile(scores_path(run, model), scores_path(folder, model))
    for record in found:
        write_record(folder, record)
    text = json_text(submission.model_dump(mode="json", by_alias=True), "submission.json")
    atomic_write(folder / "submission.json", text)


def _card(known: CardFacts | None, said: dict[str, str]) -> CardFacts:
    """Complete the card that the models took down."""
    facts = known.model_dump() if known else {"year": 0, "kind": "own"}
    facts |= {name: text for name, text in said.items() if text}
    lacking = [name for name in ("paper", "code", "licence", "fidelity") if not facts.get(name)]
    if lacking:
        raise LeaderboardError(_MISSING.format(", ".join(lacking)))
    return CardFacts.model_validate(facts)
