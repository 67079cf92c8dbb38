"""The metrics by name: each is what its name says, and says why where it has no value."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, brier_score_loss, f1_score, roc_auc_score

from protocols import ProtocolError, load_protocol
from results.measured import Measured
from results.metrics.functions import probability
from results.metrics.registry import METRICS, check_metrics
from results.schema import Value

CARRIED = Value(value=0.7)
LABELS = np.repeat([0, 1], [1200, 800])
SCORES = np.random.default_rng(3).normal(size=2000).astype(np.float32) + LABELS


def measured(
    labels: np.ndarray = LABELS, level: str = "image", carried: Value = CARRIED
) -> Measured:
    return Measured(labels, SCORES[: len(labels)], level=level, carried=carried)


def test_a_protocol_may_list_every_metric_and_no_other() -> None:
    protocol = load_protocol("cross-generator")
    check_metrics(protocol.model_copy(update={"metrics": tuple(METRICS)}))
    with pytest.raises(ProtocolError, match=r"'metrics\.\d+' is 'auc', not one of AUC, AP, "):
        check_metrics(protocol.model_copy(update={"metrics": (*METRICS, "auc")}))


def test_every_metric_of_two_classes_has_a_value() -> None:
    lacking = {n for n, value in measured().values(METRICS).items() if value.value is None}
    assert lacking == {"TPR@FPR=0.1%"}  # it needs 10,000 real samples
    assert measured().value("TPR@FPR=0.1%").reason == (
        "TPR at FPR 0.1 % needs 10000 real samples, there are 1200"
    )


def test_metrics_are_those_of_scikit_learn() -> None:
    p = probability(SCORES)
    expected = {
        "AUC": roc_auc_score(LABELS, SCORES),
        "pAUC": roc_auc_score(LABELS, SCORES, max_fpr=0.1),
        "BACC": balanced_accuracy_score(LABELS, SCORES > 0),
        "BACC@val": balanced_accuracy_score(LABELS, np.float64(0.7) < SCORES),
        "F1": f1_score(LABELS, SCORES > 0),
        "Brier": brier_score_loss(LABELS, p),
        "FPR@val": (SCORES[:1200] > np.float64(0.7)).mean(),
        "TPR": (SCORES[1200:] > 0).mean(),
    }
    for name, number in expected.items():
        assert measured().value(name).value == pytest.approx(number, abs=1e-9), name


def test_probabilities_of_videos_are_called_fake_above_one_half() -> None:
    p = probability(SCORES)
    videos = Measured(LABELS, p, level="video", carried=CARRIED)
    for name in ("ACC", "Brier"):
        assert videos.value(name).value == pytest.approx(measured().value(name).value, abs=1e-9)


@pytest.mark.parametrize(
    ("label", "known", "lacking", "reason"),
    [
        (
            0,
            {"ACC", "FPR@val", "Brier"},
            {"AUC", "TPR", "BACC"},
            "one class only, no forged videos",
        ),
        (1, {"ACC", "TPR@val", "F1"}, {"AUC", "FPR", "BACC@val"}, "one class only, no real videos"),
    ],
)
def test_one_class_has_its_rates_and_no_others(
    label: int, known: set[str], lacking: set[str], reason: str
) -> None:
    found = Measured(np.full(9, label), probability(SCORES[:9]), level="video", carried=CARRIED)
    assert all(value.value is not None for value in found.values(known).values())
    assert {value.reason for value in found.values(lacking).values()} == {reason}


def test_without_a_threshold_its_metrics_say_why() -> None:
    found = measured(carried=Value(value=None, reason="none was chosen")).value("BACC@val")
    assert (found.value, found.reason) == (None, "none was chosen")
