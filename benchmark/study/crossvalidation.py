"""Cross-validation of a study: one model of one fold after the other, within a time budget.

A fold model is a detector trained on a training set of a protocol with a seed in one fold, and
scored. Its outcome - scores, facts of the model, records - is added to the run of its fold; weights
stay in the store, outside. What is left is what has no record, so the work may be done on any
number of occasions, and on several machines one after the other.

    <out>/<device>/fold-0/                a run as any other: forgerybench report rebuilds it
    <out>/<device>/cross-validation.json  what each fold model took, and where
    <out>/<device>/<protocol>-folds.md    means over the folds, never pooled scores
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmark.data.manifest import Manifest, read_manifest
from benchmark.environment import describe, environment, host, resolve_device
from benchmark.errors import BenchmarkError
from benchmark.progress import Progress
from benchmark.study.binding import load_protocols, roles_of
from benchmark.study.folds import Fold, fold_manifest, folded
from benchmark.study.gaps import LeftOutError
from benchmark.study.resolved import resolve_on
from benchmark.study.run import run
from benchmark.study.schema import Study, StudyDetector, StudyProtocol
from benchmark.study.sealed import refuse_damaged, refuse_edited
from detectors.catalog import is_trained_elsewhere
from leaderboard.report import report
from leaderboard.tables.folds import folds_tables
from leaderboard.tables.table import WRITERS
from protocols import ELSEWHERE
from results.files import atomic_write, json_text, read_json
from results.store import read_run, write_run

LOG = "cross-validation.json"
KIND = "demonstration"


@dataclass(frozen=True, kw_only=True)
class FoldModel:
    """One model to train and score in one fold.

    Attributes:
        protocol: The protocol, as the study states it.
        protocol_name: Its own name.
        training: Name of the training set.
    """

    fold: Fold
    protocol: StudyProtocol
    protocol_name: str
    training: str
    detector: StudyDetector
    seed: int

    @property
    def name(self) -> str:
        """Name it within the study."""
        return (
            f"fold {self.fold.number}, {self.protocol_name}, {self.training}, "
            f"{self.detector.name}, seed {self.seed}"
        )

    @property
    def train_on(self) -> tuple[str, ...] | None:
        """What to train on; None where it was trained elsewhere."""
        return None if self.training == ELSEWHERE else (self.training,)


@dataclass(frozen=True, kw_only=True)
class CrossValidated:
    """What was done on one occasion.

    Attributes:
        done: Seconds of the fold models done now, by name.
        left: Fold models that still have no record.
        gaps: Training sets of a fold without one of the classes: there is nothing to train. And
            what was left out now, which the next occasion tries again.
    """

    done: Mapping[str, float]
    left: Sequence[FoldModel]
    gaps: Sequence[str]


def fold_models(study: Study, manifest: Manifest, folds: int) -> tuple[list[FoldModel], list[str]]:
    """List a study's fold models by fold, then seed, then in the order of its detectors.

    A later fold comes after all detectors of an earlier one, so that whenever time runs out,
    what is there can be compared.

    Returns:
        The fold models, and a sentence for each training set that a fold has no images for.
    """
    models: list[FoldModel] = []
    gaps: list[str] = []
    roles = _roles(study)
    for number in range(folds):
        fold = Fold(number=number, of=folds)
        trainings, lacking = _trainings(study, manifest, fold, roles)
        gaps += lacking
        models += [
            FoldModel(
                fold=fold,
                protocol=stated,
                protocol_name=name,
                training=training,
                detector=detector,
                seed=seed,
            )
            for seed in study.seeds
            for detector in study.detectors
            for stated, name, training in _of_detector(detector, trainings)
        ]
    return models, gaps


def _of_detector(
    detector: StudyDetector, trainings: Sequence[tuple[StudyProtocol, str, str]]
) -> list[tuple[StudyProtocol, str, str]]:
    """List what a detector has models of: one a protocol, where it was trained elsewhere."""
    if not is_trained_elsewhere(detector.detector):
        return list(trainings)
    protocols = {name: stated for stated, name, _ in trainings}
    return [(stated, name, ELSEWHERE) for name, stated in protocols.items()]


def _trainings(
    study: Study, manifest: Manifest, fold: Fold, roles: Sequence[str]
) -> tuple[list[tuple[StudyProtocol, str, str]], list[str]]:
    """List a fold's training sets with their protocols, and those that have no images."""
    of_fold = replace(manifest, samples=folded(manifest.samples, fold))
    resolved = resolve_on(study, dict.fromkeys(roles, of_fold))
    found: list[tuple[StudyProtocol, str, str]] = []
    gaps: list[str] = []
    for stated, (expansion, trainings) in zip(study.protocols, resolved.trainings(), strict=True):
        name = expansion.protocol.name
        for training in trainings:
            if training.gap:
                gaps.append(f"fold {fold.number}, {name}, {training.name}: {training.gap}")
            else:
                found.append((stated, name, training.name))
    return found, gaps


def _roles(study: Study) -> list[str]:
    """Name the role of each protocol, which is bound to the folds' dataset."""
    protocols = load_protocols(study)
    for protocol in protocols:
        if len(protocol.roles) != 1:
            raise BenchmarkError(
                f"{protocol.name}: its roles are {', '.join(protocol.roles)}, but folds are of one "
                "dataset"
            )
    return roles_of(protocols)


def missing(models: Sequence[FoldModel], out: Path) -> list[FoldModel]:
    """Keep the fold models without a record under ``out``, whatever device made it."""
    recorded: set[tuple[int, str, str, str, int]] = set()
    for path in sorted(out.glob("*/fold-*/run.json")):
        run_folder, number = path.parent, int(path.parent.name.removeprefix("fold-"))
        for entry in read_run(run_folder).entries:
            record = run_folder / "records" / entry.protocol / f"{entry.model}.json"
            if entry.model and record.is_file():
                key = (entry.protocol, entry.training, entry.detector, entry.seed)
                recorded.add((number, *key))
    return [model for model in models if _key(model) not in recorded]


def estimate(model: FoldModel, took: Mapping[str, float]) -> float | None:
    """Tell how long a fold model will take.

    Args:
        model: One that is missing.
        took: Seconds of earlier ones on the same device, by name of the detector.

    Returns:
        The longest of its detector's own, else of any detector's; None where there is none.
    """
    return took.get(model.detector.name, max(took.values(), default=None))


def cross_validate(
    study: Study,
    manifest: Path,
    *,
    out: Path,
    folds: int,
    store: Path,
    budget: float | None = None,
    device: str = "auto",
    threads: int | None = None,
    progress: Progress | None = None,
    on_plan: Callable[[Sequence[FoldModel], Mapping[str, float]], None] = lambda *_: None,
    clock: Callable[[], float] = time.monotonic,
) -> CrossValidated:
    """Do the fold models that are missing, in order, and stop before one that would not fit.

    Args:
        study: Its detectors in the order of importance.
        manifest: The dataset; the folds are written beside it.
        out: Folder of the outcome, by device and fold.
        folds: How many.
        store: Folder of trained models.
        budget: Seconds for all; None: no limit. The first one of all is done without an
            estimate, so give it room.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: CPU threads of torch.
        progress: Told of everything that happens.
        on_plan: Called once, before the first one, with what is missing and the seconds that
            detectors took before.
        clock: Seconds since any moment.

    Raises:
        BenchmarkError: As ``benchmark.study.run``.
        ResultError: The run of a fold is not what it was sealed as.
    """
    began = clock()
    base = read_manifest(manifest)
    models, gaps = fold_models(study, base, folds)
    _refuse_edited_folds(folder := _folder_of(device, out))
    left = missing(models, out)
    log = _read_log(folder)
    on_plan(left, _took(log))
    done: dict[str, float] = {}
    for model in left:
        expected = estimate(model, _took(log))
        if budget is not None and expected is not None and clock() - began + expected > budget:
            break
        start = clock()
        try:
            _do(model, study, base, folder, store=store, device=device, threads=threads,
                progress=progress)  # fmt: skip
        except LeftOutError as error:
            gaps.append(f"{model.name}: {error}")
            continue
        done[model.name] = clock() - start
        log[model.name] = _facts(model, done[model.name], device)
        atomic_write(folder / LOG, json_text(log, LOG))
    if done:
        _sum_up(study, folder)
    return CrossValidated(done=done, left=[p for p in left if p.name not in done], gaps=gaps)


def _folder_of(device: str, out: Path) -> Path:
    """Give the folder of what one kind of device computes."""
    where = describe(resolve_device(device))
    return out / re.sub(r"[^a-z0-9]+", "-", where.lower()).strip("-")


def _refuse_edited_folds(folder: Path) -> None:
    """Raise ResultError where the run of a fold is not what it was sealed as."""
    for run_folder in sorted(folder.glob("fold-*")):
        refuse_edited(run_folder)
        refuse_damaged(run_folder)


def _do(model: FoldModel, study: Study, base: Manifest, folder: Path, **options: Any) -> None:
    """Train and score one fold model into the run of its fold."""
    path = base.path.parent / f"fold-{model.fold.number}-of-{model.fold.of}.csv"
    fold_manifest(base, model.fold, path)
    alone = study.model_copy(
        update={
            "title": f"{study.title} ({KIND}), fold {model.fold.number} of {model.fold.of}",
            "protocols": (model.protocol.model_copy(update={"train_on": model.train_on}),),
            "detectors": (model.detector,),
            "seeds": (model.seed,),
            "reference": None,
        }
    )
    run(alone, data=path, out=folder / f"fold-{model.fold.number}", **options)


def _sum_up(study: Study, folder: Path) -> None:
    """Rebuild the reports with the study's reference, and the means over folds."""
    runs = sorted(path.parent for path in folder.glob("fold-*/run.json"))
    for path in runs:
        facts = read_run(path)
        if facts.reference != study.reference:
            write_run(path, facts.model_copy(update={"reference": study.reference}))
            report(path)
    for table in folds_tables(runs):
        for ending, write in WRITERS.items():
            atomic_write(folder / f"{table.name}.{ending}", write(table))


def _facts(model: FoldModel, seconds: float, device: str) -> dict[str, Any]:
    """State what a fold model was made with."""
    return {
        "kind": KIND,
        "fold": model.fold.number,
        "folds": model.fold.of,
        "protocol": model.protocol_name,
        "training": model.training,
        "detector": model.detector.name,
        "seed": model.seed,
        "seconds": round(seconds, 3),
        "versions": environment(resolve_device(device)),
        "host": host(),
    }


def _read_log(folder: Path) -> dict[str, dict[str, Any]]:
    """Read what earlier fold models on this device took."""
    log: dict[str, dict[str, Any]] = read_json(folder / LOG) if (folder / LOG).is_file() else {}
    return log


def _took(log: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Give the longest time of each detector."""
    took: dict[str, float] = {}
    for facts in log.values():
        took[facts["detector"]] = max(took.get(facts["detector"], 0.0), facts["seconds"])
    return took


def _key(model: FoldModel) -> tuple[int, str, str, str, int]:
    """Name a fold model as the entries of a run do."""
    return (
        model.fold.number,
        model.protocol_name,
        model.training,
        model.detector.name,
        model.seed,
    )
