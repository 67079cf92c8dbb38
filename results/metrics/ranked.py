"""Metrics of the order of scores alone."""

from functools import partial

from results.metrics.registry import BOTH, Metric, Ranks
from results.metrics.roc import EXPECTED_ABOVE, Ranked

# Up to which FPR the partial AUC goes.
PARTIAL = 0.1


def _tpr_at(fpr: float, order: int, *, beside: bool = False) -> Metric:
    """Describe the TPR at one FPR."""
    return Metric(
        name=f"TPR@FPR={fpr * 100:g}%",
        title=(
            "greatest TPR of a threshold with at most that FPR; only with "
            f"{EXPECTED_ABOVE / fpr:,.0f} clusters of real samples or more"
        ),
        order=order,
        computed=Ranks(partial(Ranked.tpr_at_fpr, fpr=fpr)),
        needs=BOTH,
        real_clusters=round(EXPECTED_ABOVE / fpr),
        chance=fpr,
        beside=beside,
    )


METRICS = (
    Metric(
        name="AUC",
        title="chance that a fake scores above a real one, ties 1/2 (Mann-Whitney)",
        order=100,
        computed=Ranks(Ranked.auc),
        needs=BOTH,
        chance=0.5,
        counted=True,
        beside=True,
        hub="roc_auc",
    ),
    Metric(
        name="AP",
        title=(
            "average precision of *fake*, step-wise, equal scores one step; constant scores give "
            "the share of fakes"
        ),
        order=110,
        computed=Ranks(Ranked.average_precision),
        needs=BOTH,
        beside=True,
        hub="average_precision",
    ),
    Metric(
        name="AP-balanced",
        title=(
            "AP as if both classes were as many, so that sets of another share of fakes compare"
        ),
        order=120,
        computed=Ranks(partial(Ranked.average_precision, prevalence=0.5)),
        needs=BOTH,
        chance=0.5,
        beside=True,
        note="as if both classes were as many",
    ),
    Metric(
        name="EER",
        title="FPR where the linearly interpolated full ROC has FPR = 1 - TPR",
        order=130,
        computed=Ranks(Ranked.eer),
        needs=BOTH,
        higher_is_better=False,
        chance=0.5,
        beside=True,
    ),
    _tpr_at(0.001, 140),
    _tpr_at(0.01, 150, beside=True),
    _tpr_at(0.05, 160),
    Metric(
        name="FPR@TPR=95%",
        title="least FPR of a threshold that finds at least 95 % of the fakes",
        order=170,
        computed=Ranks(partial(Ranked.fpr_at_tpr, tpr=0.95)),
        needs=BOTH,
        higher_is_better=False,
        chance=0.95,
    ),
    Metric(
        name="pAUC",
        title="area under the ROC curve up to FPR 10 %, standardised (McClish, 1989)",
        order=180,
        computed=Ranks(partial(Ranked.partial_auc, fpr=PARTIAL)),
        needs=BOTH,
        chance=0.5,
    ),
)
