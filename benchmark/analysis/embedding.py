"""Embeddings of a run's test images, stored so that the report draws them without torch."""

from collections.abc import Collection, Generator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from benchmark.data.loader import Rows, default_workers
from benchmark.data.source import ImageSource, Sample, WantedImage, nbytes
from benchmark.environment import resolve_device
from benchmark.errors import BenchmarkError
from benchmark.progress import Progress
from benchmark.study.binding import Data, bind
from benchmark.study.resolved import encoding_of
from benchmark.study.samples import verified_samples
from benchmark.training.store import ModelStore, check_trained, default_store
from detectors.base import Detector
from detectors.catalog import check_stated, detector_class, modules_of
from leaderboard.report import report
from results.embeddings import write_embeddings
from results.faults import checked_contents
from results.run import protocols_of
from results.schema import Entry, RunFacts
from results.store import read_model, read_samples

MOST_EMBEDDED = 800
_BATCH = 32


def embed(
    run: Path,
    *,
    data: Data,
    detectors: Sequence[str] | None = None,
    training: str | None = None,
    most: int = MOST_EMBEDDED,
    store: Path | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    allow_code: Collection[str] = (),
) -> Path:
    """Store the features of test images by a run's models, and build its report again.

    Args:
        run: The run's folder; ``embeddings/`` is added to it.
        data: The manifests of its roles, as for ``benchmark.study.run``.
        detectors: Only these, as the study calls them.
        training: Only models of this training set.
        most: Images at most, spread evenly over the test images sorted by kind, so that every
            kind has its share.
        store: Folder of trained models.
        device: ``auto``, ``cpu`` or ``cuda``.
        progress: Told of everything that happens.
        allow_code: Modules of one's own that the run may name, beside those in ``detectors``.

    Returns:
        The page of the report.

    Raises:
        CodeError: A file of the run names a module that is not allowed.
        BenchmarkError: No model is meant, its weights are gone, or the data is other data.
        ResultError: The run is not what it was sealed as.
    """
    progress = progress or Progress()
    facts = checked_contents(run).facts
    entries = chosen_entries(facts, detectors, training)
    models = ModelStore(store or default_store())
    allowed = {*allow_code, *modules_of(detectors or ())}
    source = source_of(run, facts, data, progress)
    rows = _spread(source.samples, most)
    progress.phase("score", len(entries))
    for model in dict.fromkeys(str(entry.model) for entry in entries):
        detector = load_model(run, model, models, allowed).to(resolve_device(device))
        progress.job(model, len(rows))
        features = _features(detector, source, rows, progress)
        names = source.samples.iloc[rows][["dataset", "sample_id"]].reset_index(drop=True)
        write_embeddings(run, model, names, features)
        progress.finish()
    page: Path = report(run)
    return page


def chosen_entries(
    facts: RunFacts, detectors: Sequence[str] | None, training: str | None
) -> list[Entry]:
    """List the entries of a run that are meant and have a model.

    Raises:
        BenchmarkError: There is none; what there is is listed.
    """
    known = [entry for entry in facts.entries if entry.model]
    found = [
        entry
        for entry in known
        if (detectors is None or entry.detector in detectors) and training in (None, entry.training)
    ]
    if not found:
        names = ", ".join(dict.fromkeys(f"{e.detector} on {e.training}" for e in known)) or "none"
        raise BenchmarkError(f"the run has no such model; it has {names}")
    return found


def source_of(run: Path, facts: RunFacts, data: Data, progress: Progress) -> ImageSource:
    """Bind a run's samples to their images.

    Raises:
        BenchmarkError: The images are not those that the run was made on.
    """
    protocols = protocols_of(facts)
    manifests = bind(protocols, data, allow_missing=bool(facts.unbound))
    samples = read_samples(run)
    now = verified_samples(manifests, allow_missing=True, progress=progress)
    keys = ["dataset", "sample_id", "sha256", "problem"]
    if not now[keys].equals(samples[keys].astype(now[keys].dtypes)):
        raise BenchmarkError(f"{run} was made on other images than these: give --data as it was")
    roots = {role: manifest.root for role, manifest in manifests.items()}
    return ImageSource(samples, roots, encoding=encoding_of(protocols, samples))


def load_model(run: Path, model: str, store: ModelStore, allowed: Collection[str]) -> Detector:
    """Load a model of a run from the store.

    Raises:
        BenchmarkError: It is not there, or is not the one that the run has scores of.
        CodeError: It is of a class in a module that is not among ``allowed``.
    """
    where = Path(run) / "models" / f"{model}.json"
    known = read_model(run, model)
    stated = check_stated(known.detector, where, allowed)
    if not store.has(model):
        raise BenchmarkError(
            f"the weights of {model} are not in {store.root}: give --store, or run the study again"
        )
    check_trained(store.root / model, known)
    return detector_class(stated).from_pretrained(store.root / model)


def _spread(samples: pd.DataFrame, most: int) -> Rows:
    """Choose readable test images evenly over their kinds; deterministic."""
    here = samples[(samples["split"] == "test") & (samples["problem"] == "")]
    ordered = here.sort_values(["forgery", "generator", "source", "sample_id"], kind="stable")
    places = ordered.index.to_numpy(dtype=np.int64)
    if len(places) > most:
        places = places[np.linspace(0, len(places) - 1, most).round().astype(np.int64)]
    return np.sort(places)


def _features(
    detector: Detector, source: ImageSource, rows: Rows, progress: Progress
) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    """Give the (n, d) features of the images at ``rows``."""
    detector.eval()
    found: list[Tensor] = []
    with torch.inference_mode(), closing(prepared(detector, source, rows)) as batches:
        for images in batches:
            found.append(detector.features(images.to(detector.device)).float().cpu())
            progress.advance(len(images))
    features: np.ndarray[tuple[int, int], np.dtype[np.float32]] = torch.cat(found).numpy()
    return features


def prepared(
    detector: Detector, source: ImageSource, rows: Rows, batch: int = _BATCH
) -> Generator[Tensor, None, None]:
    """Give the images at ``rows`` as (B, 3, S, S) inputs of a detector, loading the next ones."""

    def make(sample: Sample) -> Tensor:
        return source.prepared(sample, detector.transform)

    parts = (rows[start : start + batch] for start in range(0, len(rows), batch))
    wanted = ([WantedImage(row, make) for row in part.tolist()] for part in parts)
    workers = default_workers(detector.device)
    with closing(source.load(wanted, workers=workers, size=nbytes)) as loaded:
        for images in loaded:
            yield torch.stack(images)
