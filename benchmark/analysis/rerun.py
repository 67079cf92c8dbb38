"""Scoring a sample of an entry's images again, from its weights: does anyone get these scores?"""

import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmark.data.originals import picture_roots
from benchmark.data.source import ImageSource
from benchmark.environment import environment, resolve_device
from benchmark.errors import BenchmarkError
from benchmark.progress import Progress
from benchmark.scoring.files import trained_detector
from benchmark.scoring.score import score
from benchmark.scoring.store import ScoreStore
from benchmark.scoring.units import plan_groups
from benchmark.study.binding import Data, bind
from benchmark.study.resolved import encoding_of
from benchmark.study.sitting import BATCH_SIZE
from benchmark.training.engine import Engine
from benchmark.training.store import ModelStore, default_store
from detectors.base import Detector
from detectors.fetching import CONFIG, TENSORS
from leaderboard.board.schema import BoardEntry, RerunFacts
from leaderboard.submissions.reruns import (
    TOLERANCES,
    Drawn,
    Rerun,
    RerunModel,
    agreement,
    draw_sample,
    is_enough,
    published_logits,
    rerun_models,
    sample_names,
    write_rerun,
)
from results.files import file_hash
from results.run import RunContents
from results.store import read_scores, write_model


@dataclass(frozen=True, kw_only=True)
class RerunSettings:
    """How an entry is run again.

    Attributes:
        data: The images, as a run takes them.
        reruns: The folder that the record goes into.
        images: How many images of each model; ``seed`` what they are drawn by.
        tolerance: By how much a logit may differ: by a share of itself, and by as much near 0;
            None: what another processor may make of it, by the precision of the entry's scores.
        store: Folder of trained models by id, or the folder of the one there is; the user's own
            store if left out.
        allow_code: Modules of one's own that a model's facts may name.
    """

    data: Data
    reruns: Path
    images: int = 200
    seed: int = 0
    tolerance: float | None = None
    store: Path | None = None
    device: str = "auto"
    allow_code: Collection[str] = ()


class _Chosen(NamedTuple):
    """One model of an entry: its id, the folder of its weights, and what is drawn for it."""

    model: str
    folder: Path
    drawn: list[Drawn]


class EntryRerun(NamedTuple):
    """What came of a rerun: its record, what it says, and whether it gives the state ``re-run``."""

    path: Path
    facts: RerunFacts
    is_enough: bool


def rerun_entry(
    entry: BoardEntry, contents: RunContents, settings: RerunSettings, day: date, progress: Progress
) -> EntryRerun:
    """Draw images of an entry, score them again from its weights, and record what came out.

    Args:
        entry: The entry.
        contents: The run, or the submission with the keeper's samples, that it was made from.
        settings: How.
        day: Today.
        progress: Told of everything that happens.

    Raises:
        BenchmarkError: A model's weights are not at hand, or are others than the entry's; images
            are missing, or no longer what was scored.
        LeaderboardError: The entry's scores are not in ``contents``, or were imported.
    """
    models = rerun_models(entry, contents)
    chosen = {}
    for training, model in models.items():
        folder = _weights(model, settings.store, len(models))
        _check_weights(contents, model, folder)
        drawn = draw_sample(contents, entry.protocol, training, settings.images, settings.seed)
        chosen[training] = _Chosen(model, folder, drawn)
    again = _scored(entry, contents, settings, list(chosen.values()), progress)
    tolerance = settings.tolerance or TOLERANCES.get(entry.precision, TOLERANCES[""])
    record = Rerun(
        entry=entry.entry,
        protocol=entry.protocol,
        protocol_version=entry.protocol_version,
        protocol_hash=entry.protocol_hash,
        day=day,
        data={role: fact.fingerprint for role, fact in entry.data.items()},
        images=settings.images,
        seed=settings.seed,
        tolerance=tolerance,
        models={
            training: RerunModel(
                model=each.model,
                weights=file_hash(each.folder / TENSORS),
                config=file_hash(each.folder / CONFIG),
                scores=entry.models[training],
                samples=sample_names(contents, each.drawn),
                published=tuple(published_logits(contents, each.model, each.drawn)),
                again=tuple(again[each.model]),
            )
            for training, each in chosen.items()
        },
        versions=environment(resolve_device(settings.device)),
    )
    path = write_rerun(settings.reruns, record)
    facts = agreement(contents, record, path.read_text(encoding="utf-8"))
    return EntryRerun(path, facts, is_enough(facts, record, entry))


def _weights(model: str, store: Path | None, number: int) -> Path:
    """Find the folder of a model's weights.

    Raises:
        BenchmarkError: It is not there.
    """
    root = store or default_store()
    if ModelStore(root).has(model):
        return root / model
    if number == 1 and (root / TENSORS).is_file():
        return root
    raise BenchmarkError(
        f"{root}: has no model '{model}', whose weights the entry is of; name the store that has "
        "it with --store, or, of a single model, its folder"
    )


def _check_weights(contents: RunContents, model: str, folder: Path) -> None:
    """Refuse weights that are not those that the run or submission stated.

    Raises:
        BenchmarkError: They are others, or a file is missing.
    """
    facts = contents.models[model]
    for name, stated in ((TENSORS, facts.weights), (CONFIG, facts.config)):
        if not (folder / name).is_file():
            raise BenchmarkError(f"{folder / name}: is not there")
        if stated is not None and file_hash(folder / name) != stated:
            raise BenchmarkError(
                f"{folder / name}: is not what the entry's scores were computed with (its sha256 "
                f"is not {stated[:12]})"
            )


def _scored(
    entry: BoardEntry,
    contents: RunContents,
    settings: RerunSettings,
    chosen: Sequence[_Chosen],
    progress: Progress,
) -> dict[str, list[float]]:
    """Score the drawn images again, as a run does: the logits by model, in the sample's order."""
    folders = {each.model: each.folder for each in chosen}

    def load(model: str) -> Detector:
        store = ModelStore(folders[model].parent)
        name = model if store.has(model) else str(folders[model])
        return trained_detector(name, store, settings.allow_code)

    engine = Engine(
        source=_images_of(contents, settings.data, chosen),
        models=ModelStore(settings.store or default_store()),
        device=resolve_device(settings.device),
        batch_size=BATCH_SIZE,
        checkpoint_seconds=0,
        progress=progress,
        precision=entry.precision or "float32",
    )
    needs = {each.model: {part.condition: part.rows for part in each.drawn} for each in chosen}
    noise_seed = contents.expansions[entry.protocol].protocol.noise_seed
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary)
        for model in needs:
            write_model(out, contents.models[model].model_copy(update={"scores": None}))
        store = ScoreStore(out)
        groups = plan_groups(contents.samples, needs, store.done(), 1)
        progress.phase("score again", len(groups))
        gaps = score(groups, engine, store, load, noise_seed=noise_seed)
        for model, gap in gaps.items():
            raise BenchmarkError(f"{model}: {gap}")
        store.merge(list(needs))
        return {each.model: _again(out, contents, each) for each in chosen}


def _images_of(contents: RunContents, data: Data, chosen: Sequence[_Chosen]) -> ImageSource:
    """Bind the images; each is read as the one of its content hash alone.

    Raises:
        BenchmarkError: Images are drawn from a role that has no manifest.
    """
    protocols = [expansion.protocol for expansion in contents.expansions.values()]
    manifests = bind(protocols, data, allow_missing=True)
    rows = np.concatenate([part.rows for each in chosen for part in each.drawn])
    unbound = set(contents.samples["dataset"].iloc[rows]) - manifests.keys()
    if unbound:
        raise BenchmarkError(f"no --data {min(unbound)}=MANIFEST: images are drawn from it")
    return ImageSource(
        contents.samples,
        {role: manifest.root for role, manifest in manifests.items()},
        encoding=encoding_of(protocols, contents.samples),
        pictures=picture_roots(manifests),
    )


def _again(out: Path, contents: RunContents, chosen: _Chosen) -> list[float]:
    """Read the new logits of a sample, in its order."""
    table = read_scores(out, chosen.model)
    keys = zip(table["dataset"], table["sample_id"], table["condition"], strict=True)
    found = dict(zip(keys, table["logit"].astype(float), strict=True))
    return [found[name] for name in sample_names(contents, chosen.drawn)]
