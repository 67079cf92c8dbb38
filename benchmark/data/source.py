"""Images of a samples table by row, decoded once where memory allows."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from benchmark.data.cutting import apply_cut
from benchmark.data.encoding import Encoding
from benchmark.data.images import (
    OpenFile,
    Pixels,
    cut,
    frames_of,
    image_tensor,
    locate,
    stored_facts,
    whereabouts,
)
from benchmark.data.kept import KeptPixels
from benchmark.data.loader import AHEAD, MOST_WAITING_BYTES, load
from benchmark.data.originals import Originals
from benchmark.timing import timed
from detectors.base import Detector, Known
from detectors.files import FACTS
from detectors.sanity import is_told_labels
from detectors.transform import Transform

if TYPE_CHECKING:
    from benchmark.data.video import Frames

BUDGET_BYTES = 2 << 30
_PIXELS = "pixels"
_MEASURED = 64  # images from whose size that of all is told

Opener = Callable[[Path], AbstractContextManager["Frames"]]
T = TypeVar("T")


class Sample:
    """A sample whose file is being read; nothing is decoded that is not asked for."""

    def __init__(self, source: "ImageSource", row: int, file: OpenFile) -> None:
        """Stand for the sample at ``row``, in its open file."""
        self.row = row
        self._source, self._file = source, file

    def array(self) -> Pixels:
        """Give it as (h, w, 3) RGB in the study's encoding; for reading only."""
        return self._source.decoded(self.row, self._file)

    def changed(self, change: Callable[[Pixels], Pixels]) -> Pixels:
        """Give it as ``array`` does, its whole picture changed before it is cut out.

        Of a crop, it is the picture that the crop was made of: it must be wanted ``whole``.
        """
        return self._source.changed(self.row, self._file, change)


class WantedImage(NamedTuple, Generic[T]):
    """What is to be made of a sample.

    Attributes:
        row: The sample.
        make: Makes it, in any thread; a function of the sample alone.
        opener: Opens the sample's file if it is a video.
        whole: Whether the file is that of the picture that the sample was cut out of.
    """

    row: int
    make: Callable[[Sample], T]
    opener: Opener = frames_of
    whole: bool = False


class _File(NamedTuple):
    """What samples are read together: those of a file that is opened in one way."""

    dataset: str
    name: str
    is_video: bool
    opener: Opener
    whole: bool


class ImageSource:
    """Decodes samples, and keeps clean images for as long as they fit in its budget.

    Many models of one study train on overlapping images, so each is decoded and resized once.
    What is kept is never evicted: with more images than the budget the rest is decoded each time.
    Several threads may ask at once.

    Attributes:
        samples: The samples table of the study.
        ids: Their sample ids.
        roots: The manifest's folder of each dataset.
        encoding: What every image goes through first; None: it is taken as it is.
    """

    def __init__(
        self,
        samples: pd.DataFrame,
        roots: Mapping[str, Path],
        budget_bytes: int = BUDGET_BYTES,
        encoding: Encoding | None = None,
        pictures: Mapping[str, Path] | None = None,
        *,
        pixels: KeptPixels | None = None,
    ) -> None:
        """Bind the table to its files.

        Args:
            samples: All datasets, in one table with the column ``dataset``. A file whose sha256 it
                states is read as that alone.
            roots: The manifest's folder of each dataset.
            budget_bytes: Most memory that images may take.
            encoding: The study's.
            pictures: The folder of the pictures of each dataset of crops that has them.
            pixels: Where decoded samples are kept for later; None: nowhere.
        """
        self._pixels = pixels
        self._originals, self._pictures = Originals(samples, pictures or {}), pictures
        self.samples, self.roots, self.encoding = samples, roots, encoding
        self._datasets = samples["dataset"].tolist()
        self.ids: list[str] = samples["sample_id"].tolist()
        # What is read is what was checked: images may be replaced while a run goes on.
        hashes = samples["sha256"].tolist() if "sha256" in samples else [""] * len(samples)
        self._hashes: list[str] = hashes
        self._budget = self._left = budget_bytes
        self._kept: dict[tuple[int, str], Tensor] = {}
        self._facts: npt.NDArray[np.float32] | None = None
        self._lock = Lock()

    def abroad(self, share: int) -> "ImageSource":
        """Give the same source for another process, wherever that works; no image is kept yet.

        Args:
            share: How many such processes share this machine's memory.
        """
        roots = {role: root.resolve() for role, root in self.roots.items()}
        pictures = {role: root.resolve() for role, root in (self._pictures or {}).items()}
        share_bytes = self._budget // share
        return ImageSource(
            self.samples, roots, share_bytes, self.encoding, pictures, pixels=self._pixels
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Let it be sent to another process, without the images that are kept here."""
        arguments = (self.samples, self.roots, self._budget, self.encoding, self._pictures)
        return partial(ImageSource, pixels=self._pixels), arguments

    def load(
        self,
        batches: Iterable[Sequence[WantedImage[T]]],
        *,
        workers: int,
        size: Callable[[T], int],
        ahead: int = AHEAD,
        most_bytes: int = MOST_WAITING_BYTES,
    ) -> Generator[list[T], None, None]:
        """Give what is made of the samples of each batch, in order; see ``loader.load``.

        Raises:
            ImageError: A file cannot be read, when the turn of its sample comes.
        """
        return load(
            batches,
            where=self._where,
            opened=self._opened,
            size=size,
            workers=workers,
            ahead=ahead,
            most_bytes=most_bytes,
        )

    def array(self, row: int) -> Pixels:
        """Decode the sample at ``row`` alone: (h, w, 3) RGB, in the study's encoding."""
        with OpenFile(frames_of) as file:
            return self.decoded(row, file)

    def decoded(self, row: int, file: OpenFile) -> Pixels:
        """Cut the sample at ``row`` out of its file's picture, in the study's encoding."""
        place = locate(self.roots[self._datasets[row]], self.ids[row])
        with timed("decode", count=1):
            stated = self._hashes[row]
            picture = None if self._pixels is None else self._pixels.read(place, stated)
            if picture is None:
                picture = cut(file.picture(place, stated), place)
                if self._pixels is not None:
                    self._pixels.keep(place, stated, picture)
        return self._encoded(row, picture)

    def check_room(self) -> str:
        """Say what kept pixels will take on disk, from some images; empty where none are kept.

        Raises:
            BenchmarkError: There is no room for them.
        """
        known = self.samples.get("problem", pd.Series("", self.samples.index))
        usable = np.flatnonzero(known == "").tolist()
        if self._pixels is None or not usable:
            return ""
        some = usable[:: max(1, len(usable) // _MEASURED)][:_MEASURED]
        mean = sum(self.array(row).nbytes for row in some) / len(some)
        return self._pixels.check_room(len(usable), mean)

    def changed(self, row: int, file: OpenFile, change: Callable[[Pixels], Pixels]) -> Pixels:
        """Do as ``decoded``, after a change of the whole picture that the sample is a part of."""
        original = self._originals.of(row)
        if original is None:
            place = locate(self.roots[self._datasets[row]], self.ids[row])
            with timed("decode", count=1):
                picture = file.picture(place, self._hashes[row])
            return self._encoded(row, cut(change(picture), place))
        with timed("decode", count=1):
            picture = file.picture(self._originals.locate(row, original), original.sha256)
        return self._encoded(row, apply_cut(original.cut, change(picture)))

    def _encoded(self, row: int, pixels: Pixels) -> Pixels:
        """Give an image in the study's encoding."""
        if self.encoding is None:
            return pixels
        with timed("perturb", count=1):
            return self.encoding(pixels, self.ids[row])

    def _where(self, wanted: WantedImage[T]) -> tuple[_File, int]:
        """Tell which file a sample lies in, and its frame."""
        original = self._originals.of(wanted.row) if wanted.whole else None
        sample_id = self.ids[wanted.row] if original is None else original.sample_id
        (name, is_video), frame = whereabouts(sample_id)
        whole = original is not None
        return _File(self._datasets[wanted.row], name, is_video, wanted.opener, whole), frame

    @contextmanager
    def _opened(self, file: _File) -> Iterator[Callable[[WantedImage[T]], T]]:
        """Open a file for one pass."""
        with OpenFile(file.opener) as opened:
            yield lambda wanted: wanted.make(Sample(self, wanted.row, opened))

    def facts(self, rows: Sequence[int]) -> Tensor:
        """Give the (n, F) float32 facts of the files at ``rows``: ``detectors.files.FACTS``."""
        if self._facts is None:  # kept as 52 bytes an image; what is not known yet is no number
            self._facts = np.full((len(self.ids), len(FACTS)), np.nan, dtype=np.float32)
        for row in rows:
            if np.isnan(self._facts[row, 0]):
                place = locate(self.roots[self._datasets[row]], self.ids[row])
                self._facts[row] = stored_facts(place, self._hashes[row])
        return torch.from_numpy(self._facts[list(rows)])

    def known(self, rows: Sequence[int], detector: Detector) -> Known:
        """Give what a detector may know of the samples at ``rows``."""
        facts = self.facts(rows) if "file" in detector.card.needs else None
        if not is_told_labels(detector):
            return Known(facts=facts)
        labels = (self.samples["label"].iloc[list(rows)] == "fake").to_numpy(np.float32)
        return Known(facts=facts, labels=torch.from_numpy(labels))

    def prepared(self, sample: Sample, transform: Transform) -> Tensor:
        """Give a clean sample as a detector's (3, S, S) input on the CPU; not to be changed."""
        key = (sample.row, transform.hash)
        kept = self._kept.get(key)
        if kept is not None:
            return kept
        pixels = sample.array()
        with timed("prepare", count=1):
            image = transform(image_tensor(pixels))
        return self._keep(key, image)

    def pixels(self, sample: Sample) -> Tensor:
        """Give a clean sample as (3, h, w) uint8, for a device that resizes itself."""
        key = (sample.row, _PIXELS)
        kept = self._kept.get(key)
        if kept is not None:
            return kept
        planes = np.ascontiguousarray(sample.array().transpose(2, 0, 1))
        return self._keep(key, torch.from_numpy(planes))

    def _keep(self, key: tuple[int, str], image: Tensor) -> Tensor:
        """Keep an image if there is room for it."""
        with self._lock:
            if key not in self._kept and image.nbytes <= self._left:
                self._left -= image.nbytes
                self._kept[key] = image
        return image


def nbytes(image: Tensor | Pixels) -> int:
    """Give the size of an image in memory."""
    return int(image.nbytes)


def prepare_on(device: torch.device, images: Sequence[Tensor], transform: Transform) -> Tensor:
    """Turn decoded images into inputs on ``device``: those of one size are resized together.

    Args:
        device: Where to compute.
        images: B tensors of (3, h, w) uint8 on the CPU, any sizes.
        transform: The detector's.

    Returns:
        (B, 3, S, S) float32 in [0, 1]; on a CPU, to the bit what ``ImageSource.prepared`` gives.
    """
    places: dict[torch.Size, list[int]] = {}
    for place, image in enumerate(images):
        places.setdefault(image.shape, []).append(place)
    inputs = torch.empty(len(images), *transform.shape, device=device)
    for chosen in places.values():
        stack = torch.stack([images[place] for place in chosen])
        if device.type == "cuda":  # from pinned memory the copy does not wait for the device
            stack = stack.pin_memory()
        moved = stack.to(device, non_blocking=True).to(torch.float32).div_(255)
        where = torch.tensor(chosen)
        inputs[where.to(device, non_blocking=True)] = transform.resize(moved)
    return inputs
