"""What a further test set would give, against what is known of drawn ones."""

import numpy as np
import pytest
from scipy.special import expit, logit
from statsmodels.stats.meta_analysis import combine_effects

from results.errors import UndefinedError
from results.statistics.random_effects import random_effects, sampling_covariance


def test_sets_of_one_true_value_give_its_inverse_variance_mean() -> None:
    values, errors = np.array([0.80, 0.81, 0.79, 0.80]), np.array([0.02, 0.03, 0.02, 0.04])
    found = random_effects(values, np.diag(errors**2))
    weights = (values * (1 - values) / errors) ** 2
    assert found.spread == 0
    assert logit(found.mean) == pytest.approx(np.average(logit(values), weights=weights))
    assert found.next_low < found.low < found.mean < found.high < found.next_high
    assert found.sets == 4


def test_the_mean_and_its_interval_are_those_of_a_meta_analysis() -> None:
    rng = np.random.default_rng(1)
    logits, errors = 1.5 + 0.6 * rng.normal(size=12), rng.uniform(0.1, 0.2, 12)
    values = expit(logits)
    found = random_effects(values, np.diag((errors * values * (1 - values)) ** 2))
    other = combine_effects(logits, errors**2, method_re="iterated", use_t=True)
    table = other.summary_frame()
    # Paule and Mandel estimate the variance between sets otherwise: nearly the same.
    assert found.spread**2 == pytest.approx(other.tau2, rel=0.15)
    assert logit(found.mean) == pytest.approx(table.loc["random effect", "eff"], abs=0.01)
    low, high = table.loc["random effect wls", ["ci_low", "ci_upp"]]
    assert logit(found.low) == pytest.approx(low, abs=0.05)
    assert logit(found.high) == pytest.approx(high, abs=0.05)


def test_a_further_set_lies_where_it_is_predicted() -> None:
    rng, met = np.random.default_rng(0), 0
    for _ in range(200):
        truth = 1.5 + 0.5 * rng.normal(size=9)
        values = expit(truth[:8] + 0.15 * rng.normal(size=8))
        found = random_effects(values, np.diag((0.15 * values * (1 - values)) ** 2))
        met += found.next_low <= expit(truth[8]) <= found.next_high
    assert 180 <= met <= 199


def test_sets_that_share_samples_are_no_independent_evidence() -> None:
    values, variance = np.array([0.80, 0.801, 0.799, 0.80]), 0.02**2
    apart = random_effects(values, variance * np.eye(4))
    shared = random_effects(values, variance * (0.1 * np.eye(4) + 0.9))
    assert shared.high - shared.low > 1.5 * (apart.high - apart.low)


def test_too_few_sets_and_a_perfect_one_are_refused() -> None:
    with pytest.raises(UndefinedError, match="a mean over test sets as such needs 3, there are 2"):
        random_effects(np.array([0.8, 0.9]), np.eye(2))
    with pytest.raises(UndefinedError, match="a test set is at an end of the range"):
        random_effects(np.array([0.8, 0.9, 1.0]), np.eye(3))


def test_the_covariance_of_two_ways_is_no_less_than_nothing() -> None:
    rng = np.random.default_rng(0)
    one = rng.normal(size=(3, 500))
    np.testing.assert_allclose(sampling_covariance(one), np.cov(one))
    ways = np.stack([one, 0.5 * one, 2 * one], axis=1)
    assert np.linalg.eigvalsh(sampling_covariance(ways)).min() >= -1e-12
