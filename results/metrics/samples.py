"""Samples as metrics see them, sorted and summed once for all metrics that ask for it."""

from collections.abc import Callable, Iterator
from functools import cached_property

import numpy as np
import numpy.typing as npt

from results.errors import UndefinedError
from results.metrics.checking import Counts, Floats
from results.metrics.functions import probability
from results.metrics.roc import Ranked, rank

_SLICE = 2**16

SampleColumns = npt.NDArray[np.bool_ | np.float64]
"""What each sample adds to some sums, shape (n, k)."""


class Samples:
    """Labels and scores of one set.

    Attributes:
        labels: 1 is fake, shape (n,).
        scores: Logits of images, or mean P(fake) of videos, shape (n,).
        half: The score of P(fake) 0.5.
    """

    def __init__(
        self,
        labels: Counts,
        scores: npt.NDArray[np.floating],
        *,
        logits: bool,
        threshold: float | None = None,
    ) -> None:
        """Take samples.

        Args:
            labels: 1 is fake, shape (n,).
            scores: Finite, greater for fake, shape (n,).
            logits: Whether the scores are logits; otherwise they are P(fake) in [0, 1].
            threshold: A score that validation samples chose, or None.
        """
        self.labels, self.scores = labels, scores
        self.half = 0.0 if logits else 0.5
        self._logits, self._threshold = logits, threshold
        self._sums: dict[Callable[[Samples], SampleColumns], Floats] = {}

    @property
    def threshold(self) -> float:
        """The score that validation samples chose.

        Raises:
            UndefinedError: They chose none.
        """
        if self._threshold is None:
            raise UndefinedError("no threshold")
        return self._threshold

    @cached_property
    def probabilities(self) -> Floats:
        """P(fake) in [0, 1], shape (n,)."""
        scores = self.scores.astype(np.float64)
        return probability(scores) if self._logits else scores

    @cached_property
    def ranked(self) -> Ranked:
        """The samples in the order of their scores.

        Raises:
            UndefinedError: There are none, or a class is absent.
        """
        return rank(self.labels, self.scores)

    def sums(self, columns: Callable[["Samples"], SampleColumns]) -> Floats:
        """Add up what each sample adds, a slice at a time.

        Args:
            columns: Gives shape (m, k) for m samples.

        Returns:
            Shape (k,).

        Raises:
            UndefinedError: There are no samples.
        """
        if columns not in self._sums:
            parts = [columns(part).sum(axis=0) for part in self._slices()]
            self._sums[columns] = np.sum(parts, axis=0, dtype=np.float64)
        return self._sums[columns]

    def _slices(self) -> Iterator["Samples"]:
        """Part the samples, so that memory is bounded; one part at least."""
        for at in range(0, max(len(self.labels), 1), _SLICE):
            here = slice(at, at + _SLICE)
            yield Samples(
                self.labels[here],
                self.scores[here],
                logits=self._logits,
                threshold=self._threshold,
            )
