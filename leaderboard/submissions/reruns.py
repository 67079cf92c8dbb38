"""Records of scoring an entry again: what was drawn, what came out, and whether it agrees.

A record lies in a folder that the keeper alone writes, ``<protocol>-v<n>/<entry>-<number>.json``,
and no archive can hold one. Nothing that it concludes is taken from it: the sample is drawn again
by its seed, the published scores are compared with those at hand, and the agreement is computed
here. It binds to the sha256 of the weights, the scores and the protocol, and to the data's
fingerprints; of other scores it says nothing.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from leaderboard.board.records import read_form
from leaderboard.board.schema import BoardEntry, Name, RerunFacts, Slug
from leaderboard.errors import LeaderboardError
from protocols import CLEAN, Condition
from results.errors import UndefinedError
from results.files import atomic_write, json_text, own_file
from results.metrics.checking import Floats
from results.metrics.functions import auc
from results.run import RunContents

FEWEST_IMAGES: Final = 100
LEAST_SHARE: Final = 0.99
# By how much a logit may differ: by a share of itself, and by as much where it is near 0.
TOLERANCES: Final = {"": 0.02, "bfloat16": 0.1}
_Hash = Annotated[str, Field(max_length=128)]


class _Strict(BaseModel):
    """Unknown keys are errors; NaN and infinities too."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class RerunModel(_Strict):
    """One model, scored again.

    Attributes:
        model: Its id.
        weights: sha256 of its ``model.safetensors``; ``config`` of its ``config.json``.
        scores: ``content_hash`` of all its published scores.
        samples: Dataset, sample id and condition of each score, in order.
        published: The published logits of those, ``again`` the new ones.
    """

    model: Name
    weights: _Hash
    config: _Hash
    scores: _Hash
    samples: tuple[tuple[Name, str, Name], ...]
    published: tuple[float, ...]
    again: tuple[float, ...]


class Rerun(_Strict):
    """The record of one rerun.

    Attributes:
        entry: The entry's name; the protocol's name, version and hash with it.
        data: Fingerprints by role.
        images: How many images of a model were asked for; ``seed`` what they were drawn by.
        tolerance: By how much a logit may differ: by a share of itself, and by as much near 0.
        models: By training set.
        versions: Of the packages that scored again.
    """

    schema_: Literal[1] = Field(default=1, alias="schema")
    entry: Slug
    protocol: Slug
    protocol_version: int
    protocol_hash: _Hash
    day: date
    data: dict[str, _Hash]
    images: int = Field(ge=1)
    seed: int = Field(ge=0)
    tolerance: float = Field(gt=0)
    models: dict[str, RerunModel] = Field(min_length=1)
    versions: dict[str, str]


class Drawn(NamedTuple):
    """What one condition's part of a sample is: positions in the samples table, shape (n,)."""

    condition: Condition
    rows: npt.NDArray[np.int64]


def rerun_models(entry: BoardEntry, contents: RunContents) -> dict[str, str]:
    """Find the models that an entry's scores are of, by training set.

    Raises:
        LeaderboardError: There is none with such scores, or its scores were imported.
    """
    if not entry.models:
        raise LeaderboardError(f"{entry.file}: it is of no scores, so nothing can be run again")
    found = {}
    for each in contents.entries(entry.protocol):
        wanted = entry.models.get(each.training)
        if each.model and wanted and contents.scores(each.model).hash == wanted:
            found[each.training] = each.model
    lacking = [training for training in entry.models if training not in found]
    if lacking:
        raise LeaderboardError(
            f"{contents.run}: holds no scores that {entry.file} is of, trained on "
            f"{', '.join(lacking)}: name the run or submission that it was made from"
        )
    if any(contents.models[model].imported for model in found.values()):
        raise LeaderboardError(f"{entry.file}: its scores were imported; there are no weights")
    return found


def draw_sample(
    contents: RunContents, protocol: str, training: str, images: int, seed: int
) -> list[Drawn]:
    """Draw the images that a model is scored on again: half of them real, as far as there are.

    Returns:
        By condition, in the protocol's order; without attacks, which follow a model's gradient.
    """
    rows: dict[Condition, list[npt.NDArray[np.int64]]] = {}
    for cell in contents.expansions[protocol].cells:
        if cell.training == training and cell.condition.stage != "model":
            rows.setdefault(cell.condition, []).append(cell.test.rows)
    if not rows:
        raise LeaderboardError(f"{protocol}, {training}: every condition is an attack")
    scored = {condition: np.unique(np.concatenate(parts)) for condition, parts in rows.items()}
    pool = np.unique(np.concatenate(list(scored.values())))
    is_fake = (contents.samples["label"].iloc[pool] == "fake").to_numpy()
    random = np.random.default_rng(seed)
    chosen = [
        random.choice(part, min(len(part), number), replace=False)
        for part, number in ((pool[~is_fake], images // 2), (pool[is_fake], images - images // 2))
    ]
    drawn = np.sort(np.concatenate(chosen))
    return [Drawn(condition, np.intersect1d(drawn, each)) for condition, each in scored.items()]


def sample_names(contents: RunContents, drawn: Sequence[Drawn]) -> tuple[tuple[str, str, str], ...]:
    """Name each score of a sample: dataset, sample id and condition."""
    datasets, ids = contents.samples["dataset"].tolist(), contents.samples["sample_id"].tolist()
    return tuple(
        (datasets[row], ids[row], part.condition.key) for part in drawn for row in part.rows
    )


def published_logits(contents: RunContents, model: str, drawn: Sequence[Drawn]) -> list[float]:
    """Give the published logits of a sample, in order."""
    scores = contents.scores(model)
    parts = [scores.logits(part.condition.key, part.rows) for part in drawn]
    return [float(value) for part in parts for value in part]


def agreement(contents: RunContents, rerun: Rerun, text: str) -> RerunFacts:
    """Say how well the two sets of scores agree; ``text`` is the record's."""
    published = np.concatenate([each.published for each in rerun.models.values()])
    again = np.concatenate([each.again for each in rerun.models.values()])
    away = np.abs(published - again)
    within = away <= rerun.tolerance * np.maximum(1.0, np.abs(published))
    probabilities = np.abs(_p_fake(published) - _p_fake(again))
    areas = [found for each in rerun.models.values() for found in _areas(contents, each)]
    before, after = np.mean(areas, axis=0).tolist() if areas else (None, None)
    fewest = min(len({(s[0], s[1]) for s in each.samples}) for each in rerun.models.values())
    return RerunFacts(
        day=rerun.day.isoformat(),
        models=len(rerun.models),
        images=fewest,
        scores=len(published),
        tolerance=rerun.tolerance,
        share=float(within.mean()),
        largest_logit=float(away.max()),
        mean_logit=float(away.mean()),
        largest_p=float(probabilities.max()),
        mean_p=float(probabilities.mean()),
        auc_published=before,
        auc_again=after,
        agrees=bool(within.mean() >= LEAST_SHARE),
        record=hashlib.sha256(text.encode()).hexdigest(),
    )


def _p_fake(logits: Floats) -> Floats:
    """Give P(fake)."""
    found: Floats = 0.5 * (1 + np.tanh(np.asarray(logits) / 2))
    return found


def _areas(contents: RunContents, model: RerunModel) -> Iterator[tuple[float, float]]:
    """Give the AUC on a model's undamaged sample both ways; nothing where a class is missing."""
    labels = dict(
        zip(
            zip(contents.samples["dataset"], contents.samples["sample_id"], strict=True),
            (contents.samples["label"] == "fake").astype(int),
            strict=True,
        )
    )
    clean = [at for at, (_, _, key) in enumerate(model.samples) if key == CLEAN.key]
    known = [labels[model.samples[at][:2]] for at in clean]
    try:
        yield (
            auc(known, [model.published[at] for at in clean]),
            auc(known, [model.again[at] for at in clean]),
        )
    except UndefinedError:
        return


def write_rerun(folder: Path, rerun: Rerun) -> Path:
    """Append a record: what is there stays as it is."""
    place = own_file(folder, f"{rerun.protocol}-v{rerun.protocol_version}", "")
    number = max((n for n, _ in _numbered(place, rerun.entry)), default=0) + 1
    path = own_file(place, f"{rerun.entry}-{number}", ".json")
    atomic_write(path, json_text(rerun.model_dump(mode="json", by_alias=True), path.name))
    return path


def _numbered(place: Path, entry: str) -> Iterator[tuple[int, Path]]:
    """List an entry's records with their numbers."""
    for path in place.glob("*.json"):
        found = re.fullmatch(rf"{re.escape(entry)}-(\d+)\.json", path.name)
        if found:
            yield int(found[1]), path


def with_rerun(entry: BoardEntry, contents: RunContents, folder: Path) -> BoardEntry:
    """Add to an entry what its last rerun found; one that agrees lifts ``recomputed`` numbers.

    Args:
        entry: As it was computed from ``contents``.
        contents: The scores, with the keeper's samples.
        folder: Of records, which the keeper alone writes.

    Raises:
        LeaderboardError: A record is broken, or is not of the sample and scores that it says.
    """
    place = folder / f"{entry.protocol}-v{entry.protocol_version}"
    for _, path in sorted(_numbered(place, entry.entry), reverse=True):
        rerun = read_form(path, Rerun)
        if not _binds(rerun, entry):
            continue
        _check(path, rerun, entry, contents)
        facts = agreement(contents, rerun, path.read_text(encoding="utf-8"))
        lifts = entry.state == "recomputed" and is_enough(facts, rerun, entry)
        state = "re-run" if lifts else entry.state
        return entry.model_copy(update={"rerun": facts, "state": state})
    return entry


def is_enough(facts: RerunFacts, rerun: Rerun, entry: BoardEntry) -> bool:
    """Tell whether a rerun gives the state ``re-run``: it agrees, closely, on enough images."""
    is_close = rerun.tolerance <= TOLERANCES.get(entry.precision, TOLERANCES[""])
    return facts.agrees and is_close and facts.images >= FEWEST_IMAGES


def _binds(rerun: Rerun, entry: BoardEntry) -> bool:
    """Tell whether a record is of just these scores, protocol and data."""
    data = {role: fact.fingerprint for role, fact in entry.data.items()}
    scores = {training: each.scores for training, each in rerun.models.items()}
    of_entry = (rerun.entry, rerun.protocol, rerun.protocol_version, rerun.protocol_hash)
    same = (entry.entry, entry.protocol, entry.protocol_version, entry.protocol_hash)
    return (of_entry, data, scores) == (same, rerun.data, entry.models)


def _check(path: Path, rerun: Rerun, entry: BoardEntry, contents: RunContents) -> None:
    """Refuse a record whose sample or published scores are not what they must be."""
    models = rerun_models(entry, contents)
    for training, each in rerun.models.items():
        drawn = draw_sample(contents, entry.protocol, training, rerun.images, rerun.seed)
        if each.samples != sample_names(contents, drawn):
            raise LeaderboardError(
                f"{path}: {training}: its samples are not those that seed {rerun.seed} draws"
            )
        lengths = {len(each.samples), len(each.published), len(each.again)}
        known = published_logits(contents, models[training], drawn)
        if len(lengths) > 1 or list(each.published) != known:
            raise LeaderboardError(f"{path}: {training}: its published scores are not the entry's")
        stated = contents.models[models[training]].weights
        if stated is not None and stated != each.weights:
            raise LeaderboardError(
                f"{path}: {training}: it is of other weights than the entry's model"
            )
