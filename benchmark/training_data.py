"""Batches of a training set's images, prepared for one detector."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from benchmark.augmentation import augmented
from benchmark.data.source import ImageSource, prepare_on
from benchmark.feeding import feed
from benchmark.models import TrainJob
from benchmark.recipe import Recipe
from benchmark.sampling import Rows, derive
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
