"""Metrics of decisions: at P(fake) 0.5, and at the threshold that validation samples chose."""

from collections.abc import Callable
from dataclasses import replace

from results.metrics.checking import Floats
from results.metrics.confusion import Confusion, outcomes
from results.metrics.registry import BOTH, Metric, Sums
from results.metrics.samples import SampleColumns, Samples

CARRIED = "@val"
_AT_HALF = "at P(fake) 0.5"
_AT_CARRIED = "at the threshold of greatest balanced accuracy on the model's own validation samples"


def at_half(samples: Samples) -> SampleColumns:
    """Tell each sample's outcome at P(fake) 0.5, shape (n, 4)."""
    return outcomes(samples.labels, samples.scores, samples.half)


def at_carried(samples: Samples) -> SampleColumns:
    """Tell each sample's outcome at the threshold that validation samples chose, shape (n, 4)."""
    return outcomes(samples.labels, samples.scores, samples.threshold)


def decided(metric: Callable[[Confusion], Floats]) -> Sums:
    """Compute a metric of the outcomes at P(fake) 0.5."""
    return Sums(at_half, lambda sums: metric(Confusion.of_sums(sums)))


def carried(metric: Metric) -> Metric:
    """Describe a metric of ``decided`` at the threshold that validation samples chose."""
    assert isinstance(metric.computed, Sums)
    return replace(
        metric,
        name=metric.name + CARRIED,
        title=f"{metric.name} at the threshold carried over from validation",
        order=metric.order + 50,
        computed=metric.computed._replace(columns=at_carried),
        needs=metric.needs | {"threshold"},
        note=_AT_CARRIED,
        hub=None,
    )


_ACC = Metric(
    name="ACC",
    title="share on the right side of P(fake) 0.5; it depends on the share of fakes",
    order=200,
    computed=decided(Confusion.accuracy),
    counted=True,
    beside=True,
    note=_AT_HALF,
    hub="accuracy",
)
_BACC = Metric(
    name="BACC",
    title="mean of TPR and 1 - FPR at P(fake) 0.5: ACC if both classes were as many",
    order=210,
    computed=decided(Confusion.balanced_accuracy),
    counted=True,
    needs=BOTH,
    chance=0.5,
    beside=True,
    note=_AT_HALF,
)
_F1 = Metric(
    name="F1",
    title=(
        "harmonic mean of precision and recall of *fake* at P(fake) 0.5; it depends on the share "
        "of fakes"
    ),
    order=220,
    computed=decided(Confusion.f1),
    needs=frozenset({"forged"}),
    note=_AT_HALF,
)
_TPR = Metric(
    name="TPR",
    title="share of the forged samples that are called fake at P(fake) 0.5",
    order=230,
    computed=decided(Confusion.tpr),
    counted=True,
    needs=frozenset({"forged"}),
    only="forged",
    note=_AT_HALF,
)
_FPR = Metric(
    name="FPR",
    title="share of the real samples that are called fake at P(fake) 0.5",
    order=240,
    computed=decided(Confusion.fpr),
    counted=True,
    needs=frozenset({"real"}),
    only="real",
    higher_is_better=False,
    note=_AT_HALF,
)

METRICS = (
    *(_ACC, _BACC, _F1, _TPR, _FPR),
    carried(_ACC),
    carried(_BACC),
    carried(_F1),
    replace(carried(_TPR), beside=True),
    replace(carried(_FPR), beside=True),
)
