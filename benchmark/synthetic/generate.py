"""The embedded synthetic set: a small face-forgery data set that a seed makes, free of licences.

It proves that the machinery works, and says nothing about how well a detector does on real
forgeries: faces are drawn, cameras are simulated, and the twelve "generators" are small programs
that leave the kind of trace for which their families are known. Everything in it is labelled as
synthetic.

It is built to be a fair test. Both classes are photographed by the same cameras and encoded twice
by the same encoders with the same qualities, forgeries of the kinds AM and FS start from real
photographs of the set, and every forged file is brought to the size of its photograph's file.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2

from benchmark.data.facts import DatasetFacts, write_facts
from benchmark.errors import BenchmarkError
from benchmark.synthetic.faces import POPULATIONS
from benchmark.synthetic.forgeries import GENERATORS
from benchmark.synthetic.images import DRAWN_SPLITS, EMBEDDED_VERSION, PHOTOS, Task, carry_out_task
from results.errors import ResultError
from results.files import file_hash, read_json

__all__ = ["EMBEDDED_VERSION", "MANIFEST_COLUMNS", "EmbeddedSetError", "SetSizes", "generate"]

MANIFEST_COLUMNS = (
    "path",
    "label",
    "forgery",
    "family",
    "generator",
    "source",
    "split",
    "group",
    "identity",
    "pair",
    "width",
    "height",
    "sha256",
)
_PASSPORT = "embedded.json"
_FACTS = DatasetFacts(format=1, synthetic=True)
_NOTE = "synthetic faces and synthetic forgeries: a check of the machinery, not of a detector"


class EmbeddedSetError(BenchmarkError):
    """The embedded set cannot be made as asked, or a folder holds something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSizes:
    """Identities per source and split, each at least 2.

    An identity stands for ``PHOTOS`` real photographs and one forgery by each generator, so these
    are also the numbers of forgeries per generator and source.
    """

    train: int = 44
    val: int = 10
    test: int = 20

    def __post_init__(self) -> None:
        for split in DRAWN_SPLITS:
            if (count := getattr(self, split)) < 2:
                raise EmbeddedSetError(
                    f"the embedded set was asked for {count} identities in {split!r}, but a face "
                    f"swap needs two people: give at least 2"
                )

    @property
    def images(self) -> int:
        """Number of images of the whole set."""
        people = (self.train + self.val + self.test) * len(POPULATIONS)
        return people * (PHOTOS + len(GENERATORS))


def generate(
    root: Path,
    *,
    seed: int = 0,
    counts: SetSizes | None = None,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write the embedded synthetic set: JPEG images of 128 x 128, ``manifest.csv`` and its facts.

    The files are the same bytes for the same seed and counts, whatever the number of workers, on
    one kind of processor and with the same versions of NumPy and OpenCV. Another kind rounds some
    pixels otherwise (with AVX2 in place of AVX-512: 56 of 180 files), so the fingerprint is another
    too. The folder appears whole or not at all: it is built beside ``root`` and renamed.

    Args:
        root: The folder to make. A complete set of the same version, seed and counts is left as
            it is, but for facts that it does not state yet; an empty folder is filled.
        seed: Seed of all people, photographs and forgeries, 0 or more.
        counts: Identities per source and split; 2,400 images by default.
        workers: Processes; all processors by default, 1 works without further processes. With
            more, a script that calls this needs ``if __name__ == "__main__"``, as for any use of
            ``multiprocessing``.
        on_progress: Is called with (identities done, identities in all).

    Returns:
        The path of ``manifest.csv``.

    Raises:
        EmbeddedSetError: ``root`` holds something else, or a set that was damaged.
        ManifestError: ``manifest.json`` in it states something else of the set.
    """
    counts = counts or SetSizes()
    workers = _worker_count(seed, workers)
    manifest = root / "manifest.csv"
    passport = {
        "version": EMBEDDED_VERSION,
        "seed": seed,
        "counts": [counts.train, counts.val, counts.test],
        "note": _NOTE,
    }
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        _check(root, passport)
        write_facts(manifest, _FACTS)
        return manifest
    root.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{root.name}-", dir=root.parent))
    try:
        rows = _build(building, seed, counts, workers, on_progress)
        table = _table(rows)
        (building / "manifest.csv").write_bytes(table)
        passport["manifest"] = hashlib.sha256(table).hexdigest()
        text = json.dumps(passport, sort_keys=True, indent=1) + "\n"
        (building / _PASSPORT).write_text(text, encoding="utf-8")
        write_facts(building / "manifest.csv", _FACTS)
        building.chmod(0o755)
        building.replace(root)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return manifest


def _worker_count(seed: int, workers: int | None) -> int:
    if seed < 0:
        raise EmbeddedSetError(f"the embedded set was asked for seed {seed}: give 0 or more")
    if workers is not None and workers < 1:
        raise EmbeddedSetError(f"the embedded set was asked for {workers} workers: give 1 or more")
    return workers or os.cpu_count() or 1


def _check(root: Path, passport: dict[str, object]) -> None:
    """Refuse a folder that is not the complete set described by a passport."""
    file = root / _PASSPORT
    if not file.is_file():
        raise EmbeddedSetError(
            f"{root}: holds something other than the embedded set (no {_PASSPORT}); "
            f"choose another folder or remove it"
        )
    try:
        found = read_json(file)
        found = {key: found[key] for key in (*passport, "manifest")}
    except (ResultError, KeyError, TypeError) as error:
        raise EmbeddedSetError(f"{file}: cannot be read ({error!r}); remove {root}") from error
    for key in ("version", "seed", "counts"):
        if found[key] != passport[key]:
            raise EmbeddedSetError(
                f"{root}: holds the embedded set of {key} {found[key]}, but {key} {passport[key]} "
                f"was asked for; choose another folder or remove it"
            )
    table = root / "manifest.csv"
    if not table.is_file() or file_hash(table) != found["manifest"]:
        raise EmbeddedSetError(f"{table}: was changed or is missing; remove {root}")
    with table.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            image = root / row["path"]
            if not image.is_file() or file_hash(image) != row["sha256"]:
                raise EmbeddedSetError(f"{image}: was changed or is missing; remove {root}")


def _table(rows: list[dict[str, str]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, MANIFEST_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted(rows, key=lambda row: row["path"]))
    return text.getvalue().encode()


def _build(
    folder: Path,
    seed: int,
    counts: SetSizes,
    workers: int,
    on_progress: Callable[[int, int], None] | None,
) -> list[dict[str, str]]:
    tasks = [
        Task(source, split, who, people)
        for source in range(len(POPULATIONS))
        for split, people in enumerate((counts.train, counts.val, counts.test))
        for who in range(people)
    ]
    rows: list[dict[str, str]] = []
    with _mapper(min(workers, len(tasks))) as run:
        for done, some in enumerate(run(partial(carry_out_task, folder, seed), tasks), start=1):
            rows += some
            if on_progress is not None:
                on_progress(done, len(tasks))
    return rows


_Mapper = Callable[
    [Callable[[Task], list[dict[str, str]]], list[Task]], Iterator[list[dict[str, str]]]
]


@contextmanager
def _mapper(workers: int) -> Iterator[_Mapper]:
    """Map over tasks, in order, here or in a pool of processes."""
    if workers == 1:
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)
        try:
            yield map
        finally:
            cv2.setNumThreads(threads)
        return
    # A process that was started afresh inherits no locks of a parent that runs threads.
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=cv2.setNumThreads, initargs=(1,)
    )
    try:
        yield partial(pool.map, chunksize=4)
    finally:
        pool.shutdown(cancel_futures=True)
