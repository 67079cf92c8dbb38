"""The metrics of a cell, by the names that protocols, records and tables have for them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt

from results.errors import UndefinedError
from results.metrics.calibration import Calibration, calibration, misfits
from results.metrics.checking import Counts, Floats
from results.metrics.confusion import Confusion, confusion, outcomes
from results.metrics.functions import probability
from results.metrics.roc import Ranked, rank
from results.schema import Value
from results.statistics.bootstrap import (
    Draws,
    RankMetric,
    SumMetric,
    rank_replicates,
    sum_replicates,
)

# Up to which FPR the partial AUC goes.
PARTIAL = 0.1
CARRIED = "@val"
# Of the order of scores alone.
RANKED: Mapping[str, RankMetric] = {
    "AUC": Ranked.auc,
    "AP": Ranked.average_precision,
    "AP-balanced": partial(Ranked.average_precision, prevalence=0.5),
    "EER": Ranked.eer,
    "TPR@FPR=0.1%": partial(Ranked.tpr_at_fpr, fpr=0.001),
    "TPR@FPR=1%": partial(Ranked.tpr_at_fpr, fpr=0.01),
    "TPR@FPR=5%": partial(Ranked.tpr_at_fpr, fpr=0.05),
    "FPR@TPR=95%": partial(Ranked.fpr_at_tpr, tpr=0.95),
    "pAUC": partial(Ranked.partial_auc, fpr=PARTIAL),
}
# At P(fake) 0.5; with ``@val`` behind the name at the threshold that validation samples chose.
DECIDED: Mapping[str, Callable[[Confusion], Floats]] = {
    "ACC": Confusion.accuracy,
    "BACC": Confusion.balanced_accuracy,
    "F1": Confusion.f1,
    "TPR": Confusion.tpr,
    "FPR": Confusion.fpr,
}
# Of P(fake) itself.
CALIBRATED: Mapping[str, Callable[[Calibration], Floats]] = {
    "log-loss": Calibration.log_loss,
    "Brier": Calibration.brier,
    "ECE": Calibration.ece,
}
NAMES = (*RANKED, *DECIDED, *(name + CARRIED for name in DECIDED), *CALIBRATED)
# All others lie in [0, 1].
UNBOUNDED = frozenset({"log-loss"})
# What resamples do not tell the spread of, and why.
NOT_RESAMPLED: Mapping[str, str] = {"ECE": "resamples of ECE are biased upwards"}
# Of one class alone: forged samples, or real ones.
ONE_SIDED: Mapping[str, bool] = {"TPR": True, "FPR": False}
# What a record tells of every cell without damage, whatever the protocol's tables show.
BESIDE = (
    *("AUC", "AP", "AP-balanced", "EER", "TPR@FPR=1%", "ACC", "BACC"),
    *("ACC@val", "BACC@val", "TPR@val", "FPR@val", "ECE"),
)


class Measured:
    """One cell's samples, sorted and counted once for all metrics that ask for it."""

    def __init__(
        self,
        labels: npt.NDArray[np.int64],
        scores: npt.NDArray[np.floating],
        *,
        level: str,
        carried: Value,
    ) -> None:
        """Take samples.

        Args:
            labels: 1 is fake, shape (n,).
            scores: Logits of images, or mean P(fake) of videos, shape (n,).
            level: ``image`` or ``video``.
            carried: The threshold that validation samples chose, or why there is none.
        """
        self._labels, self._scores = labels, scores
        self._level, self._carried = level, carried

    @property
    def n_fake(self) -> int:
        """How many samples are forged."""
        return int(self._labels.sum())

    @property
    def n_real(self) -> int:
        """How many samples are real."""
        return len(self._labels) - self.n_fake

    def values(self, names: Iterable[str]) -> dict[str, Value]:
        """Compute metrics.

        Args:
            names: Some of ``NAMES``.

        Returns:
            By name the value, or the reason why there is none.
        """
        return {name: self.value(name) for name in names}

    def value(self, name: str) -> Value:
        """Compute one metric, or say why there is none."""
        absent = self._absent(name)
        if absent is not None:
            return Value(value=None, reason=absent)
        try:
            return Value(value=self._compute(name))
        except UndefinedError as error:
            return Value(value=None, reason=str(error))

    def replicates(
        self, names: Iterable[str], draws: Draws, rows: Counts | None = None
    ) -> dict[str, Floats]:
        """Compute metrics of every resample, in one pass for those of the order of scores.

        Args:
            names: Some of ``NAMES`` that have a value.
            draws: The resamples.
            rows: Which samples of ``draws.clusters`` these are, shape (n,); None: all, in order.

        Returns:
            By name shape (draws.resamples,).

        Raises:
            ResultError: The samples are not as many as the clusters'.
            UndefinedError: A metric has no value.
        """
        wanted = list(names)
        found: dict[str, Floats] = {}
        ranked = {name: RANKED[name] for name in wanted if name in RANKED}
        if ranked:
            found |= rank_replicates(draws, self._labels, self._scores, ranked, rows=rows)
        for columns, metrics in self._sums(wanted):
            found |= sum_replicates(draws, columns, metrics, rows=rows)
        return {name: found[name] for name in wanted}

    def _sums(
        self, names: Sequence[str]
    ) -> Iterator[tuple[npt.NDArray[np.bool_ | np.float64], dict[str, SumMetric]]]:
        """Give what is summed, and the metrics of the sums: at one half, carried, of P(fake)."""
        for carried in (False, True):
            plain = {name: name.removesuffix(CARRIED) for name in names}
            here = {n: p for n, p in plain.items() if p in DECIDED and (n != p) == carried}
            if here:
                threshold = self._threshold if carried else self._half
                columns = outcomes(self._labels, self._scores, threshold)
                yield columns, {n: _of_confusion(DECIDED[p]) for n, p in here.items()}
        calibrated = {n: _of_calibration(CALIBRATED[n]) for n in names if n in CALIBRATED}
        if calibrated:
            yield misfits(self._labels, self._probabilities), calibrated

    def _absent(self, name: str) -> str | None:
        """Say what is lacking for any value, in the words of the level."""
        if len(self._labels) == 0:
            return f"no {self._level}s"
        plain = name.removesuffix(CARRIED)
        needs = {"TPR": (False, True), "F1": (False, True), "FPR": (True, False)}
        both = plain in RANKED or plain == "BACC"
        real, fake = (True, True) if both else needs.get(plain, (False, False))
        for needed, number, what in ((real, self.n_real, "real"), (fake, self.n_fake, "forged")):
            if needed and not number:
                return f"one class only, no {what} {self._level}s"
        return None

    def _compute(self, name: str) -> float:
        """Compute one metric of samples that have what it needs."""
        if name in RANKED:
            return float(RANKED[name](self._ranked))
        if name in DECIDED:
            return float(DECIDED[name](self._at_half))
        if name in CALIBRATED:
            return float(CALIBRATED[name](self._calibration))
        return float(DECIDED[name.removesuffix(CARRIED)](self._at_carried))

    @cached_property
    def _ranked(self) -> Ranked:
        return rank(self._labels, self._scores)

    @cached_property
    def _at_half(self) -> Confusion:
        return confusion(self._labels, self._scores, self._half)

    @cached_property
    def _at_carried(self) -> Confusion:
        return confusion(self._labels, self._scores, self._threshold)

    @cached_property
    def _calibration(self) -> Calibration:
        return calibration(self._labels, self._probabilities)

    @property
    def _half(self) -> float:
        """The score of P(fake) 0.5."""
        return 0.0 if self._level == "image" else 0.5

    @property
    def _threshold(self) -> float:
        """The carried threshold."""
        if self._carried.value is None:
            raise UndefinedError(self._carried.reason or "no threshold")
        return self._carried.value

    @property
    def _probabilities(self) -> Floats:
        """P(fake) in [0, 1], shape (n,)."""
        scores = self._scores.astype(np.float64)
        return probability(scores) if self._level == "image" else scores


def _of_confusion(metric: Callable[[Confusion], Floats]) -> SumMetric:
    """Compute a rate of the sums of ``outcomes``."""
    return lambda sums: metric(Confusion.of_sums(sums))


def _of_calibration(metric: Callable[[Calibration], Floats]) -> SumMetric:
    """Compute a number of the sums of ``misfits``."""
    return lambda sums: metric(Calibration.of_sums(sums))
