"""Does every detector train, score, save and load at its published size, before a GPU is at hand?

    python -m performance.base_steps [--precisions fp32,bf16] [--detectors NAMES] [--json FILE]

Each entry of the study ``demonstration``, then each other trained detector of the catalog with
random weights of its published structure, takes two steps by its recipe on a few drawn images, is
saved to a store, loaded from it, and scores two images: loaded and kept in memory must agree. On a
CPU it is the same code that ``make gpu-results`` runs, bf16 included. An entry has a process of its
own, so that the peak of its memory is its own.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from benchmark.data.manifest import read_manifest
from benchmark.data.source import ImageSource
from benchmark.progress import Progress
from benchmark.study.samples import verified_samples
from benchmark.study.schema import StudyDetector, load_study
from benchmark.training.engine import Engine
from benchmark.training.jobs import Identities, TrainJob, train_job
from benchmark.training.recipe import Recipe, common_recipe, load_recipe
from benchmark.training.store import ModelStore
from benchmark.training.train import train
from detectors.base import Size
from detectors.cards import CARDS
from detectors.catalog import create_detector, detector_class
from detectors.counting import noise_batch, random_options
from performance.measuring import Row, hardware, write_report
from performance.mfclip_speed import write_files
from protocols.expansion import expand
from protocols.schema import load_protocol

STEPS, BATCH, SCORED = 2, 4, 2
EQUAL = 1e-4  # of logits, loaded against kept in memory


def main(arguments: Sequence[str] | None = None) -> None:
    """Try them and print the table; exit with 1 where one of them fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--precisions", default="fp32,bf16")
    parser.add_argument("--detectors", help="labels of entries, separated by commas")
    parser.add_argument("--size", default="base", choices=("tiny", "base"))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    chosen = None if options.detectors is None else options.detectors.split(",")
    tried = [entry for entry in entries(options.size) if chosen is None or entry.name in chosen]
    if chosen is not None and (unknown := set(chosen) - {entry.name for entry in tried}):
        parser.error(f"no entry is called {', '.join(sorted(unknown))}")
    rows: list[Row] = []
    for entry in tried:
        # Not a fork: it would begin with this process's memory.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            found = pool.submit(attempts, entry, options.size, options.precisions.split(","))
            rows += found.result()
        print(rows[-1], flush=True)
    title = f"{STEPS} steps of {BATCH} images, size {options.size}, on one thread"
    write_report({title: rows}, hardware(torch.device("cpu")), options.json)
    if failed := [f"{row['entry']} ({row['precision']})" for row in rows if not row["works"]]:
        raise SystemExit(f"{len(failed)} failed: {', '.join(failed)}")


def entries(size: Size) -> list[StudyDetector]:
    """List the entries of the study, then those of the catalog that it leaves out."""
    stated = list(load_study("demonstration").detectors)
    there = {entry.detector for entry in stated}
    others = [
        StudyDetector(detector=name, options=random_options(detector_class(name), size))
        for name, card in CARDS.items()
        if name not in there and not card.sanity and card.fit != "none"
    ]
    return [*stated, *others]


def attempts(entry: StudyDetector, size: Size, precisions: Sequence[str]) -> list[Row]:
    """Try one entry in each precision, here; what has no steps is tried once."""
    torch.set_num_threads(1)
    by_gradient = detector_class(entry.detector).card.fit == "gradient"
    return [attempt(entry, size, p) for p in (precisions if by_gradient else ["fp32"])]


def attempt(entry: StudyDetector, size: Size, precision: str) -> Row:
    """Train, save, load and score; an error is what the row says."""
    began = time.process_time()
    row: Row = {"entry": entry.name, "detector": entry.detector, "precision": precision}
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = trained_and_scored(entry, size, precision, Path(folder))
        except Exception as error:  # noqa: BLE001  # what fails here is the table's to say
            found = {"works": False, "parameters": 0, "loss": f"{type(error).__name__}: {error}"}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return {**row, **found, "s of a core": time.process_time() - began, "peak MB": peak}


def trained_and_scored(
    entry: StudyDetector, size: Size, precision: str, folder: Path
) -> dict[str, Any]:
    """Give what came of it.

    Returns:
        ``works``: whether loss and scores are numbers and the loaded model scores as the kept one.
    """
    job, engine = _laid_out(entry, size, precision, folder)
    facts = train(job, engine)
    loaded = engine.models.load(job).eval()
    again = create_detector(str(engine.models.root / job.id)).eval()
    inputs, known = noise_batch(loaded, SCORED)
    with torch.inference_mode():
        one, two = loaded.answer(inputs, known), again.answer(inputs, known)
    losses = [loss for row in facts.history if (loss := row.get("total")) is not None]
    same = bool(torch.isfinite(one).all()) and float((one - two).abs().max()) <= EQUAL
    stepped = facts.fit != "gradient" or (facts.steps == STEPS and len(losses) > 0)
    return {
        "works": same and stepped,
        "parameters": facts.parameters,
        "loss": losses[-1] if losses else None,
    }


def _laid_out(
    entry: StudyDetector, size: Size, precision: str, folder: Path
) -> tuple[TrainJob, Engine]:
    """Draw images and describe the training."""
    (folder / "images").mkdir()
    manifest = read_manifest(write_files(folder / "images", count=2 * BATCH))
    samples = verified_samples({"data": manifest}, allow_missing=False, progress=Progress())
    job = train_job(
        label=entry.name,
        detector=entry.detector,
        options=entry.options,
        size=size,
        recipe=_shortened(entry, size, precision),
        seed=0,
        training=expand(load_protocol("everything"), samples).training_sets[0],
        identities=Identities(samples),
    )
    engine = Engine(
        source=ImageSource(samples, {"data": manifest.root}),
        models=ModelStore(folder / "store"),
        device=torch.device("cpu"),
        batch_size=BATCH,
        checkpoint_seconds=3600,
        progress=Progress(),
    )
    return job, engine


def _shortened(entry: StudyDetector, size: Size, precision: str) -> Recipe:
    """Give the entry's recipe with two steps of a few images; all else is as it is."""
    recipe = load_recipe(entry.recipe) if entry.recipe else common_recipe(entry.detector, size)
    changes = {"steps": STEPS, "warmup": 0, "evaluate_every": 1, "batch_size": BATCH}
    decay = {} if recipe.decay_every is None else {"decay_every": 1}
    whole = {**recipe.model_dump(), **changes, **decay, "precision": precision, "accumulate": 1}
    return Recipe(**whole)


if __name__ == "__main__":
    main()
