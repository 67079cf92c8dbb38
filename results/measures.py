"""The metrics of a cell, by the names that protocols, records and tables have for them."""

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from results.calibration import Calibration, calibration
from results.checking import Floats
from results.confusion import Confusion, confusion
from results.errors import UndefinedError
from results.ranked import Ranked, rank
from results.resampling import RankMetric
from results.schema import Value

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

    def _absent(self, name: str) -> str | None:
        """Say what is lacking for any value, in the words of the level."""
        n_fake = int(self._labels.sum())
        n_real = len(self._labels) - n_fake
        if n_real + n_fake == 0:
            return f"no {self._level}s"
        plain = name.removesuffix(CARRIED)
        needs = {"TPR": (False, True), "F1": (False, True), "FPR": (True, False)}
        both = plain in RANKED or plain == "BACC"
        real, fake = (True, True) if both else needs.get(plain, (False, False))
        for needed, number, what in ((real, n_real, "real"), (fake, n_fake, "forged")):
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
        half = 0.0 if self._level == "image" else 0.5
        return confusion(self._labels, self._scores, half)

    @cached_property
    def _at_carried(self) -> Confusion:
        if self._carried.value is None:
            raise UndefinedError(self._carried.reason or "no threshold")
        return confusion(self._labels, self._scores, self._carried.value)

    @cached_property
    def _calibration(self) -> Calibration:
        scores = self._scores.astype(np.float64)
        p = expit(scores) if self._level == "image" else scores
        return calibration(self._labels, p)
