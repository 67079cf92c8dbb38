"""Images of a samples table by row, decoded once where memory allows."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from torch import Tensor

from benchmark.data.images import image_tensor, read
from detectors.transform import Transform

BUDGET_BYTES = 2 << 30


class ImageSource:
    """Decodes samples, and keeps prepared clean images for as long as they fit in its budget.

    Many models of one study train on overlapping images, so each is decoded and resized once.
    What is kept is never evicted: with more images than the budget the rest is decoded each time.

    Attributes:
        samples: The samples table of the study.
    """

    def __init__(
        self,
        samples: pd.DataFrame,
        roots: Mapping[str, Path],
        budget_bytes: int = BUDGET_BYTES,
    ) -> None:
        """Bind the table to its files.

        Args:
            samples: All datasets, in one table with the column ``dataset``.
            roots: The manifest's folder of each dataset.
            budget_bytes: Most memory that prepared images may take.
        """
        self.samples = samples
        self._roots = roots
        self._datasets = samples["dataset"].tolist()
        self._ids = samples["sample_id"].tolist()
        self._left = budget_bytes
        self._kept: dict[tuple[int, str], Tensor] = {}

    def array(self, row: int) -> npt.NDArray[np.uint8]:
        """Decode the sample at ``row``: (h, w, 3) RGB."""
        return read(self._roots[self._datasets[row]], self._ids[row])

    def prepared(self, row: int, transform: Transform) -> Tensor:
        """Give the clean sample at ``row`` as a detector's (3, S, S) input on the CPU."""
        key = (row, transform.hash)
        if key in self._kept:
            return self._kept[key]
        prepared = transform(image_tensor(self.array(row)))
        size = prepared.numel() * prepared.element_size()
        if size <= self._left:
            self._left -= size
            self._kept[key] = prepared
        return prepared
