"""Equal is more than not told apart, and what could have been seen is said."""

import numpy as np
import pytest
from scipy import stats

from results.errors import ResultError, UndefinedError
from results.statistics.differences import (
    compare_replicates,
    delong_difference,
    detectable,
    equivalence,
)
from results.statistics.intervals import Replicated, bootstrap_interval
from tests.drawn_scores import replicated


def test_equivalence_is_shown_where_the_interval_of_90_percent_lies_within_the_margin() -> None:
    found = compare_replicates(replicated(0, 0.8), replicated(1, 0.79))
    reach = stats.t.ppf(0.95, found.freedom) * found.error
    edge = abs(found.value) + reach
    assert equivalence(found, edge) == pytest.approx(0.05)
    assert equivalence(found, edge + 0.01) < 0.05 < equivalence(found, edge - 0.01)
    same = replicated(0, 0.8)
    assert equivalence(compare_replicates(same, same), 0.01) == 0
    with pytest.raises(ResultError, match="a margin of 0 is asked for; it must be above 0"):
        equivalence(found, 0)


def test_the_detectable_difference_is_seen_in_four_of_five_cases() -> None:
    rng = np.random.default_rng(0)
    left, right = replicated(0, 0.8), replicated(1, 0.8)
    found = compare_replicates(left, right)
    least = detectable(found)
    assert least == pytest.approx(2.8 * found.error, rel=0.06)
    seen = least + found.error * rng.standard_t(found.freedom, size=20_000)
    critical = stats.t.ppf(0.975, found.freedom) * found.error
    assert (np.abs(seen) > critical).mean() == pytest.approx(0.8, abs=0.01)


def test_a_detector_does_not_differ_from_itself() -> None:
    found = replicated(0, 0.8)
    assert compare_replicates(found, found)[:4] == (0, 0, 0, 1)
    several = replicated(0, 0.8, seeds=3)
    value, low, high, p = compare_replicates(several, several)[:4]
    assert (value, p) == (0, 1)
    assert low == -high < 0, "other seeds of the same two would differ"
    labels = np.repeat([0, 1], 20)
    scores = np.random.default_rng(0).normal(size=40)
    assert delong_difference(labels, scores, scores)[:4] == (0, 0, 0, 1)


def test_what_differs_by_rounding_alone_does_not_vary() -> None:
    # One share, added up in another order in each resample; by two ways of clustering likewise.
    share = 0.5115384615384615
    noise = share + np.random.default_rng(0).choice([-1, 0, 1], 200) * np.spacing(share)
    assert noise.var() > 0
    with pytest.raises(UndefinedError, match="nothing speaks against"):
        bootstrap_interval(share, noise, 60)
    with pytest.raises(UndefinedError, match="nothing speaks against"):
        bootstrap_interval(share, np.stack([noise, noise[::-1], noise]), 60)
    left, right = (
        Replicated(seeds=(0,), estimates=np.array([value]), replicates=values[None], clusters=60)
        for value, values in ((share, noise), (np.nextafter(share, 1), noise[::-1]))
    )
    assert compare_replicates(left, right)[:4] == (0, 0, 0, 1)
