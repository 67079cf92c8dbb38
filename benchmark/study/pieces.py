"""A study over folds, done piece by piece within a time budget.

A piece is one model trained and scored: a detector, a training set of a protocol, a seed, a fold.
Its outcome - scores, facts of the model, records - is added to the run of its fold; weights stay in
the store, outside. What is left is what has no record, so the pieces may be done on any number of
occasions, and on several machines one after the other.

    <out>/<device>/fold-0/     a run as any other: forgerybench report rebuilds it
    <out>/<device>/pieces.json what each piece took, where, and that it is a demonstration
    <out>/<device>/<protocol>-folds.md   means over the folds, never pooled scores
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
from benchmark.study.binding import load_protocols
from benchmark.study.folds import Fold, fold_manifest, folded
from benchmark.study.planning import chosen
from benchmark.study.run import run
from benchmark.study.samples import stated_samples
from benchmark.study.schema import Study, StudyDetector, StudyProtocol
from leaderboard.report import report
from leaderboard.tables.folds import folds_tables
from leaderboard.tables.table import WRITERS
from protocols.expansion import expand
from results.files import atomic_write, json_text, read_json
from results.store import read_run, write_run

LOG = "pieces.json"
KIND = "demonstration"


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One model to train and score.

    Attributes:
        protocol: The protocol, as the study asks for it.
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


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a sitting did.

    Attributes:
        done: Seconds of the pieces carried out now, by name.
        left: Pieces that still have no record.
        gaps: Training sets of a fold without one of the classes: there is nothing to train.
    """

    done: Mapping[str, float]
    left: Sequence[Piece]
    gaps: Sequence[str]


def pieces_of(study: Study, manifest: Manifest, folds: int) -> tuple[list[Piece], list[str]]:
    """List a study's pieces, fold by fold, seed by seed, then in the order of its detectors.

    A later fold comes after all detectors of an earlier one, so that whenever time runs out,
    what is there can be compared.

    Returns:
        The pieces, and a sentence for each training set that a fold has no images for.
    """
    pieces: list[Piece] = []
    gaps: list[str] = []
    for number in range(folds):
        fold = Fold(number=number, of=folds)
        trainings, lacking = _trainings(study, manifest, fold)
        gaps += lacking
        pieces += [
            Piece(
                fold=fold,
                protocol=asked,
                protocol_name=name,
                training=training,
                detector=detector,
                seed=seed,
            )
            for seed in study.seeds
            for detector in study.detectors
            for asked, name, training in trainings
        ]
    return pieces, gaps


def _trainings(
    study: Study, manifest: Manifest, fold: Fold
) -> tuple[list[tuple[StudyProtocol, str, str]], list[str]]:
    """List a fold's training sets with their protocols, and those that have no images."""
    samples = folded(manifest.samples, fold)
    found: list[tuple[StudyProtocol, str, str]] = []
    gaps: list[str] = []
    for asked, protocol in zip(study.protocols, load_protocols(study), strict=True):
        if len(protocol.roles) != 1:
            raise BenchmarkError(
                f"{protocol.name}: its roles are {', '.join(protocol.roles)}, but folds are of one "
                "dataset"
            )
        stated = stated_samples({protocol.roles[0]: replace(manifest, samples=samples)})
        for training in chosen(asked, expand(protocol, stated.assign(problem=""))):
            if training.gap:
                gaps.append(f"fold {fold.number}, {protocol.name}, {training.name}: {training.gap}")
            else:
                found.append((asked, protocol.name, training.name))
    return found, gaps


def missing(pieces: Sequence[Piece], out: Path) -> list[Piece]:
    """Keep the pieces that have no record under ``out``, whatever the device they were made on."""
    recorded: set[tuple[int, str, str, str, int]] = set()
    for path in sorted(out.glob("*/fold-*/run.json")):
        run_folder, number = path.parent, int(path.parent.name.removeprefix("fold-"))
        for entry in read_run(run_folder).entries:
            record = run_folder / "records" / entry.protocol / f"{entry.model}.json"
            if entry.model and record.is_file():
                key = (entry.protocol, entry.training, entry.detector, entry.seed)
                recorded.add((number, *key))
    return [piece for piece in pieces if _key(piece) not in recorded]


def estimate(piece: Piece, took: Mapping[str, float]) -> float | None:
    """Tell how long a piece will take.

    Args:
        piece: One that is missing.
        took: Seconds of earlier pieces on the same device, by name of the detector.

    Returns:
        The longest of its detector's own, else of any detector's; None where there is none.
    """
    return took.get(piece.detector.name, max(took.values(), default=None))


def carry_out(
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
    on_plan: Callable[[Sequence[Piece], Mapping[str, float]], None] = lambda *_: None,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Do the pieces that are missing, in order, and stop before one that would not fit.

    Args:
        study: Its detectors in the order of importance.
        manifest: The dataset; the folds are written beside it.
        out: Folder of the outcome, by device and fold.
        folds: How many.
        store: Folder of trained models.
        budget: Seconds for all; None: no limit. The first piece of all is done without an
            estimate, so give it room.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: CPU threads of torch.
        progress: Told of everything that happens.
        on_plan: Called once, before the first piece, with what is missing and the seconds that
            detectors took before.
        clock: Seconds since any moment.

    Raises:
        BenchmarkError: As ``benchmark.study.run``.
    """
    began = clock()
    base = read_manifest(manifest)
    pieces, gaps = pieces_of(study, base, folds)
    where = describe(resolve_device(device))
    folder = out / re.sub(r"[^a-z0-9]+", "-", where.lower()).strip("-")
    left = missing(pieces, out)
    log = _read_log(folder)
    took = _took(log)
    on_plan(left, took)
    done: dict[str, float] = {}
    for piece in left:
        expected = estimate(piece, took)
        if budget is not None and expected is not None and clock() - began + expected > budget:
            break
        start = clock()
        _do(piece, study, base, folder, store=store, device=device, threads=threads,
            progress=progress)  # fmt: skip
        done[piece.name] = clock() - start
        log[piece.name] = _facts(piece, done[piece.name], device)
        atomic_write(folder / LOG, json_text(log, LOG))
        took = _took(log)
    if done:
        _sum_up(study, folder)
    return Outcome(done=done, left=[p for p in left if p.name not in done], gaps=gaps)


def _do(piece: Piece, study: Study, base: Manifest, folder: Path, **options: Any) -> None:
    """Train and score one piece into the run of its fold."""
    path = base.root / f"fold-{piece.fold.number}-of-{piece.fold.of}.csv"
    fold_manifest(base, piece.fold, path)
    alone = study.model_copy(
        update={
            "title": f"{study.title} ({KIND}), fold {piece.fold.number} of {piece.fold.of}",
            "protocols": (piece.protocol.model_copy(update={"train_on": (piece.training,)}),),
            "detectors": (piece.detector,),
            "seeds": (piece.seed,),
            "reference": None,
        }
    )
    run(alone, data=path, out=folder / f"fold-{piece.fold.number}", **options)


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


def _facts(piece: Piece, seconds: float, device: str) -> dict[str, Any]:
    """State what a piece was made with."""
    return {
        "kind": KIND,
        "fold": piece.fold.number,
        "folds": piece.fold.of,
        "protocol": piece.protocol_name,
        "training": piece.training,
        "detector": piece.detector.name,
        "seed": piece.seed,
        "seconds": round(seconds, 3),
        "versions": environment(resolve_device(device)),
        "host": host(),
    }


def _read_log(folder: Path) -> dict[str, dict[str, Any]]:
    """Read what earlier pieces on this device took."""
    log: dict[str, dict[str, Any]] = read_json(folder / LOG) if (folder / LOG).is_file() else {}
    return log


def _took(log: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Give the longest time of each detector."""
    took: dict[str, float] = {}
    for facts in log.values():
        took[facts["detector"]] = max(took.get(facts["detector"], 0.0), facts["seconds"])
    return took


def _key(piece: Piece) -> tuple[int, str, str, str, int]:
    """Name a piece as the entries of a run do."""
    return (
        piece.fold.number,
        piece.protocol_name,
        piece.training,
        piece.detector.name,
        piece.seed,
    )
