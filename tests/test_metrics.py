"""Metrics: a reference, brute force, and the properties that define them."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from results.errors import ResultError
from results.metrics import accuracy, auc, average_precision, eer, probability, roc

METRICS = (auc, average_precision, eer)


def draw(seed: int, n: int, *, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    labels[:2] = 0, 1
    scores = rng.normal(size=n) + labels
    return labels, np.round(scores * 2) / 2 if ties else scores


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(20))
def test_auc_and_ap_equal_scikit_learn(seed: int, ties: bool) -> None:
    labels, scores = draw(seed, 300, ties=ties)
    assert auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    expected = average_precision_score(labels, scores)
    assert average_precision(labels, scores) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_auc_is_the_share_of_pairs_in_order_with_ties_counted_half(seed: int) -> None:
    labels, scores = draw(seed, 80, ties=True)
    pairs = scores[labels == 1][:, None] - scores[labels == 0][None, :]
    assert auc(labels, scores) == pytest.approx(np.mean((pairs > 0) + 0.5 * (pairs == 0)))


@pytest.mark.parametrize("seed", range(5))
def test_eer_lies_on_the_interpolated_curve_where_both_errors_are_equal(seed: int) -> None:
    labels, scores = draw(seed, 101, ties=True)
    rate = eer(labels, scores)
    fpr, tpr = roc(labels, scores)
    # Walk every segment finely; none of its points has a smaller worst error than the crossing.
    ways = np.linspace(0, 1, 2001)
    points_f = fpr[:-1, None] + ways * np.diff(fpr)[:, None]
    points_t = tpr[:-1, None] + ways * np.diff(tpr)[:, None]
    assert np.maximum(points_f, 1 - points_t).min() == pytest.approx(rate, abs=1e-3)


@pytest.mark.parametrize("metric", METRICS)
def test_a_rank_metric_is_kept_by_monotone_maps_and_by_order(metric) -> None:  # type: ignore[no-untyped-def]
    labels, scores = draw(0, 200)
    order = np.random.default_rng(1).permutation(200)
    assert metric(labels, np.exp(scores)) == pytest.approx(metric(labels, scores), abs=1e-12)
    assert metric(labels[order], scores[order]) == metric(labels, scores)


def test_swapping_labels_and_signs_mirrors_auc_and_eer() -> None:
    labels, scores = draw(0, 200, ties=True)
    assert auc(1 - labels, scores) == pytest.approx(1 - auc(labels, scores), abs=1e-12)
    assert auc(1 - labels, -scores) == pytest.approx(auc(labels, scores), abs=1e-12)
    assert eer(1 - labels, -scores) == pytest.approx(eer(labels, scores), abs=1e-12)


def test_constant_scores_are_chance_not_perfection() -> None:
    labels = np.array([0, 0, 0, 1])
    scores = np.zeros(4)
    assert (auc(labels, scores), eer(labels, scores)) == (0.5, 0.5)
    assert average_precision(labels, scores) == 0.25


def test_perfect_and_reversed_scores_are_the_ends_of_the_range() -> None:
    labels, scores = np.array([0, 0, 1, 1]), np.array([0.0, 1, 2, 3])
    assert [metric(labels, scores) for metric in METRICS] == [1, 1, 0]
    assert (auc(labels, -scores), eer(labels, -scores)) == (0, 1)


def test_large_logits_keep_the_order_that_a_float32_sigmoid_loses() -> None:
    labels = np.array([0, 1, 0, 1])
    logits = np.array([18, 19, 20, 21], dtype=np.float32)
    assert auc(labels, logits) == 0.75
    assert auc(labels, probability(logits)) == 0.75
    assert auc(labels, probability(logits).astype(np.float32)) == 0.5


def test_accuracy_calls_a_score_at_the_threshold_real() -> None:
    assert accuracy([0, 1, 1], [0.0, 0.0, 1.0]) == pytest.approx(2 / 3)
    assert accuracy([0, 1], [0.5, 0.6], threshold=0.5) == 1
    assert accuracy([1, 1], [1.0, 2.0]) == 1


def test_roc_has_every_point_from_corner_to_corner() -> None:
    fpr, tpr = roc([0, 1, 0, 1], [1.0, 2.0, 3.0, 3.0])
    assert fpr.tolist() == [0, 0.5, 0.5, 1]
    assert tpr.tolist() == [0, 0.5, 1, 1]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("labels", "scores", "sentence"),
    [
        ([1, 1], [0.0, 1.0], "2 forged samples and no real ones: one class only"),
        ([0], [0.0], "1 real samples and no forged ones: one class only"),
        ([0, 1], [0.0, np.nan], "score 1 is nan, not a finite number"),
        ([0, 1], [np.inf, 0.0], "score 0 is inf, not a finite number"),
        ([0, 2], [0.0, 1.0], r"label 1 is 2, neither 0 \(real\) nor 1 \(fake\)"),
        ([0, 1], [0.0], "two lists of one length, got shapes"),
        ([], [], "there are no samples"),
    ],
)
def test_what_has_no_metric_is_an_error_that_says_why(metric, labels, scores, sentence) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ResultError, match=sentence):
        metric(np.array(labels), np.array(scores))
