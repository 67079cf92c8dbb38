"""The rules on a submission's scores: whole, its own, no pattern, and what it claims of them."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from leaderboard.board.entries import run_entries, slug, titled
from leaderboard.board.schema import BoardEntry, State
from leaderboard.submissions.patterns import PATTERNS, SubmittedScores, copied_from
from leaderboard.submissions.reruns import with_rerun
from leaderboard.submissions.verdicts import CheckedSubmission, told_of
from protocols import CLEAN, Cell
from protocols.errors import ProtocolError
from results.errors import ResultError
from results.hashing import content_hash
from results.run import RunContents
from results.schema import Record
from results.store import read_run, read_scores, records

_TOLERANCE = 1e-6
_MOST_TOLD = 5


def check_submitted_scores(checked: CheckedSubmission) -> bool:
    """Hold that each model scored every sample once, with the scores it vouches for."""
    folder, submission = checked.folder, checked.submission
    assert submission is not None
    models = {e.model for e in read_run(folder).entries if e.model}
    forms, hashes = [], []
    for model in sorted(models):
        path = folder / "scores" / f"{model}.parquet"
        if not path.is_file():
            forms.append(f"{model}: there are no scores")
            continue
        try:
            found = content_hash(read_scores(folder, model))
        except ResultError as error:
            forms.append(told_of(error, folder))
            continue
        if submission.scores.get(model) != found:
            hashes.append(f"{model}: the scores are not those that submission.json vouches for")
        checked.scores[model] = path
    if not checked.add("scores-form", forms) or not checked.add("scores-hash", hashes):
        return False
    faults: list[str] = []
    try:
        contents = RunContents(folder)
        for model, asked in _asked(contents).items():
            faults += _unscored(contents, model, asked)
    except (ResultError, ProtocolError) as error:
        faults.append(told_of(error, folder))
    return checked.add("scores-samples", faults)


class _Asked(NamedTuple):
    """What protocols ask of one model."""

    cells: list[Cell]
    validation: npt.NDArray[np.int64]


def _asked(contents: RunContents) -> dict[str, _Asked]:
    """Give what is asked of each model; its validation samples are those of one protocol."""
    found: dict[str, _Asked] = {}
    for name, expansion in contents.expansions.items():
        validation = {training.name: training.val for training in expansion.training_sets}
        for entry in contents.entries(name):
            if entry.model:
                of_model = found.setdefault(entry.model, _Asked([], validation[entry.training]))
                of_model.cells.extend(c for c in expansion.cells if c.training == entry.training)
    return found


def _unscored(contents: RunContents, model: str, asked: _Asked) -> Iterator[str]:
    """Name the first cell of which samples are not scored, and missing validation samples.

    Without those, what is too good or upside down could not be told.
    """
    scores = contents.scores(model)
    missing = scores.n_missing(CLEAN.key, asked.validation)
    if missing:
        yield f"{model}: {missing} validation samples are not scored"
    for cell in asked.cells:
        missing = scores.n_missing(cell.condition.key, cell.test.rows)
        if missing:
            where = f"{cell.training} to {cell.test.name}, {cell.condition.key}"
            yield f"{model}: {missing} samples are not scored in {where}"
            return


def check_patterns(checked: CheckedSubmission) -> bool:
    """Look for scores that no detector gives, model by model."""
    contents = RunContents(checked.folder)
    faults: dict[str, list[str]] = {rule: [] for rule in (*PATTERNS, "scores-copied")}
    assert checked.submission is not None
    own = f"{checked.submission.name}-"  # a correction may have the scores of what it corrects
    others = [p for p in checked.keeper.accepted() if not p.parent.name.startswith(own)]
    for model, asked in _asked(contents).items():
        seen = _seen_by_rules(contents, model, asked)
        for rule, judge in PATTERNS.items():
            told = judge(seen)
            faults[rule] += [f"{model}: {told}"] if told else []
        told = copied_from(contents, model, others)
        faults["scores-copied"] += [f"{model}: {told}"] if told else []
    kept = [checked.add(rule, found) for rule, found in faults.items()]
    return all(kept)


def _seen_by_rules(contents: RunContents, model: str, asked: _Asked) -> SubmittedScores:
    """Collect what the rules look at."""
    scores, cells, validation = contents.scores(model), asked.cells, asked.validation
    if scores.n_missing(CLEAN.key, validation):
        validation = validation[:0]
    clean = [c for c in cells if c.condition.key == CLEAN.key]
    rows = np.unique(np.concatenate([c.test.rows for c in clean or cells]))
    key = CLEAN.key if clean else cells[0].condition.key
    damaged = {}
    for condition in {c.condition.key for c in cells} - {key}:
        there = np.unique(
            np.concatenate([c.test.rows for c in cells if c.condition.key == condition])
        )
        logits = np.full(len(contents.samples), np.nan)
        logits[there] = scores.logits(condition, there)
        damaged[condition] = logits[rows]
    return SubmittedScores(
        model=model,
        contents=contents,
        positions=rows,
        logits=scores.logits(key, rows).astype(np.float64),
        labels=(contents.samples["label"].iloc[rows] == "fake").to_numpy().astype(np.int64),
        damaged=damaged,
        cells=tuple(c for c in clean if c.level == "image"),
        validation=validation,
    )


def check_claims(checked: CheckedSubmission) -> bool:
    """Compute every number anew, and compare the submission's records with that."""
    submission = checked.submission
    assert submission is not None
    state: State = "hidden-labels" if checked.keeper.facts.hidden_labels else "recomputed"
    contents = RunContents(checked.folder)
    named = [
        entry.model_copy(
            update={
                "entry": slug(
                    titled(
                        f"{submission.name}-{entry.size}-{entry.track}-{entry.seed}",
                        entry.precision,
                    )
                ),
                "title": titled(submission.title, entry.precision),
                "card": submission.card,
                "source": f"submitted by {submission.submitter}",
                "signed": checked.signer.key if checked.signer else "",
            }
        )
        for entry in run_entries(contents, state)
    ]
    checked.entries = [with_rerun(entry, contents, checked.keeper.reruns) for entry in named]
    if not (checked.folder / "records").is_dir():
        return checked.add("claims-agree", [])
    try:
        claimed = records(checked.folder)
    except ResultError as error:
        return checked.add("claims-agree", [told_of(error, checked.folder)])
    return checked.add("claims-agree", _disagreeing(checked.entries, claimed)[:_MOST_TOLD])


def _disagreeing(entries: list[BoardEntry], claimed: list[Record]) -> list[str]:
    """Name the claimed numbers that are not what was computed."""
    computed = {
        (entry.protocol, entry.seed, *cell.key, metric): number.value
        for entry in entries
        for cell in entry.cells
        for metric, number in cell.metrics.items()
    }
    faults = []
    for record in claimed:
        for cell in record.cells:
            where = (cell.training, cell.role, cell.test, cell.condition, cell.level)
            for metric, value in cell.metrics.items():
                ours = computed.get((record.protocol, record.seed, *where, metric))
                if ours is None or value.value is None or abs(ours - value.value) <= _TOLERANCE:
                    continue
                faults.append(
                    f"{record.protocol}, {cell.training} to {cell.test}: {metric} "
                    f"{value.value:.6f} is claimed, {ours:.6f} computed"
                )
    return faults
