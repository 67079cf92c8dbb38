"""Metrics of P(fake) itself."""

from collections.abc import Callable
from math import inf

from results.metrics.calibration import BINS, Calibration, misfits
from results.metrics.checking import Floats
from results.metrics.registry import Metric, MetricNeed, Sums
from results.metrics.samples import SampleColumns, Samples

_NEEDS: frozenset[MetricNeed] = frozenset({"probabilities"})


def of_probabilities(samples: Samples) -> SampleColumns:
    """Tell what each sample adds to ``Calibration``, shape (n, 18)."""
    return misfits(samples.labels, samples.probabilities)


def calibrated(metric: Callable[[Calibration], Floats]) -> Sums:
    """Compute a metric of how far P(fake) can be taken at its word."""
    return Sums(of_probabilities, lambda sums: metric(Calibration.of_sums(sums)))


METRICS = (
    Metric(
        name="log-loss",
        title="mean of -ln P(true class), nats, at most 36.04",
        order=300,
        computed=calibrated(Calibration.log_loss),
        needs=_NEEDS,
        higher_is_better=False,
        bounds=(0.0, inf),
    ),
    Metric(
        name="Brier",
        title="mean squared distance of P(fake) to the label",
        order=310,
        computed=calibrated(Calibration.brier),
        needs=_NEEDS,
        higher_is_better=False,
    ),
    Metric(
        name="ECE",
        title=(
            f"distance of mean P(fake) to the share of fakes in {BINS} bins of equal width (Naeini "
            "et al., 2015; Guo et al., 2017); biased upwards with few samples"
        ),
        order=320,
        computed=calibrated(Calibration.ece),
        needs=_NEEDS,
        higher_is_better=False,
        not_resampled="resamples of ECE are biased upwards",
        beside=True,
    ),
)
