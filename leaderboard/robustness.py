"""How a metric falls with severity, and how sure that is."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from leaderboard.view import Contender, ProtocolView, Result, counted, summarise
from protocols import Condition
from results.checking import Counts
from results.clusters import clusters
from results.errors import UndefinedError
from results.evaluation import RunContents
from results.ranked import Ranked
from results.resampling import Draws, RankMetric
from results.statistics import Interval, bootstrap_interval, replicate

# Enough for a band: the width of an interval of 2000 is met to some 5 %.
BAND_RESAMPLES = 200
_RANKED: Mapping[str, RankMetric] = {
    "AUC": Ranked.auc,
    "AP": Ranked.average_precision,
    "EER": Ranked.eer,
}


def severity_table(view: ProtocolView, contents: RunContents) -> pd.DataFrame:
    """Lay the headline metric out over severity.

    Args:
        view: Results of a protocol with clean and damaged conditions.
        contents: The run, for the scores that intervals are made of.

    Returns:
        Columns ``perturbation``, ``severity`` (0: clean), ``contender``, ``value`` (the mean over
        cells that count) and ``low``, ``high``, the ends of its 95 % interval by the cluster
        bootstrap, NaN where there is none: the metric is no rank metric, samples are too few, or
        nothing varies. The draws are the same for all rows, so that bands share their luck.
    """
    bands = _Bands(view, contents)
    rows = []
    for name in dict.fromkeys(condition.name for condition in view.damaged):
        conditions = [view.base, *(c for c in view.damaged if c.name == name)]
        for contender in view.contenders:
            for condition in conditions:
                cells = view.of(contender, condition, view.level)
                value = summarise(cells, view.metric, strict=False).value
                band = bands.of(contender, condition) if value is not None else None
                rows.append({
                    "perturbation": name,
                    "severity": condition.severity,
                    "contender": contender.label,
                    "value": np.nan if value is None else value,
                    "low": band.low if band else np.nan,
                    "high": band.high if band else np.nan,
                })  # fmt: skip
    return pd.DataFrame(rows)


class _Bands:
    """Intervals of means over cells, all over the same draws."""

    def __init__(self, view: ProtocolView, contents: RunContents) -> None:
        self._view, self._contents = view, contents
        self._found: dict[tuple[Contender, str], Interval | None] = {}
        tests = [result.cell for c in view.contenders for result in self._cells(c, view.base)]
        self._rows = {(cell.test.role, cell.test.name): contents.first_rows(cell) for cell in tests}
        self._draws: Draws | None = None
        if self._rows and view.metric in _RANKED:
            self._draws = self._plan()

    def of(self, contender: Contender, condition: Condition) -> Interval | None:
        """Give the interval of a contender's mean under a condition."""
        if (contender, condition.key) not in self._found:
            self._found[contender, condition.key] = self._interval(
                self._cells(contender, condition)
            )
        return self._found[contender, condition.key]

    def _cells(self, contender: Contender, condition: Condition) -> list[Result]:
        return counted(
            result
            for result in self._view.of(contender, condition, self._view.level)
            if result.model and result.record and result.record.n_real and result.record.n_fake
        )

    def _plan(self) -> Draws | None:
        """Plan draws in which every test set keeps its classes."""
        self._all = np.unique(np.concatenate(list(self._rows.values())))
        fake = (self._contents.samples["label"] == "fake").to_numpy()
        parts = []
        for rows in self._rows.values():
            at = np.searchsorted(self._all, rows)
            parts += [at[fake[rows]], at[~fake[rows]]]
        together = pd.factorize(clusters(self._contents.samples)[self._all])[0].astype(np.int64)
        try:
            return Draws(together, parts, resamples=BAND_RESAMPLES)
        except UndefinedError:
            return None

    def _interval(self, cells: Sequence[Result]) -> Interval | None:
        """Give the interval of the mean over cells."""
        if self._draws is None or not cells:
            return None
        found = [self._replicates(result) for result in cells]
        estimates, replicates = zip(*found, strict=True)
        mean: npt.NDArray[np.float64] = np.mean(replicates, axis=0)
        try:
            return bootstrap_interval(float(np.mean(estimates)), mean, self._draws.fewest)
        except UndefinedError:
            return None

    def _replicates(self, result: Result) -> tuple[float, npt.NDArray[np.float64]]:
        """Give the metric of a cell and of its resamples."""
        assert self._draws is not None
        assert result.model is not None
        scored = self._contents.scored(result.model.id, result.cell)
        rows: Counts = self._rows[result.test.role, result.test.name]
        found = replicate(
            self._draws,
            scored.labels,
            {0: scored.scores},
            _RANKED[self._view.metric],
            rows=np.searchsorted(self._all, rows),
        )
        return float(found.estimates[0]), found.replicates[0]
