"""Ranks tell what chance could swap, and critical differences ask for independent blocks."""

import string
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from results.errors import ResultError, UndefinedError
from results.metrics.roc import Ranked
from results.statistics.bootstrap import Draws
from results.statistics.intervals import Replicated, replicate
from results.statistics.ranking import Ranking, critical_difference, ranking
from tests.drawn_scores import replicated


def test_detectors_that_chance_could_swap_share_a_rank() -> None:
    cells = {
        "middle": [replicated(1, 0.81), replicated(2, 0.79)],
        "worst": [replicated(3, 0.6), replicated(4, 0.6)],
        "best": [replicated(5, 0.82), replicated(6, 0.8)],
    }
    found = ranking(cells)
    places = {place.name: place for place in found.places}
    order = sorted(cells, key=lambda name: -np.mean([c.estimates for c in cells[name]]))
    assert [place.name for place in found.places] == order
    assert (places["best"].rank, places["middle"].rank, places["worst"].rank) == (1, 1, 3)
    assert found.alike == {"best": ("middle",), "middle": ("best",), "worst": ()}
    assert (places["worst"].low, places["worst"].high, places["worst"].best) == (3, 3, 0)
    assert places["best"].low == 1
    assert sum(place.best for place in found.places) == pytest.approx(1)
    assert places["worst"].borda == 0
    assert sum(place.borda for place in found.places) == 2 * 3
    assert found.adjusted[order[0], "worst"] >= found.differences[order[0], "worst"].p


def independent(means: Sequence[float], errors: Sequence[float], seed: int = 0) -> Ranking:
    """Rank detectors, a, b, ..., of given means and standard errors over one cell."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(len(means), 400))
    noise = (noise - noise.mean(axis=1, keepdims=True)) / noise.std(axis=1, ddof=1, keepdims=True)
    return ranking(
        {
            name: [
                Replicated(
                    seeds=(0,),
                    estimates=np.array([mean]),
                    replicates=mean + error * noise[None, number],
                    clusters=200,
                )
            ]
            for number, (name, mean, error) in enumerate(
                zip(string.ascii_lowercase, means, errors, strict=False)
            )
        }
    )


def test_ranks_fall_with_the_means_and_all_that_is_not_told_apart_is_listed() -> None:
    found = independent([0.900, 0.860, 0.855, 0.800], [0.006, 0.006, 0.030, 0.006])
    assert [place.rank for place in found.places] == [1, 2, 2, 3]
    assert found.adjusted["a", "c"] > 0.05
    assert found.alike == {"a": ("c",), "b": ("c",), "c": ("a", "b", "d"), "d": ("c",)}
    assert [(place.low, place.high) for place in found.places] == [(1, 2), (2, 3), (1, 4), (3, 4)]


@pytest.mark.parametrize("seed", range(30))
def test_rank_place_and_interval_of_place_never_contradict_each_other(seed: int) -> None:
    rng = np.random.default_rng(seed)
    number = int(rng.integers(2, 12))
    means = 0.8 + 0.05 * rng.normal(size=number)
    errors = 0.002 + 0.04 * rng.random(number) ** 3
    found = independent(means.tolist(), errors.tolist(), seed)
    ranks = [place.rank for place in found.places]
    assert ranks == sorted(ranks)
    assert ranks[0] == 1
    for at, place in enumerate(found.places, 1):
        assert place.low <= place.rank <= at <= place.high
        assert place.high - place.low == len(found.alike[place.name])
        for other in found.alike[place.name]:
            pair = (place.name, other) if (place.name, other) in found.adjusted else None
            assert found.adjusted[pair or (other, place.name)] > 0.05


def test_the_chance_to_be_best_counts_other_seeds_too() -> None:
    def over(*values: float) -> Replicated:
        estimates = np.array(values)
        noise = 0.001 * np.random.default_rng(round(1000 * values[0])).normal(size=2000)
        return Replicated(
            seeds=tuple(range(len(values))),
            estimates=estimates,
            replicates=estimates[:, None] + noise,
            clusters=50,
        )

    fixed = ranking({"a": [over(0.82)], "b": [over(0.80)]})
    assert [place.best for place in fixed.places] == [1, 0]
    shaken = ranking({"a": [over(0.78, 0.82, 0.86)], "b": [over(0.76, 0.80, 0.84)]})
    # By Student's t of a difference of .02 whose error is .04 x sqrt(2 / 3), of 4 degrees.
    expected = stats.t.cdf(0.02 / (0.04 * np.sqrt(2 / 3)), 4)
    assert shaken.places[0].best == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize(("seeds", "most"), [(2, 0.10), (3, 0.10)])
def test_equal_detectors_of_few_seeds_are_rarely_told_apart(seeds: int, most: float) -> None:
    # The variance of the seeds' mean is 4 times that of the samples. Detectors that go by their
    # own seeds alone are falsely told apart in 30 % and 15 % of such tables.
    rng = np.random.default_rng(seeds)
    samples, of_seed = 0.01, 0.02 * np.sqrt(seeds)
    wrong = 0
    for _ in range(200):
        cells = {}
        luck = samples * rng.normal(size=5)
        for name, own in zip("abcde", luck, strict=True):
            estimates = 0.8 + own + of_seed * rng.normal(size=seeds)
            noise = np.tile(samples * rng.normal(size=100), (seeds, 1))
            cells[name] = [
                Replicated(
                    seeds=tuple(range(seeds)),
                    estimates=estimates,
                    replicates=estimates[:, None] + noise,
                    clusters=50,
                )
            ]
        wrong += any(p <= 0.05 for p in ranking(cells).adjusted.values())
    assert 0.005 <= wrong / 200 <= most


def test_cells_that_share_real_images_are_ranked_over_one_set_of_draws() -> None:
    rng = np.random.default_rng(0)
    reals, first, second = np.split(np.arange(300), [100, 200])
    labels = np.repeat([0, 1, 1], 100)
    draws = Draws(np.arange(300) // 2, [reals, first, second], resamples=300)
    sets = [np.r_[reals, first], np.r_[reals, second]]
    noise = rng.normal(size=300)
    cells = {}
    for name, effect in (("strong", 2.0), ("weak", 1.0)):
        scores = effect * labels + noise + 0.5 * rng.normal(size=300)
        cells[name] = [
            replicate(draws, labels[rows], {0: scores[rows]}, Ranked.auc, rows=rows)
            for rows in sets
        ]
    shared = np.corrcoef(*(cell.replicates[0] for cell in cells["weak"]))[0, 1]
    assert shared > 0.2, "the luck of the real images is in both cells"
    found = ranking(cells)
    assert [(place.name, place.rank, place.borda) for place in found.places] == [
        ("strong", 1, 2),
        ("weak", 2, 0),
    ]


def test_a_lower_error_ranks_first() -> None:
    cells = {"a": [replicated(0, 0.3)], "b": [replicated(1, 0.1)]}
    found = ranking(cells, higher_is_better=False)
    assert [place.name for place in found.places] == ["b", "a"]
    assert found.places[0].mean == pytest.approx(0.1, abs=0.05)
    assert [(place.mean_rank, place.rank) for place in found.places] == [(1, 1), (2, 2)]


def test_a_ranking_takes_the_same_cells_of_all() -> None:
    one = [replicated(0, 0.3)]
    for cells in ({"a": one}, {"a": one, "b": one * 2}, {"a": one, "b": []}):
        with pytest.raises(ResultError, match="ranked over the same cells; cells: a: 1"):
            ranking(cells)
    with pytest.raises(ResultError, match="b: its cells are not of the same seeds and draws"):
        ranking({"a": one * 2, "b": [*one, replicated(0, 0.3, seeds=2)]})


def blocks(number: int, detectors: int = 4) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    values = 0.7 + 0.08 * np.arange(detectors) + 0.05 * rng.normal(size=(number, detectors))
    names = [f"set{i}" for i in range(number)]
    frame = pd.DataFrame(values, index=names, columns=list("abcdefgh")[:detectors])
    return frame, {name: np.arange(3) + 3 * i for i, name in enumerate(names)}


def test_critical_differences_are_demsars() -> None:
    values, sets = blocks(14)
    found = critical_difference(values, sets)
    assert found.distance == pytest.approx(2.569 * np.sqrt(4 * 5 / (6 * 14)), abs=1e-3)
    assert next(iter(found.ranks)) == "d"
    assert sum(found.ranks.values()) == pytest.approx(1 + 2 + 3 + 4)
    for (left, right), p in found.p_values.items():
        apart = found.ranks[right] - found.ranks[left]
        assert (p < 0.05) == (apart > found.distance)
        told = any({left, right} <= set(group) for group in found.groups)
        assert told == (apart <= found.distance)
    mirrored = critical_difference(-values, sets, higher_is_better=False)
    assert mirrored.ranks == found.ranks


def test_critical_differences_over_dependent_or_few_blocks_are_refused() -> None:
    values, sets = blocks(8)
    critical_difference(values, sets)
    with pytest.raises(UndefinedError, match="needs 8 independent blocks, there are 7"):
        critical_difference(values.iloc[:7], sets)
    with pytest.raises(UndefinedError, match="'set0' and 'set7' share images, videos or persons"):
        critical_difference(values, sets | {"set7": np.array([1])})
    with pytest.raises(UndefinedError, match="needs 3 detectors or more, there are 2"):
        critical_difference(values[["a", "b"]], sets)
    with pytest.raises(ResultError, match="'set3': its clusters are not given"):
        critical_difference(values, {k: v for k, v in sets.items() if k != "set3"})
    with pytest.raises(ResultError, match="'set2': a detector has no value"):
        critical_difference(values.assign(a=values["a"].drop("set2")), sets)
