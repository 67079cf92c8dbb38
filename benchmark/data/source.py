"""Images of a samples table by row, decoded once where memory allows."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from benchmark.data.encoding import Encoding
from benchmark.data.images import Place, cut, image_tensor, locate, read, stored_facts
from detectors.base import Known
from detectors.card import Card
from detectors.transform import Transform

BUDGET_BYTES = 2 << 30
_PIXELS = "pixels"

Change = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.uint8]]


class ImageSource:
    """Decodes samples, and keeps clean images for as long as they fit in its budget.

    Many models of one study train on overlapping images, so each is decoded and resized once.
    What is kept is never evicted: with more images than the budget the rest is decoded each time.
    Several threads may ask at once.

    Attributes:
        samples: The samples table of the study.
        roots: The manifest's folder of each dataset.
        encoding: What every image goes through first; None: it is taken as it is.
    """

    def __init__(
        self,
        samples: pd.DataFrame,
        roots: Mapping[str, Path],
        budget_bytes: int = BUDGET_BYTES,
        encoding: Encoding | None = None,
    ) -> None:
        """Bind the table to its files.

        Args:
            samples: All datasets, in one table with the column ``dataset``.
            roots: The manifest's folder of each dataset.
            budget_bytes: Most memory that images may take.
            encoding: The study's.
        """
        self.samples, self.roots, self.encoding = samples, roots, encoding
        self._datasets = samples["dataset"].tolist()
        self._ids = samples["sample_id"].tolist()
        self._left = budget_bytes
        self._kept: dict[tuple[int, str], Tensor] = {}
        self._facts: dict[int, tuple[float, ...]] = {}
        self._lock = Lock()

    def array(self, row: int) -> npt.NDArray[np.uint8]:
        """Decode the sample at ``row``: (h, w, 3) RGB, in the study's encoding."""
        return self._encoded(read(self.roots[self._datasets[row]], self._ids[row]), row)

    def changed(self, row: int, change: Change) -> npt.NDArray[np.uint8]:
        """Decode the sample at ``row`` as ``array`` does, its whole picture changed before."""
        return self._encoded(read(self.roots[self._datasets[row]], self._ids[row], change), row)

    def place(self, row: int) -> Place:
        """Find the file, frame and box of the sample at ``row``."""
        return locate(self.roots[self._datasets[row]], self._ids[row])

    def cut(self, picture: npt.NDArray[np.uint8], row: int) -> npt.NDArray[np.uint8]:
        """Cut the sample at ``row`` out of its whole picture, in the study's encoding."""
        return self._encoded(cut(picture, self.place(row)), row)

    def _encoded(self, pixels: npt.NDArray[np.uint8], row: int) -> npt.NDArray[np.uint8]:
        """Bring an image to the study's encoding."""
        return pixels if self.encoding is None else self.encoding(pixels, self._ids[row])

    def facts(self, rows: Sequence[int]) -> Tensor:
        """Give the (n, F) float32 facts of the files at ``rows``: ``detectors.files.FACTS``."""
        for row in rows:
            if row not in self._facts:
                place = self.place(row)
                self._facts[row] = stored_facts(place.path, place.frame)
        return torch.tensor([self._facts[row] for row in rows], dtype=torch.float32)

    def known(self, rows: Sequence[int], card: Card) -> Known:
        """Give what a detector with this card may know of the samples at ``rows``."""
        labels = (self.samples["label"].iloc[list(rows)] == "fake").to_numpy(np.float32)
        return Known(
            facts=self.facts(rows) if "file" in card.needs else None,
            labels=torch.from_numpy(labels) if "labels" in card.needs else None,
        )

    def prepared(self, row: int, transform: Transform) -> Tensor:
        """Give the clean sample at ``row`` as a detector's (3, S, S) input on the CPU."""
        kept = self._kept.get((row, transform.hash))
        if kept is not None:
            return kept
        return self._keep((row, transform.hash), transform(image_tensor(self.array(row))))

    def pixels(self, row: int) -> Tensor:
        """Give the clean sample at ``row`` as (3, h, w) uint8, for a device that resizes itself."""
        kept = self._kept.get((row, _PIXELS))
        if kept is not None:
            return kept
        planes = np.ascontiguousarray(self.array(row).transpose(2, 0, 1))
        return self._keep((row, _PIXELS), torch.from_numpy(planes))

    def _keep(self, key: tuple[int, str], image: Tensor) -> Tensor:
        """Keep an image if there is room for it."""
        with self._lock:
            if key not in self._kept and image.nbytes <= self._left:
                self._left -= image.nbytes
                self._kept[key] = image
        return image


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
