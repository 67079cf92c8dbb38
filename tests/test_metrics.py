"""Metrics: a reference, brute force, and the properties that define them."""

import numpy as np
import pytest
from sklearn import metrics as reference
from sklearn.metrics import average_precision_score, roc_auc_score

from performance import metrics_speed
from results.errors import ResultError, UndefinedError
from results.metrics.confusion import best_threshold
from results.metrics.functions import (
    accuracy,
    auc,
    average_precision,
    balanced_accuracy,
    brier,
    ece,
    eer,
    f1,
    fpr,
    fpr_at_tpr,
    group_means,
    log_loss,
    partial_auc,
    probability,
    roc,
    tpr,
    tpr_at_fpr,
)
from results.metrics.roc import Order, Ranked, rank
from results.subgroups import Scores, by_subgroup, cross_auc, pooled_auc

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


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(10))
def test_metrics_of_a_part_of_the_curve_equal_scikit_learn(seed: int, ties: bool) -> None:
    labels, scores = draw(seed, 400, ties=ties)
    x, y, _ = reference.roc_curve(labels, scores, drop_intermediate=False)
    for share in (0.05, 0.1, 0.5):
        found = partial_auc(labels, scores, share)
        expected = roc_auc_score(labels, scores, max_fpr=share)
        assert found == pytest.approx(expected, abs=1e-12)
    assert tpr_at_fpr(labels, scores, 0.1) == y[x <= 0.1].max()
    assert fpr_at_tpr(labels, scores, 0.95) == x[y >= 0.95].min()


def test_tpr_at_a_small_fpr_takes_enough_real_samples() -> None:
    labels, scores = np.repeat([0, 1], [1000, 5]), np.arange(1005.0)
    assert tpr_at_fpr(labels, scores, 0.01) == 1
    with pytest.raises(UndefinedError, match="FPR 1 % needs 1000 real samples, there are 999"):
        tpr_at_fpr(labels[1:], scores[1:], 0.01)
    with pytest.raises(UndefinedError, match=r"FPR 0.1 % needs 10000 real samples"):
        tpr_at_fpr(labels, scores, 0.001)


@pytest.mark.parametrize("share", [0.0, 1.0, 5.0, np.nan])
def test_a_curve_is_read_between_0_and_1(share: float) -> None:
    ranked = rank([0, 1], [0.0, 1.0])
    for read in (
        ranked.tpr_at_fpr,
        ranked.fpr_at_tpr,
        ranked.partial_auc,
        ranked.average_precision,
    ):
        with pytest.raises(ResultError, match="is asked for; it must lie between 0 and 1"):
            read(share)


@pytest.mark.parametrize("seed", range(5))
def test_ap_at_a_prevalence_is_that_of_classes_weighted_to_it(seed: int) -> None:
    labels, scores = draw(seed, 300, ties=True)
    for share in (0.1, 0.5):
        weights = np.where(labels == 1, share / labels.mean(), (1 - share) / (1 - labels.mean()))
        expected = average_precision_score(labels, scores, sample_weight=weights)
        found = average_precision(labels, scores, prevalence=share)
        assert found == pytest.approx(expected, abs=1e-12)
    again = np.concatenate([labels, np.ones(900, int)])
    more = np.concatenate([scores, np.tile(scores[labels == 1], 900)[:900]])
    assert average_precision(again, more) > average_precision(labels, scores) + 0.05


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_weights_need_not_be_whole_numbers(seed: int, ties: bool) -> None:
    labels, scores = draw(seed, 120, ties=ties)
    rng = np.random.default_rng(seed)
    clusters = rng.integers(0, 40, 120)
    weights = rng.exponential(size=(1, 40)) * rng.integers(0, 3, 40)
    ranked = Order(labels, scores, clusters).ranked(weights)
    each = weights[0, clusters]
    expected = roc_auc_score(labels, scores, sample_weight=each)
    assert ranked.auc()[0] == pytest.approx(expected, abs=1e-12)
    expected = average_precision_score(labels, scores, sample_weight=each)
    assert ranked.average_precision()[0] == pytest.approx(expected, abs=1e-12)
    expected = roc_auc_score(labels, scores, sample_weight=each, max_fpr=0.2)
    assert ranked.partial_auc(0.2)[0] == pytest.approx(expected, abs=1e-12)
    x, y, _ = reference.roc_curve(labels, scores, sample_weight=each, drop_intermediate=False)
    assert ranked.tpr_at_fpr(0.25)[0] == pytest.approx(y[x <= 0.25].max())


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(10))
def test_a_weighted_resample_equals_its_samples_written_out(seed: int, ties: bool) -> None:
    labels, scores = draw(seed, 120, ties=ties)
    rng = np.random.default_rng(seed)
    clusters = rng.integers(0, 40, 120)
    weights = rng.integers(0, 4, (3, 40))
    ranked = Order(labels, scores.astype(np.float32), clusters).ranked(weights)
    for number in range(3):
        rows = np.repeat(np.arange(120), weights[number, clusters])
        copied = (labels[rows], scores[rows].astype(np.float32))
        for metric, plain in (
            (ranked.auc(), auc(*copied)),
            (ranked.average_precision(), average_precision(*copied)),
            (ranked.average_precision(0.5), average_precision(*copied, prevalence=0.5)),
            (ranked.eer(), eer(*copied)),
            (ranked.fpr_at_tpr(0.9), fpr_at_tpr(*copied, 0.9)),
            (ranked.tpr_at_fpr(0.5), tpr_at_fpr(*copied, 0.5)),
            (ranked.partial_auc(0.2), partial_auc(*copied, 0.2)),
        ):
            assert metric[number] == pytest.approx(plain, abs=1e-12)


def test_one_sort_keeps_the_distinct_scores_and_counts() -> None:
    ranked = rank([0, 1, 1, 0], np.array([1, 3, 1, -2], np.float32))
    assert isinstance(ranked, Ranked)
    assert ranked.distinct.tolist() == [3, 1, -2]
    assert (ranked.false.tolist(), ranked.true.tolist()) == ([0, 0, 1, 2], [0, 1, 2, 2])


@pytest.mark.parametrize("threshold", [-0.5, 0.0, 0.5])
@pytest.mark.parametrize("seed", range(5))
def test_decisions_equal_scikit_learn(seed: int, threshold: float) -> None:
    labels, scores = draw(seed, 200, ties=True)
    called, given = scores > threshold, (labels, scores, threshold)
    assert accuracy(*given) == pytest.approx(reference.accuracy_score(labels, called))
    expected = reference.balanced_accuracy_score(labels, called)
    assert balanced_accuracy(*given) == pytest.approx(expected, abs=1e-12)
    assert f1(*given) == pytest.approx(reference.f1_score(labels, called), abs=1e-12)
    assert tpr(*given) == pytest.approx(reference.recall_score(labels, called))
    assert fpr(*given) == pytest.approx(1 - reference.recall_score(1 - labels, ~called))


def test_float32_is_sorted_as_float64_is() -> None:
    rng = np.random.default_rng(0)
    limits = np.finfo(np.float32)
    high, low, least = map(float, (limits.max, limits.tiny, limits.smallest_subnormal))
    edges = [0.0, -0.0, low, -low, high, -high, least]
    scores = np.concatenate([np.tile(edges, 8), rng.normal(size=500).round(1)]).astype(np.float32)
    kept = scores.copy()
    labels = rng.integers(0, 2, len(scores))
    ours, theirs = rank(labels, scores), rank(labels, scores.astype(np.float64))
    np.testing.assert_array_equal(ours.true, theirs.true)
    np.testing.assert_array_equal(ours.false, theirs.false)
    np.testing.assert_array_equal(ours.distinct, theirs.distinct)
    np.testing.assert_array_equal(scores, kept)


def test_a_set_of_one_class_has_its_rate_and_no_other() -> None:
    assert fpr([0, 0, 0, 0], [1.0, 0, 0, 0]) == 0.25
    assert tpr([1, 1], [1.0, 0]) == 0.5
    for metric, labels, absent in ((tpr, [0], "forged"), (f1, [0], "forged"), (fpr, [1], "real")):
        with pytest.raises(UndefinedError, match=f"one class only: there are no {absent} samples"):
            metric(labels, [1.0])
    with pytest.raises(UndefinedError, match="there are no real samples"):
        balanced_accuracy([1], [1.0])


@pytest.mark.parametrize("seed", range(10))
def test_no_threshold_is_better_than_the_chosen_one(seed: int) -> None:
    labels, scores = draw(seed, 60, ties=True)
    chosen = best_threshold(labels, scores)
    tried = np.concatenate([np.unique(scores) + step for step in (-0.1, 0, 0.1)])
    best = max(balanced_accuracy(labels, scores, at) for at in tried)
    assert balanced_accuracy(labels, scores, chosen) == pytest.approx(best)
    assert best_threshold([0, 1], [1.0, 2.0]) == 1.5


def test_a_threshold_separates_neighbouring_float32() -> None:
    low = np.float32(1)
    scores = np.array([low, np.nextafter(low, np.float32(2))])
    assert accuracy([0, 1], scores, best_threshold([0, 1], scores)) == 1


def test_the_best_threshold_may_call_all_fake_or_none() -> None:
    assert balanced_accuracy([0, 1], [2.0, 1.0], best_threshold([0, 1], [2.0, 1.0])) == 0.5
    assert fpr([0, 1], [2.0, 1.0], best_threshold([0, 1], [2.0, 1.0])) == 0


@pytest.mark.parametrize("seed", range(5))
def test_calibration_equals_its_definition(seed: int) -> None:
    labels, scores = draw(seed, 300)
    p = probability(scores * 3)
    assert log_loss(labels, p) == pytest.approx(reference.log_loss(labels, p), abs=1e-12)
    assert brier(labels, p) == pytest.approx(reference.brier_score_loss(labels, p), abs=1e-12)
    expected = 0.0
    for low in range(15):
        here = (p >= low / 15) & (p < (low + 1) / 15)
        if here.any():
            expected += here.mean() * abs(p[here].mean() - labels[here].mean())
    assert ece(labels, p) == pytest.approx(expected, abs=1e-12)


def test_the_surest_error_is_costly_and_not_infinite() -> None:
    assert log_loss([0, 1], [1.0, 1.0]) == pytest.approx(36.04 / 2, abs=0.01)
    assert ece([1, 1], [1.0, 1.0]) == 0
    assert ece([0, 0], [1.0, 1.0]) == 1


def test_many_samples_are_summed_in_slices() -> None:
    rng = np.random.default_rng(0)
    p, labels = rng.random(150_000), rng.integers(0, 2, 150_000)
    assert brier(labels, p) == pytest.approx(float(np.mean((p - labels) ** 2)), abs=1e-12)


@pytest.mark.parametrize("metric", [log_loss, brier, ece])
def test_a_logit_is_no_probability(metric) -> None:  # type: ignore[no-untyped-def]
    sentence = r"the score of 'b.png' is 1.5, not a probability between 0 and 1; logits become"
    with pytest.raises(ResultError, match=sentence):
        metric([0, 1], [0.5, 1.5], ["a.png", "b.png"])


@pytest.mark.parametrize("metric", [*METRICS, accuracy, f1, fpr, best_threshold])
def test_a_wrong_sample_is_named(metric) -> None:  # type: ignore[no-untyped-def]
    names = ["a.png", "b.png", "c.png"]
    with pytest.raises(ResultError, match=r"the score of 'b.png' is nan, not a finite number"):
        metric([0, 1, 0], [0, np.nan, 1], names=names)
    with pytest.raises(ResultError, match=r"the label of 'c.png' is 2, neither 0"):
        metric([0, 1, 2], [0.0, 0.0, 0.0], names=names)


def test_subgroups_have_a_worst_and_a_gap_and_reasons() -> None:
    labels, scores = draw(0, 200)
    column = np.array(["young", "old", "", "child"])[np.random.default_rng(5).integers(0, 3, 200)]
    column[np.flatnonzero(labels == 1)[0]] = "child"
    scores[column == "old"] *= 1 - 2 * labels[column == "old"]
    found = by_subgroup(labels, scores, column, auc)
    expected = {
        name: auc(labels[column == name], scores[column == name]) for name in ("young", "old")
    }
    assert found.worst == "old"
    assert found.gap == pytest.approx(expected["young"] - expected["old"])
    assert found.values["old"].value == expected["old"]
    assert found.values["child"].reason == "1 forged samples and no real ones: one class only"
    assert sorted(found.values) == ["child", "old", "young"]
    lower = by_subgroup(labels, scores, column, eer, higher_is_better=False)
    assert lower.worst == "old"


def test_a_column_in_which_no_subgroup_has_a_value_is_told() -> None:
    with pytest.raises(UndefinedError, match=r"no subgroup has a value \(a: 1 real samples"):
        by_subgroup([0, 1], [0.0, 1.0], ["a", "b"], auc)
    with pytest.raises(UndefinedError, match="there are no subgroups"):
        by_subgroup([0, 1], [0.0, 1.0], ["", ""], auc)
    with pytest.raises(ResultError, match="2 scores, but a column of shape"):
        by_subgroup([0, 1], [0.0, 1.0], ["a"], auc)


def test_a_shift_between_sets_shows_across_them_and_not_within() -> None:
    labels, scores = draw(0, 300)
    sets = {"a": Scores(labels, scores), "b": Scores(labels, scores + 9), "c": Scores([1], [0.0])}
    found = cross_auc(sets)
    assert found["a", "a"] == found["b", "b"] == auc(labels, scores)
    assert (found["a", "b"], found["b", "a"]) == (1, 0)
    assert ("c", "a") not in found
    assert found["a", "c"] == auc([*labels[labels == 0], 1], [*scores[labels == 0], 0.0])
    assert found["b", "a"] < pooled_auc(sets) < found["a", "a"]


def test_the_speed_script_says_what_it_measured(capsys: pytest.CaptureFixture[str]) -> None:
    metrics_speed.main(["--samples", "2000", "--rounds", "1", "--resamples", "100"])
    told = capsys.readouterr().out
    assert "| argsort, s | AUC + EER + AP, s | ratio | peak MB |" in told
    assert "| 70 | AUC, EER, AP |" in told


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


def test_a_groups_mean_does_not_depend_on_the_order_of_its_values() -> None:
    rng = np.random.default_rng(0)
    of = np.repeat(np.arange(50), 32)
    values = rng.random(len(of))
    means = group_means(values, of)
    np.testing.assert_allclose(means, values.reshape(50, 32).mean(axis=1), rtol=1e-14)
    for _ in range(5):
        order = rng.permutation(len(of))
        np.testing.assert_array_equal(group_means(values[order], of[order]), means)
    tenths = [0.1, 0.2, 0.3, 0.3, 0.2, 0.1]  # added up one by one their sums differ
    first, second = group_means(np.array(tenths), np.array([0, 0, 0, 1, 1, 1]))
    assert first == second == pytest.approx(0.2)
