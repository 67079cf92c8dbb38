"""Intervals cover, comparisons err as often as they say, and what is not known is refused."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from scipy.special import logit
from statsmodels.stats.multitest import multipletests

from results.errors import ResultError, UndefinedError
from results.measured import Measured
from results.metrics.functions import auc
from results.metrics.registry import METRICS
from results.metrics.roc import Ranked
from results.schema import Value
from results.statistics.bootstrap import Draws
from results.statistics.differences import (
    compare_replicates,
    delong_difference,
    holm,
)
from results.statistics.intervals import (
    Interval,
    Replicated,
    auc_interval,
    bootstrap_interval,
    bound_at_end,
    delong_interval,
    over_seeds,
    replicate,
    simultaneous_intervals,
)
from results.statistics.seeds import seed_spread
from tests.drawn_scores import Drawn, replicated, swaps, videos

# Intervals


def share_covered(
    draw: Callable[[np.random.Generator], Drawn],
    interval: Callable[[np.ndarray, np.ndarray, np.ndarray], Interval],
    truth: float,
    number: int,
) -> float:
    rng = np.random.default_rng(0)
    intervals = [interval(*draw(rng)) for _ in range(number)]
    return float(np.mean([found.low <= truth <= found.high for found in intervals]))


def clustered(labels: np.ndarray, scores: np.ndarray, cluster: np.ndarray) -> Interval:
    return auc_interval(labels, scores, cluster, resamples=200)


def naive(labels: np.ndarray, scores: np.ndarray, cluster: np.ndarray) -> Interval:
    return delong_interval(labels, scores)


def test_intervals_of_frames_cover_only_if_videos_are_the_unit() -> None:
    truth = float(stats.norm.cdf(1.5 / 2))
    assert share_covered(videos, clustered, truth, 100) >= 0.88
    assert share_covered(videos, naive, truth, 100) <= 0.75


@pytest.mark.slow
@pytest.mark.parametrize(
    ("draw", "truth", "least", "most"),
    [
        (videos, stats.norm.cdf(1.5 / 2), 0.925, 0.985),
        (lambda rng: videos(rng, 8, 16), stats.norm.cdf(1.5 / 2), 0.925, 0.985),
        (swaps, stats.norm.cdf(1 / 2), 0.925, 0.985),
        (lambda rng: swaps(rng, 10), stats.norm.cdf(1 / 2), 0.925, 0.985),
        # Near 1 the longer arm errs on the wide side; without it .90 is covered.
        (lambda rng: swaps(rng, 20, 3.5), stats.norm.cdf(3.5 / 2), 0.93, 0.992),
    ],
    ids=["videos", "few-videos", "swaps", "few-swaps", "nearly-perfect"],
)
def test_bootstrap_intervals_cover(
    draw: Callable[[np.random.Generator], Drawn], truth: float, least: float, most: float
) -> None:
    assert least <= share_covered(draw, clustered, truth, 600) <= most


@pytest.mark.slow
def test_intervals_of_other_metrics_cover() -> None:
    def measured(rng: np.random.Generator, number: int) -> tuple[Measured, Drawn]:
        labels, scores, cluster = videos(rng, number)
        drawn = (labels, scores - 0.75, cluster)
        return Measured(*drawn[:2], level="image", carried=Value(value=0.3)), drawn

    names = ("AP", "EER", "FPR@TPR=95%", "pAUC", "ACC", "BACC@val", "F1", "Brier", "log-loss")

    def numbers(sample: Measured) -> dict[str, float]:
        return {name: float(value.value or 0) for name, value in sample.values(names).items()}

    rng = np.random.default_rng(0)
    truth = numbers(measured(rng, 40_000)[0])
    covered = dict.fromkeys(names, 0)
    for _ in range(400):
        sample, (labels, _, cluster) = measured(rng, 20)
        draws = Draws.of_cell(labels, cluster, resamples=200)
        values, replicates = numbers(sample), sample.replicates(names, draws)
        for name in names:
            found = bootstrap_interval(
                values[name], replicates[name], draws.fewest, bounds=METRICS[name].bounds
            )
            covered[name] += found.low <= truth[name] <= found.high
    assert all(0.915 <= number / 400 <= 0.99 for number in covered.values()), covered


@pytest.mark.slow
@pytest.mark.parametrize(("n", "effect"), [(100, 1.0), (50, 2.5), (30, 0.0)])
def test_delong_intervals_of_independent_samples_cover(n: int, effect: float) -> None:
    labels = np.repeat([0, 1], n)

    def draw(rng: np.random.Generator) -> Drawn:
        return labels, rng.normal(size=2 * n) + effect * labels, np.arange(2 * n)

    truth = float(stats.norm.cdf(effect / np.sqrt(2)))
    assert 0.925 <= share_covered(draw, clustered, truth, 2000) <= 0.975


@pytest.mark.slow
def test_equal_detectors_differ_in_one_of_twenty_comparisons() -> None:
    rng, ps, covered = np.random.default_rng(0), [], 0
    for _ in range(600):
        labels, scores, cluster = swaps(rng)
        draws = Draws.of_cell(labels, cluster, resamples=200)
        left, right = (
            replicate(draws, labels, {0: scores + rng.normal(size=len(labels))}, Ranked.auc)
            for _ in range(2)
        )
        found = compare_replicates(left, right)
        ps.append(found.p)
        covered += found.low <= 0 <= found.high
    assert 0.025 <= np.mean(np.array(ps) < 0.05) <= 0.075
    assert covered / 600 == pytest.approx(1 - np.mean(np.array(ps) < 0.05))


def test_delong_equals_its_definition() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [40, 30])
    left, right = np.round(rng.normal(size=(2, 70)) + labels, 1)
    parts = []
    for scores in (left, right):
        pairs = scores[40:, None] - scores[None, :40]
        wins = (pairs > 0) + 0.5 * (pairs == 0)
        parts.append((wins.mean(axis=1), wins.mean(axis=0)))
    fakes, reals = (np.stack([p[i] for p in parts]) for i in (0, 1))
    covariance = np.cov(fakes) / 30 + np.cov(reals) / 40
    area = auc(labels, left)
    reach = 1.959964 * np.sqrt(covariance[0, 0]) / (area * (1 - area))
    found = delong_interval(labels, left)
    assert logit([found.low, found.high]) == pytest.approx(
        [logit(area) - reach, logit(area) + reach], abs=1e-6
    )
    error = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    difference = delong_difference(labels, left, right)
    assert difference.value == pytest.approx(area - auc(labels, right))
    assert difference.p == pytest.approx(2 * stats.norm.sf(abs(difference.value) / error))


def test_delong_is_used_for_independent_samples_alone() -> None:
    labels, scores, cluster = videos(np.random.default_rng(0))
    found = auc_interval(labels, scores, cluster, resamples=100)
    apart = auc_interval(labels, scores, np.arange(320) * 7)
    assert (found.method, apart.method) == ("cluster bootstrap", "DeLong")
    assert found.high - found.low > 1.5 * (apart.high - apart.low)
    assert auc_interval(labels, scores, cluster, resamples=100) == found


def test_bootstrap_and_delong_agree_on_independent_samples() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 150)
    scores = rng.normal(size=300) + labels
    draws = Draws.of_cell(labels, np.arange(300), resamples=1000)
    found = replicate(draws, labels, {0: scores}, Ranked.auc)
    ours = bootstrap_interval(float(found.estimates[0]), found.replicates[0], draws.fewest)
    assert ours[:2] == pytest.approx(delong_interval(labels, scores)[:2], abs=0.005)


def test_perfection_is_bounded_on_one_side_by_the_number_of_clusters() -> None:
    labels, _, cluster = videos(np.random.default_rng(0))
    low, high, method = auc_interval(labels, labels.astype(float), cluster, resamples=100)
    assert (high, method) == (1.0, "rule of three")
    assert low == pytest.approx(0.05 ** (1 / 20)) == pytest.approx(1 - 3 / 20, abs=0.015)
    wrong = auc_interval(labels, -labels.astype(float), cluster, resamples=100)
    assert wrong.low == 0.0
    assert wrong.high == pytest.approx(1 - low)
    assert bound_at_end(0.0, 20, (0.0, 2.0)).high == pytest.approx(2 * (1 - low))
    assert bound_at_end(1.0, 20, of=5).low < low


def test_the_bound_of_perfection_holds() -> None:
    # Ten videos a class whose AUC is what the bound says: all pairs in order in 5 % at most.
    low = bound_at_end(1.0, 10).low
    rng, shift = np.random.default_rng(0), np.sqrt(2) * stats.norm.ppf(low)
    real, fake = rng.normal(size=(2, 4000, 10))
    perfect = (fake + shift).min(axis=1) > real.max(axis=1)
    assert perfect.mean() <= 0.05


def test_what_never_varies_has_no_interval_and_says_so() -> None:
    labels, _, cluster = videos(np.random.default_rng(0))
    with pytest.raises(UndefinedError, match="nothing speaks against 1: how sure it is cannot be"):
        bootstrap_interval(1.0, np.ones(100), 20)
    with pytest.raises(UndefinedError, match=r"against 0.5"):
        auc_interval(labels, np.zeros(320), cluster, resamples=100)
    with pytest.raises(UndefinedError, match="one sample alone in a class"):
        delong_interval([0, 1, 1], [0.0, 1.0, 2.0])


def test_an_unbounded_metric_has_an_interval_on_its_own_scale() -> None:
    replicates = np.random.default_rng(0).normal(3, 0.1, 500)
    low, high, _ = bootstrap_interval(3.0, replicates, 30, bounds=(0.0, np.inf))
    assert (low + high) / 2 == pytest.approx(3)
    with pytest.raises(UndefinedError, match="against 3"):
        bootstrap_interval(3.0, replicates, 30)


def test_an_interval_keeps_within_the_bounds_of_its_metric() -> None:
    replicates = np.random.default_rng(0).normal(0.98, 0.01, 500)
    unit = bootstrap_interval(0.98, replicates, 30)
    low, high, _ = bootstrap_interval(2 * 0.98 - 1, 2 * replicates - 1, 30, bounds=(-1.0, 1.0))
    assert (low, high) == pytest.approx((2 * unit.low - 1, 2 * unit.high - 1))
    assert high < 1
    below, _, _ = bootstrap_interval(0.0, replicates - 0.98, 30, bounds=(-1.0, 1.0))
    assert below < 0
    with pytest.raises(UndefinedError, match="against -1: how sure"):
        bootstrap_interval(-1.0, replicates, 30, bounds=(-1.0, 1.0))


def test_near_an_end_the_arm_to_the_longer_tail_is_longer() -> None:
    rng = np.random.default_rng(0)
    tail = 0.99 - 0.002 * (rng.exponential(size=2000) - 1)
    even = 0.99 + 0.002 * rng.normal(size=2000)
    skewed, plain = bootstrap_interval(0.99, tail, 30), bootstrap_interval(0.99, even, 30)
    assert skewed.low < plain.low - 0.001
    assert skewed.high == pytest.approx(plain.high, abs=2e-4)
    # In the middle of the range skewness is left alone.
    middle = bootstrap_interval(0.5, tail - 0.49, 30)
    assert middle.high - 0.5 == pytest.approx(0.5 - middle.low, rel=0.01)


def test_intervals_of_the_worst_hold_for_all_at_once() -> None:
    rng, covered, alone = np.random.default_rng(0), 0, 0
    for _ in range(200):
        estimates = 0.8 + 0.02 * rng.normal(size=10)
        replicates = estimates[:, None] + 0.02 * rng.normal(size=(10, 300))
        lows, highs = simultaneous_intervals(estimates, replicates, np.full(10, 60))
        covered += lows.min() <= 0.8 <= highs.min()
        worst = int(estimates.argmin())
        low, high, _ = bootstrap_interval(estimates[worst], replicates[worst], 60)
        alone += low <= 0.8 <= high
    assert covered >= 190
    assert alone < 180, "the worst alone is believed too much"
    perfect = simultaneous_intervals(
        np.array([1.0, 0.8]), np.stack([np.ones(300), replicates[0]]), np.array([20, 60])
    )
    assert (perfect[0][0], perfect[1][0]) == (pytest.approx(0.025 ** (1 / 20)), 1.0)


# Seeds and comparisons


def test_seeds_widen_the_interval_and_are_never_averaged_in_scores() -> None:
    rng = np.random.default_rng(0)
    labels, scores, cluster = videos(rng)
    draws = Draws.of_cell(labels, cluster, resamples=200)
    of_seed = {seed: scores + rng.normal(size=320) * 2 for seed in (1, 2, 3)}
    found = replicate(draws, labels, of_seed, Ranked.auc)
    each = [auc(labels, one) for one in of_seed.values()]
    summary = over_seeds(found)
    assert summary.mean == pytest.approx(np.mean(each))
    assert summary.mean < auc(labels, np.mean(list(of_seed.values()), axis=0)) - 0.02
    assert summary.sd == pytest.approx(np.std(each, ddof=1))
    assert summary.seeds == found.replicates.shape[0] == 3
    alone = bootstrap_interval(summary.mean, found.replicates.mean(axis=0), draws.fewest)
    assert summary.low < alone.low < alone.high < summary.high


def test_one_seed_has_no_spread() -> None:
    found = replicated(0, 0.8)
    summary = over_seeds(found)
    interval = bootstrap_interval(summary.mean, found.replicates[0], 40)
    assert (summary.sd, summary.low, summary.high) == (None, interval.low, interval.high)


def test_a_comparison_is_mirrored_and_paired() -> None:
    left, right = replicated(0, 0.8), replicated(1, 0.75)
    there, back = compare_replicates(left, right), compare_replicates(right, left)
    assert (there.value, there.low, there.p) == (-back.value, -back.high, back.p)
    # The same luck on both sides leaves but the difference.
    shifted = Replicated(
        seeds=(0,),
        estimates=left.estimates - 0.01,
        replicates=left.replicates - 0.01 + 1e-4 * np.random.default_rng(2).normal(size=500),
        clusters=40,
    )
    assert compare_replicates(left, shifted).p < 1e-6
    assert compare_replicates(left, replicated(1, 0.79)).p > 0.05


def of_seeds(*estimates: float, noise: float = 1e-9) -> Replicated:
    """Give estimates of some seeds that hardly any sample makes uncertain."""
    values = np.array(estimates)
    rng = np.random.default_rng(int(1000 * values[0]))
    spread = noise * rng.normal(size=(len(estimates), 200))
    return Replicated(
        seeds=tuple(range(len(values))),
        estimates=values,
        replicates=values[:, None] + spread,
        clusters=40,
    )


def test_seeds_of_two_detectors_are_not_paired() -> None:
    left, right = of_seeds(0.80, 0.84, 0.81), of_seeds(0.75, 0.79, 0.76)
    swapped = of_seeds(0.76, 0.75, 0.79)
    assert compare_replicates(left, right) == pytest.approx(compare_replicates(left, swapped))
    # Student's two-sample test: seed for seed the two differ by .05 exactly, which tells nothing.
    expected = stats.ttest_ind(left.estimates, right.estimates)
    assert compare_replicates(left, right).p == pytest.approx(expected.pvalue, rel=1e-4)
    others = Replicated(
        seeds=(7, 8, 9), estimates=right.estimates, replicates=right.replicates, clusters=40
    )
    assert compare_replicates(left, others) == compare_replicates(left, right)


def test_the_variance_of_seeds_is_pooled_over_the_detectors_of_a_table() -> None:
    table = [np.array(v) for v in ([0.80, 0.82], [0.70, 0.76], [0.900, 0.901], [0.5, 0.53, 0.56])]
    spread = seed_spread(table)
    assert spread is not None
    assert spread.freedom == 5
    squares = 0.02**2 / 2 + 0.06**2 / 2 + 0.001**2 / 2 + 2 * 0.03**2
    assert spread.variance == pytest.approx(squares / 5)
    left, right = of_seeds(0.900, 0.901), of_seeds(0.80, 0.82)
    found = compare_replicates(left, right, spread=spread)
    error = np.sqrt(spread.variance * (1 / 2 + 1 / 2))
    assert found.p == pytest.approx(2 * stats.t.sf(found.value / error, 5), rel=1e-4)
    # Two seeds that agree by luck are no surer than those of others.
    assert over_seeds(left, spread=spread).low < over_seeds(left).low - 0.01
    low, high = over_seeds(left, bounds=(-np.inf, np.inf), spread=spread)[2:4]
    reach = stats.t.ppf(0.975, 5) * np.sqrt(spread.variance / 2)
    assert ((high - low) / 2, over_seeds(left).sd) == pytest.approx((reach, 0.001 / 2**0.5))


def test_what_nothing_is_drawn_for_neither_varies_nor_makes_others_sure() -> None:
    fixed, drawn = of_seeds(0.7, 0.7), of_seeds(0.8, 0.82)
    assert seed_spread([fixed.estimates, drawn.estimates]) == seed_spread([drawn.estimates])
    assert seed_spread([fixed.estimates]) is None
    exactly = Replicated(
        seeds=(0, 1), estimates=fixed.estimates, replicates=np.full((2, 200), 0.7), clusters=40
    )
    error = np.sqrt(0.02**2 / 2 * (1 / 2))  # of the seeds' mean of one detector alone
    assert compare_replicates(exactly, drawn).p == pytest.approx(
        2 * stats.t.sf(0.11 / error, 1), rel=1e-4
    )


def test_one_seed_beside_several_is_taken_to_vary_as_they_do() -> None:
    alone, several = of_seeds(0.8), of_seeds(0.7, 0.72, 0.71)
    found = compare_replicates(alone, several)
    error = 0.01 * np.sqrt(1 + 1 / 3)
    assert found.p == pytest.approx(2 * stats.t.sf(0.09 / error, 2), rel=1e-4)
    spread = seed_spread([several.estimates])
    assert compare_replicates(alone, of_seeds(0.7), spread=spread).p < 1e-6, "two trained models"


def test_comparisons_over_other_draws_are_refused() -> None:
    found = replicated(0, 0.8)
    other = Replicated(
        seeds=(0,), estimates=found.estimates, replicates=found.replicates[:, 1:], clusters=40
    )
    with pytest.raises(ResultError, match="500 draws of 40 clusters and 499 of 40"):
        compare_replicates(found, other)
    with pytest.raises(ResultError, match="2 seeds, but estimates of shape"):
        Replicated(
            seeds=(0, 1), estimates=found.estimates, replicates=found.replicates, clusters=40
        )


def test_holm_steps_down() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx(
        {"a": 0.03, "b": 0.06, "c": 0.06}
    )
    assert holm({}) == {}
    p = dict(enumerate(np.random.default_rng(0).uniform(0, 0.1, 30).round(2)))  # with ties
    expected = multipletests(list(p.values()), method="holm")[1]
    assert list(holm(p).values()) == pytest.approx(list(expected), abs=1e-12)
