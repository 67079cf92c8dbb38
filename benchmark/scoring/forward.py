"""Forward passes over prepared images: as many at once as the device has memory for."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchmark.environment import is_out_of_memory
from benchmark.errors import BenchmarkError
from benchmark.progress import Progress
from benchmark.timing import timed
from detectors.base import Detector, Known
from detectors.catalog import is_of_catalog


class Forward:
    """Computes logits; a batch that does not fit into memory is halved, and so are those after it.

    A detector's score is a function of its image, so halves have the same scores but for the order
    of sums. Where parts of a fixed size belong to a detector of the catalog, they are never halved.
    """

    def __init__(self, batch_size: int, progress: Progress) -> None:
        """Begin with ``batch_size`` images at once; what is halved is told to ``progress``."""
        self._batch_size, self._progress = batch_size, progress
        self._fits: dict[Detector, int] = {}

    def logits(
        self, detector: Detector, inputs: Sequence[Tensor], known: Known
    ) -> npt.NDArray[np.float32]:
        """Give the logits of prepared images; the device is waited for once, at the end.

        Args:
            detector: In evaluation mode, on its device.
            inputs: n tensors of (3, S, S) on the CPU, at least one.
            known: What is known of them beside their pixels.

        Returns:
            Shape (n,).

        Raises:
            BenchmarkError: One image alone, or a part that must stay whole, does not fit.
        """
        size = pinned(detector) or self._fits.get(detector, self._batch_size)
        parts = []
        start = 0
        with torch.inference_mode():
            while start < len(inputs):
                found = _answer(
                    detector, inputs[start : start + size], known.part(start, start + size)
                )
                if found is None:  # nothing of the failed pass is held any more
                    size = self._halved(detector, size)
                    continue
                parts.append(found)
                start += size
            return np.asarray(torch.cat(parts).cpu().numpy(), dtype=np.float32)

    def _halved(self, detector: Detector, size: int) -> int:
        """Go on with half as many images at once."""
        if pinned(detector) or size == 1:
            what = f"{size} images, which belong together," if size > 1 else "one image"
            raise BenchmarkError(
                f"{detector.card.title}: {what} of {detector.transform.size} pixels do not fit "
                f"into the memory of {detector.device}: free some of it, or take another --device"
            )
        if detector.device.type == "cuda":
            torch.cuda.empty_cache()
        self._fits[detector] = size // 2
        self._progress.note(
            f"{detector.card.title}: {size} images do not fit into the memory of "
            f"{detector.device}; it goes on with {size // 2} at once"
        )
        return size // 2


def pinned(detector: Detector) -> int | None:
    """Give the chunk size on which a detector's scores may depend: one of the catalog's alone."""
    return detector.card.batch_dependent if is_of_catalog(type(detector)) else None


def _answer(detector: Detector, inputs: Sequence[Tensor], known: Known) -> Tensor | None:
    """Give the logits of a batch on the device, shape (b,); None if memory did not suffice."""
    try:
        with timed("transfer", count=len(inputs)):
            batch = torch.stack(list(inputs))
            if detector.device.type == "cuda":  # from pinned memory the copy waits for nothing
                batch = batch.pin_memory()
            moved = batch.to(detector.device, non_blocking=True)
        return detector.answer(moved, known.to(detector.device)).float()
    except RuntimeError as error:
        if is_out_of_memory(error):
            return None
        raise
