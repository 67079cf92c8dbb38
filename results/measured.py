"""One cell as it is measured: metrics by name, each a value or the reason why there is none."""

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

from results.errors import UndefinedError
from results.metrics.checking import Counts, Floats
from results.metrics.registry import METRICS, Metric, Ranks
from results.metrics.samples import SampleColumns, Samples
from results.schema import Value
from results.statistics.bootstrap import AnyDraws, SumMetric, rank_replicates, sum_replicates
from results.statistics.clusters import count_clusters


class Measured:
    """One cell's samples, sorted and counted once for all metrics that ask for it."""

    def __init__(
        self,
        labels: npt.NDArray[np.int64],
        scores: npt.NDArray[np.floating],
        *,
        level: str,
        carried: Value,
        clusters: Counts | None = None,
    ) -> None:
        """Take samples.

        Args:
            labels: 1 is fake, shape (n,).
            scores: Logits of images, or mean P(fake) of videos, shape (n,).
            level: ``image``, ``video`` or ``video-max``.
            carried: The threshold that validation samples chose, or why there is none.
            clusters: The cluster of each sample, shape (n,); None: each is one of its own.
        """
        self._samples = Samples(labels, scores, logits=level == "image", threshold=carried.value)
        self._unit, self._carried, self._clusters = level.partition("-")[0], carried, clusters

    @property
    def n_fake(self) -> int:
        """How many samples are forged."""
        return int(self._samples.labels.sum())

    @property
    def n_real(self) -> int:
        """How many samples are real."""
        return len(self._samples.labels) - self.n_fake

    @property
    def real_clusters(self) -> int:
        """How many clusters the real samples are."""
        if self._clusters is None:
            return self.n_real
        return count_clusters(self._clusters[self._samples.labels == 0])

    def values(self, names: Iterable[str]) -> dict[str, Value]:
        """Compute metrics.

        Args:
            names: Some of ``METRICS``.

        Returns:
            By name the value, or the reason why there is none.
        """
        return {name: self.value(name) for name in names}

    def value(self, name: str) -> Value:
        """Compute one metric, or say why there is none."""
        metric = METRICS[name]
        absent = self._absent(metric)
        if absent is not None:
            return Value(value=None, reason=absent)
        try:
            return Value(value=metric.computed.value(self._samples))
        except UndefinedError as error:
            return Value(value=None, reason=str(error))

    def replicates(
        self, names: Iterable[str], draws: AnyDraws, rows: Counts | None = None
    ) -> dict[str, Floats]:
        """Compute metrics of every resample, in one pass for those of the same order or sums.

        Args:
            names: Some of ``METRICS`` that have a value.
            draws: The resamples.
            rows: Which samples of ``draws.clusters`` these are, shape (n,); None: all, in order.

        Returns:
            By name shape (draws.resamples,), or (3, draws.resamples) of two ways.

        Raises:
            ResultError: The samples are not as many as the clusters'.
            UndefinedError: A metric has no value.
        """
        wanted = {name: METRICS[name].computed for name in names}
        found: dict[str, Floats] = {}
        ranked = {name: each.of for name, each in wanted.items() if isinstance(each, Ranks)}
        if ranked:
            labels, scores = self._samples.labels, self._samples.scores
            found |= rank_replicates(draws, labels, scores, ranked, rows=rows)
        summed: dict[Callable[[Samples], SampleColumns], dict[str, SumMetric]] = {}
        for name, each in wanted.items():
            if not isinstance(each, Ranks):
                summed.setdefault(each.columns, {})[name] = each.of
        for columns, metrics in summed.items():
            found |= sum_replicates(draws, columns(self._samples), metrics, rows=rows)
        return {name: found[name] for name in wanted}

    def _absent(self, metric: Metric) -> str | None:
        """Say what is lacking for any value, in the words of the level."""
        if len(self._samples.labels) == 0:
            return f"no {self._unit}s"
        for need, number in (("real", self.n_real), ("forged", self.n_fake)):
            if need in metric.needs and not number:
                return f"one class only, no {need} {self._unit}s"
        if "threshold" in metric.needs and self._carried.value is None:
            return self._carried.reason or "no threshold"
        if self.real_clusters < metric.real_clusters <= self.n_real:
            return (
                f"{metric.name} needs {metric.real_clusters:,} real {self._unit}s that hang "
                f"together with no other, there are {self.n_real:,} in {self.real_clusters:,} "
                "clusters"
            )
        return None
