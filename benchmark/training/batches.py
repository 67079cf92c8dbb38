"""Batches of a training set's images, prepared for one detector."""

from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from functools import partial
from itertools import tee

import numpy as np
import torch
from torch import Tensor

from benchmark.data.loader import Rows
from benchmark.data.source import ImageSource, Sample, WantedImage, nbytes, prepare_on
from benchmark.timing import timed
from benchmark.training.augmentation import augmented, is_mirrored, only_mirrors
from benchmark.training.jobs import TrainJob
from benchmark.training.recipe import Augmentation, Recipe
from detectors.base import Batch, Detector
from protocols.samples import TAXONOMY

Batches = Generator[Batch, None, None]
Images = Generator[list[Tensor], None, None]


class TrainingData:
    """Batches of a training set's images, prepared for one detector.

    On a CPU images are prepared when they are loaded, and kept. For a GPU they are only decoded,
    and the device resizes and mirrors them, unless the recipe damages them.
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

    def name(self, row: int) -> str:
        """Give the id of the sample at ``row``."""
        return str(self._ids[row])

    def of_class(self, rows: Rows, *, fake: bool) -> Rows:
        """Keep the rows of one class."""
        chosen: Rows = rows[self.labels[rows] == fake]
        return chosen

    def training(self, coming: Iterable[tuple[int, Rows]], recipe: Recipe, *, seed: int) -> Batches:
        """Give batches as a recipe changes them, loading the next ones meanwhile.

        Args:
            coming: Of each batch: the optimiser step, from 0, and the rows.
            recipe: Its augmentation and layout are used.
            seed: The training seed.

        Raises:
            ImageError: An image cannot be read, when the turn of its batch comes.
        """
        change = recipe.augmentation
        by_device = device_prepares(self._device, change)
        coming, read_ahead = tee(coming)
        wanted = (
            self._wanted_plain(rows)
            if by_device
            else [
                WantedImage(row, partial(self._changed, change, seed, step))
                for row in rows.tolist()
            ]
            for step, rows in read_ahead
        )
        with closing(self._load(wanted)) as loaded:
            for (step, rows), images in zip(coming, loaded, strict=True):
                inputs = self._inputs(images)
                if by_device:
                    inputs = self._mirrored(inputs, rows, change, seed, step)
                if recipe.channels_last:
                    inputs = inputs.contiguous(memory_format=torch.channels_last)
                yield self._batch(rows, inputs)

    def chunks(self, rows: Rows) -> Batches:
        """Give all ``rows`` in order, as they are."""
        parts = [rows[at : at + self._batch_size] for at in range(0, len(rows), self._batch_size)]
        with closing(self._load(map(self._wanted_plain, parts))) as loaded:
            for part, images in zip(parts, loaded, strict=True):
                yield self._batch(part, self._inputs(images))

    def _load(self, wanted: Iterable[Sequence[WantedImage[Tensor]]]) -> Images:
        """Load images ahead."""
        return self._source.load(wanted, workers=self._workers, size=nbytes)

    def _wanted_plain(self, rows: Rows) -> list[WantedImage[Tensor]]:
        """Want images as they are, in the form that the device takes."""
        make = self._source.pixels if device_prepares(self._device) else self._prepared
        return [WantedImage(row, make) for row in rows.tolist()]

    def _prepared(self, sample: Sample) -> Tensor:
        """Prepare an image on the CPU."""
        return self._source.prepared(sample, self._transform)

    def _changed(self, change: Augmentation, seed: int, step: int, sample: Sample) -> Tensor:
        """Prepare an image on the CPU as it is at a step."""
        sample_id = str(self._ids[sample.row])
        prepared = self._prepared(sample)
        with timed("perturb", count=1):
            return augmented(prepared, sample_id, change, seed=seed, step=step)

    def _inputs(self, images: Sequence[Tensor]) -> Tensor:
        """Put loaded images on the device, resized there if they are not yet."""
        with timed("transfer", count=len(images)):
            if images[0].dtype == torch.uint8:
                return prepare_on(self._device, images, self._transform)
            return self._on_device(torch.stack(list(images)))

    def _mirrored(
        self, inputs: Tensor, rows: Rows, change: Augmentation, seed: int, step: int
    ) -> Tensor:
        """Mirror images on the device, as ``augmented`` does on the CPU."""
        ids = self._ids[rows].tolist()
        flips = [is_mirrored(sample_id, change, seed=seed, step=step) for sample_id in ids]
        chosen = self._on_device(torch.tensor(flips))[:, None, None, None]
        return torch.where(chosen, inputs.flip(-1), inputs)

    def _batch(self, rows: Rows, inputs: Tensor) -> Batch:
        """Put what is known of the images beside them."""
        return Batch(
            inputs=inputs,
            labels=self._on_device(torch.from_numpy(self.labels[rows].astype(np.float32))),
            taxa=self._on_device(torch.tensor([self._taxa[row] for row in rows])),
            facts=self._on_device(self._source.facts(rows.tolist())) if self._needs_file else None,
            reals=int(len(rows) - self.labels[rows].sum()),
        )

    def _on_device(self, values: Tensor) -> Tensor:
        """Move what belongs to a batch without waiting for the device."""
        if self._device.type == "cuda":
            values = values.pin_memory()
        return values.to(self._device, non_blocking=True)


def device_prepares(device: torch.device, change: Augmentation | None = None) -> bool:
    """Decide whether the device resizes decoded images and mirrors them, or the workers on the CPU.

    Rotation, blur, light and JPEG are computed on the CPU, which has the encoder: images that went
    to a GPU first would have to come back for them and be waited for.

    Args:
        device: Where the detector is.
        change: What is done to the images; None: nothing.
    """
    return device.type != "cpu" and (change is None or only_mirrors(change))
