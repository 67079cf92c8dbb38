"""Batches of a training set's images, prepared for one detector."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from benchmark.data.source import ImageSource, prepare_on
from benchmark.training.augmentation import augmented
from benchmark.training.jobs import TrainJob
from benchmark.training.recipe import Recipe
from benchmark.training.sampling import Rows, derive
from detectors.base import Batch, Detector
from protocols.samples import TAXONOMY

Loaded = Generator[tuple[Rows, list[Tensor]], None, None]


class TrainingData:
    """Batches of a training set's images, prepared for one detector.

    On a CPU images are prepared when they are loaded, and kept; for a GPU they are only decoded,
    and the device resizes and mirrors them.
    """

    def __init__(
        self,
        job: TrainJob,
        source: ImageSource,
        detector: Detector,
        *,
        batch_size: int,
        workers: int,
    ) -> None:
        """Select the rows; images are decoded when a batch asks for them.

        Args:
            job: Its training and validation rows are used.
            source: The images of the study.
            detector: Its device and transform are used.
            batch_size: Images a batch where no gradient is needed.
            workers: Threads that load images ahead.
        """
        self._source, self._transform = source, detector.transform
        self._device, self._workers = detector.device, workers
        self._batch_size = detector.card.batch_dependent or batch_size
        self._needs_file = "file" in detector.card.needs
        samples = source.samples
        self.labels = (samples["label"] == "fake").to_numpy()
        index = {taxon: position for position, taxon in enumerate(job.taxa)}
        rows = np.union1d(job.training.rows, job.training.val)
        kinds = samples.iloc[rows][list(TAXONOMY)].itertuples(index=False, name=None)
        # Validation images may be of a kind that training has not, a second real source say.
        self._taxa = {row: index.get(kind, -1) for row, kind in zip(rows, kinds, strict=True)}
        self.train, self.val = job.training.rows, job.training.val
        self._ids = samples["sample_id"].to_numpy()

    def of_class(self, rows: Rows, *, fake: bool) -> Rows:
        """Keep the rows of one class."""
        chosen: Rows = rows[self.labels[rows] == fake]
        return chosen

    def load(self, batches: Iterable[Rows]) -> Loaded:
        """Give the images of each batch in order, loading the next ones meanwhile."""
        return feed(self._image, batches, self._workers)

    def batch(
        self, rows: Rows, images: Sequence[Tensor], flips: Sequence[bool] | None = None
    ) -> Batch:
        """Put loaded images on the detector's device, mirrored where ``flips`` says so."""
        if self._device.type == "cpu":
            inputs = torch.stack(list(images))
        else:
            inputs = prepare_on(self._device, images, self._transform)
        if flips is not None:
            mirrored = self._on_device(torch.tensor(flips))[:, None, None, None]
            inputs = torch.where(mirrored, inputs.flip(-1), inputs)
        return Batch(
            inputs=inputs,
            labels=self._on_device(torch.from_numpy(self.labels[rows].astype(np.float32))),
            taxa=self._on_device(torch.tensor([self._taxa[row] for row in rows])),
            facts=self._on_device(self._source.facts(rows.tolist())) if self._needs_file else None,
        )

    def training_batch(
        self, rows: Rows, images: Sequence[Tensor], recipe: Recipe, *, seed: int, step: int
    ) -> Batch:
        """Put loaded images on the detector's device as the recipe changes them at ``step``."""
        change = recipe.augmentation
        batch = self.batch(rows, images, self.flips(rows, change.flip, seed, step))
        inputs = augmented(batch.inputs, self._ids[rows].tolist(), change, seed=seed, step=step)
        if recipe.channels_last:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        return replace(batch, inputs=inputs)

    def chunks(self, rows: Rows) -> Iterator[Batch]:
        """Give all ``rows`` in order."""
        starts = range(0, len(rows), self._batch_size)
        for chosen, images in self.load(rows[start : start + self._batch_size] for start in starts):
            yield self.batch(chosen, images)

    def flips(self, rows: Rows, probability: float, seed: int, step: int) -> list[bool]:
        """Decide which images are mirrored, each by (seed, step, sample id)."""
        scale = float(1 << 63)
        return [derive(seed, "flip", step, self._ids[row]) / scale < probability for row in rows]

    def _image(self, row: int) -> Tensor:
        """Load one image in the form that the device takes."""
        if self._device.type == "cpu":
            return self._source.prepared(row, self._transform)
        return self._source.pixels(row)

    def _on_device(self, values: Tensor) -> Tensor:
        """Move what belongs to a batch without waiting for the device."""
        if self._device.type == "cuda":
            values = values.pin_memory()
        return values.to(self._device, non_blocking=True)


T = TypeVar("T")

# Batches on their way while one is computed on: a slow file must not stop the device.
AHEAD = 3
_MOST_WORKERS = 16


def default_workers(device: torch.device) -> int:
    """Give how many threads load images: none on a CPU, whose cores compute already."""
    if device.type == "cpu":
        return 0
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return max(1, min(_MOST_WORKERS, len(os.sched_getaffinity(0)) // processes))


def feed(
    load: Callable[[int], T], batches: Iterable[Rows], workers: int
) -> Generator[tuple[Rows, list[T]], None, None]:
    """Give the rows of each batch with what ``load`` made of them, in order.

    Args:
        load: Turns a row into an image; called from several threads at once.
        batches: Rows of each batch; read ``AHEAD`` batches before they are given.
        workers: Threads; 0: rows are loaded when their batch is asked for.

    Raises:
        Whatever ``load`` raises, when the batch's turn comes.
    """
    if workers == 0:
        for rows in batches:
            yield rows, [load(row) for row in rows.tolist()]
        return
    coming = iter(batches)
    waiting: deque[tuple[Rows, list[Future[T]]]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="load")
    try:
        while True:
            for rows in islice(coming, AHEAD + 1 - len(waiting)):
                waiting.append((rows, [pool.submit(load, row) for row in rows.tolist()]))
            if not waiting:
                return
            rows, images = waiting.popleft()
            yield rows, [image.result() for image in images]
    finally:
        pool.shutdown(cancel_futures=True)
