"""The resamples that all cells, models and seeds of a protocol share, and what follows from them.

A cell's interval, the interval of its mean over seeds and the ranks of detectors are of the same
draws, so that they agree with each other.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from protocols import Cell, ImageSet
from results.errors import UndefinedError
from results.measured import Measured
from results.metrics.checking import Counts, Floats
from results.metrics.registry import METRICS
from results.run import RunContents
from results.schema import Value
from results.statistics.bootstrap import FEWEST_CLUSTERS, plan_draws
from results.statistics.intervals import (
    Interval,
    OverSeeds,
    Replicated,
    bootstrap_interval,
    bound_at_end,
    over_seeds,
    simultaneous_intervals,
)
from results.statistics.ranking import Ranking, over_cells, ranking
from results.statistics.seeds import SeedSpread, seed_spread

# One detector's models of a training set, by training seed.
Models = Mapping[int, str]


class RankedDetectors(NamedTuple):
    """Detectors by their means over cells; ``means`` has those with interval, by detector."""

    ranking: Ranking
    means: dict[str, OverSeeds]


class ClassClusters(NamedTuple):
    """How many clusters the real and the forged samples of a test set are."""

    real: int
    fake: int


class Joint:
    """The resamples of one protocol of a run.

    Test sets with a class of fewer than 5 clusters have no part in them: they would make every draw
    impossible. One without any sample of a class has the resamples of the other.
    """

    def __init__(self, contents: RunContents, protocol: str) -> None:
        """Plan the draws over all test sets of a protocol; nothing is drawn yet."""
        self._contents = contents
        expansion = contents.expansions[protocol]
        self._headline = expansion.protocol.metrics[0]
        self._training = {training.name: training for training in expansion.training_sets}
        self._tests = {id(cell.test): cell.test for cell in expansion.cells}
        self._clusters = {key: self._clusters_of(test) for key, test in self._tests.items()}
        self._known: dict[tuple[str, str, str, int], Floats] = {}
        parts = [
            part
            for key, test in self._tests.items()
            if _is_drawn(self._clusters[key])
            for part in self._parts(test)
            if len(part)
        ]
        parts = list({part.tobytes(): part for part in parts}.values())
        self._draws = plan_draws(contents.cluster_ways, parts) if parts else None

    def with_intervals(
        self, model: str, cell: Cell, measured: Measured, values: Mapping[str, Value]
    ) -> dict[str, Value]:
        """Add the 95 % interval of each metric to its value, or the reason why there is none.

        Args:
            model: Id of the model.
            cell: The cell.
            measured: What its metrics are computed of.
            values: By name; what has no value is left as it is.
        """
        known = [name for name, value in values.items() if value.value is not None]
        reasons = {name: METRICS[name].not_resampled for name in known}
        found: dict[str, Floats | str] = {name: why for name, why in reasons.items() if why}
        asked = [name for name in known if name not in found]
        try:
            found |= self._resampled(model, cell, measured, asked)
        except UndefinedError as error:
            found |= dict.fromkeys(asked, str(error))
        return {
            name: self._with_interval(cell, name, value, found[name]) if name in known else value
            for name, value in values.items()
        }

    def mean_interval(self, cells: Sequence[tuple[str, Cell]], name: str, value: float) -> Interval:
        """Give the 95 % interval of a metric's mean over cells; over one, that of its value.

        Args:
            cells: Models' ids and cells, at least one.
            name: One of ``results.metrics.METRICS``.
            value: The mean.

        Raises:
            UndefinedError: A cell has no replicates, or how sure the mean is cannot be told.
        """
        replicates: Floats = np.mean([self.replicates(*each, name) for each in cells], axis=0)
        clusters = min(self.fewest(cell, name) for _, cell in cells)
        return self._interval(name, value, replicates, clusters)

    def simultaneous(
        self, cells: Sequence[tuple[str, Cell]], name: str, values: Sequence[float]
    ) -> tuple[Floats, Floats]:
        """Give ``simultaneous_intervals`` of a metric of some cells.

        Args:
            cells: Models' ids and cells, at least one.
            name: One of ``results.metrics.METRICS``.
            values: Its value in each.

        Raises:
            UndefinedError: A cell has no replicates, or how sure it is cannot be told.
        """
        return simultaneous_intervals(
            np.array(values),
            np.array([self.replicates(*each, name) for each in cells]),
            np.array([self.fewest(cell, name) for _, cell in cells]),
            bounds=METRICS[name].bounds,
        )

    def over_seeds(
        self, models: Models, cell: Cell, name: str, spread: SeedSpread | None = None
    ) -> OverSeeds:
        """Summarise a metric of a cell over training seeds.

        Args:
            models: A detector's models of the cell's training set, by seed.
            cell: The cell.
            name: One of ``results.metrics.METRICS``.
            spread: How seeds vary in the cell, pooled over detectors; None: this detector's own.

        Raises:
            UndefinedError: The metric has no value, or how sure it is cannot be told.
        """
        found = self._replicated(models, cell, name, self.fewest(cell, name))
        return self._over_seeds(found, name, spread)

    def ranking(
        self,
        detectors: Mapping[str, Sequence[Models]],
        cells: Sequence[Cell],
        name: str,
        *,
        higher_is_better: bool,
    ) -> RankedDetectors:
        """Rank detectors by the mean of a metric over cells.

        Args:
            detectors: By name the models of each cell's training set, in the order of ``cells``.
            cells: At least one, all of which have replicates.
            name: One of ``results.metrics.METRICS``.
            higher_is_better: Whether greater is better.

        Raises:
            UndefinedError: A cell has no replicates, or nothing varies.
        """
        clusters = min(self.fewest(cell, name) for cell in cells)
        found = {
            detector: [
                self._replicated(models, cell, name, clusters)
                for models, cell in zip(each, cells, strict=True)
            ]
            for detector, each in detectors.items()
        }
        whole = {who: over_cells(who, row) for who, row in found.items()}
        spread = seed_spread(each.estimates for each in whole.values())
        means = {who: self._over_seeds(each, name, spread) for who, each in whole.items()}
        return RankedDetectors(ranking(found, higher_is_better=higher_is_better), means)

    def _over_seeds(self, found: Replicated, name: str, spread: SeedSpread | None) -> OverSeeds:
        """Summarise a metric over seeds; one-sided where all of them are at an end of its range."""
        metric, mean = METRICS[name], float(found.estimates.mean())
        if metric.counted and mean in metric.bounds:
            low, high, _ = bound_at_end(mean, found.clusters, metric.bounds)
            several = len(found.seeds) > 1
            return OverSeeds(mean, 0.0 if several else None, low, high, len(found.seeds))
        return over_seeds(found, bounds=metric.bounds, spread=spread)

    def replicates(self, model: str, cell: Cell, name: str) -> Floats:
        """Compute a metric of a cell in every resample, shape (draws,), or (3, draws) by two ways.

        Raises:
            UndefinedError: It has no value, or none in a resample; a class has fewer than 5
                clusters; or resamples do not tell how sure it is.
        """
        key = (model, cell.condition.key, cell.level, id(cell.test))
        if name == self._headline and key in self._known:
            return self._known[key]
        reason = METRICS[name].not_resampled
        if reason is not None:
            raise UndefinedError(reason)
        return self._resampled(model, cell, self._measured(model, cell), [name])[name]

    def clusters(self, cell: Cell) -> ClassClusters:
        """Count the clusters of both classes, by the way of clustering that has fewer."""
        return self._clusters[id(cell.test)]

    def fewest(self, cell: Cell, name: str) -> int:
        """Count the clusters of the class that has fewer of them, of those that a metric is of."""
        clusters = self.clusters(cell)
        only = METRICS[name].only
        if only is not None:
            return clusters.fake if only == "forged" else clusters.real
        return min(filter(None, clusters), default=0)

    def _resampled(
        self, model: str, cell: Cell, measured: Measured, names: Sequence[str]
    ) -> dict[str, Floats]:
        """Compute metrics that have a value in every resample, by name."""
        if self._draws is None or not _is_drawn(self._clusters[id(cell.test)]):
            raise UndefinedError(f"a class is of fewer than {FEWEST_CLUSTERS} independent clusters")
        absent = "a class is absent from some resamples"
        try:
            with np.errstate(divide="ignore", invalid="ignore"):
                found = measured.replicates(names, self._draws, self._contents.first_rows(cell))
        except UndefinedError as error:
            raise UndefinedError(absent) from error
        if not all(np.isfinite(each).all() for each in found.values()):
            raise UndefinedError(absent)
        # Ranks, means over seeds and over cells ask for these again.
        if self._headline in found:
            key = (model, cell.condition.key, cell.level, id(cell.test))
            self._known[key] = found[self._headline]
        return found

    def _with_interval(self, cell: Cell, name: str, value: Value, found: Floats | str) -> Value:
        """Add what replicates tell to a value, or why there are none."""
        assert value.value is not None
        try:
            if isinstance(found, str):
                raise UndefinedError(found)
            low, high, _ = self._interval(name, value.value, found, self.fewest(cell, name))
        except UndefinedError as error:
            return value.model_copy(update={"no_interval": str(error)})
        return value.model_copy(update={"low": low, "high": high})

    def _interval(self, name: str, value: float, replicates: Floats, clusters: int) -> Interval:
        """Give the interval of a value or a mean, one-sided where it is at an end of its range."""
        metric = METRICS[name]
        if metric.counted and value in metric.bounds:
            return bound_at_end(value, clusters, metric.bounds)
        return bootstrap_interval(value, replicates, clusters, bounds=metric.bounds)

    def _measured(self, model: str, cell: Cell) -> Measured:
        """Give what the metrics of a cell are computed of."""
        validation = self._training[cell.training].val
        carried = self._contents.threshold(model, validation, cell.level)
        return self._contents.measured(model, cell, carried)

    def _replicated(self, models: Models, cell: Cell, name: str, clusters: int) -> Replicated:
        """Give the estimates of a cell over seeds with their replicates."""
        estimates = []
        for model in models.values():
            value = self._measured(model, cell).value(name)
            if value.value is None:
                raise UndefinedError(value.reason or "no value")
            estimates.append(value.value)
        return Replicated(
            seeds=tuple(models),
            estimates=np.array(estimates),
            replicates=np.array([self.replicates(m, cell, name) for m in models.values()]),
            clusters=clusters,
        )

    def _parts(self, test: ImageSet) -> tuple[Counts, Counts]:
        """Part a test set's samples into the real and the forged ones."""
        fake = (self._contents.samples["label"].iloc[test.rows] == "fake").to_numpy()
        return test.rows[~fake], test.rows[fake]

    def _clusters_of(self, test: ImageSet) -> ClassClusters:
        """Count the clusters of both classes."""
        real, fake = (self._contents.cluster_ways.counted(part) for part in self._parts(test))
        return ClassClusters(real, fake)


class Bootstrap:
    """The resamples of a run's protocols, those of each planned once, when they are asked for."""

    def __init__(self, contents: RunContents) -> None:
        """Resample what was read of a run."""
        self._contents = contents
        self._joint: dict[str, Joint] = {}

    def of(self, protocol: str) -> Joint:
        """Give the resamples that all cells of a protocol share."""
        if protocol not in self._joint:
            self._joint[protocol] = Joint(self._contents, protocol)
        return self._joint[protocol]


def _is_drawn(clusters: ClassClusters) -> bool:
    """Tell whether each class that a test set has is of enough clusters."""
    return any(clusters) and min(filter(None, clusters)) >= FEWEST_CLUSTERS
