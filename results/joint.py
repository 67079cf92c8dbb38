"""The resamples that all cells, models and seeds of a protocol share, and what follows from them.

A cell's interval, the interval of its mean over seeds and the ranks of detectors are of the same
draws, so that they agree with each other.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from protocols import Cell, ImageSet
from results.checking import Counts, Floats
from results.errors import UndefinedError
from results.measures import RANKED
from results.ranking import Ranking, over_cells, ranking
from results.resampling import FEWEST_CLUSTERS, Draws, rank_replicates
from results.schema import Value
from results.statistics import OverSeeds, Replicated, bootstrap_interval, over_seeds

if TYPE_CHECKING:
    from results.evaluation import RunContents

# One detector's models of a training set, by training seed.
Models = Mapping[int, str]


class Ranked(NamedTuple):
    """Detectors by their means over cells; ``means`` has those with interval, by detector."""

    ranking: Ranking
    means: dict[str, OverSeeds]


class Joint:
    """The resamples of one protocol of a run.

    Cells of fewer than 5 clusters a class have no part in them: they would make every draw
    impossible.
    """

    def __init__(self, contents: "RunContents", protocol: str) -> None:
        """Plan the draws over all test sets of a protocol; nothing is drawn yet."""
        self._contents = contents
        expansion = contents.expansions[protocol]
        conditions = expansion.protocol.expanded_conditions
        self._base = min(conditions, key=lambda condition: condition.name != "clean").key
        self._tests = {id(cell.test): cell.test for cell in expansion.cells}
        self._fewest = {key: self._fewest_of(test) for key, test in self._tests.items()}
        self._known: dict[tuple[str, str, str, int, str], Floats] = {}
        parts = [
            part
            for key, test in self._tests.items()
            if self._fewest[key] >= FEWEST_CLUSTERS
            for part in self._parts(test)
        ]
        parts = list({part.tobytes(): part for part in parts}.values())
        self._draws = Draws(self._compact(parts), parts) if parts else None

    def with_interval(self, model: str, cell: Cell, name: str, value: Value) -> Value:
        """Add the 95 % interval of a metric to its value, or the reason why there is none."""
        if value.value is None:
            return value
        try:
            found = self.replicates(model, cell, name)
            low, high, _ = bootstrap_interval(value.value, found, self.fewest(cell))
        except UndefinedError as error:
            return value.model_copy(update={"no_interval": str(error)})
        return value.model_copy(update={"low": low, "high": high})

    def over_seeds(self, models: Models, cell: Cell, name: str) -> OverSeeds:
        """Summarise a rank metric of a cell over training seeds.

        Args:
            models: A detector's models of the cell's training set, by seed.
            cell: The cell.
            name: One of ``RANKED``.

        Raises:
            UndefinedError: The metric has no value, or how sure it is cannot be told.
        """
        return over_seeds(self._replicated(models, cell, name, self.fewest(cell)))

    def ranking(
        self,
        detectors: Mapping[str, Sequence[Models]],
        cells: Sequence[Cell],
        name: str,
        *,
        higher_is_better: bool,
    ) -> Ranked:
        """Rank detectors by the mean of a rank metric over cells.

        Args:
            detectors: By name the models of each cell's training set, in the order of ``cells``.
            cells: At least one, all of which have replicates.
            name: One of ``RANKED``.
            higher_is_better: Whether greater is better.

        Raises:
            UndefinedError: A cell has no replicates, or nothing varies.
        """
        clusters = min(map(self.fewest, cells))
        found = {
            detector: [
                self._replicated(models, cell, name, clusters)
                for models, cell in zip(each, cells, strict=True)
            ]
            for detector, each in detectors.items()
        }
        means = {who: over_seeds(over_cells(who, row)) for who, row in found.items()}
        return Ranked(ranking(found, higher_is_better=higher_is_better), means)

    def replicates(self, model: str, cell: Cell, name: str) -> Floats:
        """Compute a rank metric of a cell in every resample, shape (draws,).

        Raises:
            UndefinedError: It is no rank metric; a class has fewer than 5 clusters, or is absent
                from a resample.
        """
        key = (model, cell.condition.key, cell.level, id(cell.test), name)
        if key in self._known:
            return self._known[key]
        if name not in RANKED:
            raise UndefinedError(f"{name} is not of the order of scores alone")
        fewest = self.fewest(cell)
        if self._draws is None or fewest < FEWEST_CLUSTERS:
            raise UndefinedError(f"a class is of fewer than {FEWEST_CLUSTERS} independent clusters")
        scored = self._contents.scored(model, cell)
        rows = self._contents.first_rows(cell)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = rank_replicates(
                self._draws, scored.labels, scored.scores, {name: RANKED[name]}, rows=rows
            )[name]
        if not np.isfinite(found).all():
            raise UndefinedError("a class is absent from some resamples")
        # Means over seeds and ranks ask for these again; those under damage are too many to keep.
        if cell.condition.key == self._base:
            self._known[key] = found
        return found

    def fewest(self, cell: Cell) -> int:
        """Count the clusters of the class of a cell that has fewer of them."""
        return self._fewest[id(cell.test)]

    def _replicated(self, models: Models, cell: Cell, name: str, clusters: int) -> Replicated:
        """Give the estimates of a cell over seeds with their replicates."""
        estimates = []
        for model in models.values():
            value = self._contents.measured(model, cell).value(name)
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

    def _fewest_of(self, test: ImageSet) -> int:
        """Count the clusters of the class that has fewer of them."""
        return min(len(np.unique(self._contents.clusters[part])) for part in self._parts(test))

    def _compact(self, parts: Iterable[Counts]) -> Counts:
        """Number the clusters that occur in a part from 0: no others need to be drawn."""
        clusters = self._contents.clusters
        here = np.unique(clusters[np.concatenate(list(parts))])
        found: Counts = np.searchsorted(here, clusters).astype(np.int64)
        # Samples of other clusters are in no part and in no cell.
        return np.minimum(found, len(here) - 1)
