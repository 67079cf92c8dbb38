"""Intervals cover, comparisons err as often as they say, and what is not known is refused."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import logit

from results.calibration import Calibration, misfits
from results.clusters import clusters
from results.confusion import Confusion, outcomes
from results.errors import ResultError, UndefinedError
from results.metrics import auc, average_precision, balanced_accuracy, brier, ece, eer
from results.ranked import Ranked
from results.ranking import critical_difference, ranking
from results.resampling import Draws, rank_replicates, sum_replicates
from results.statistics import (
    Interval,
    Replicated,
    auc_interval,
    bootstrap_interval,
    compare,
    delong_difference,
    delong_interval,
    holm,
    over_seeds,
    replicate,
)

Drawn = tuple[np.ndarray, np.ndarray, np.ndarray]
RANK = {"AUC": Ranked.auc, "AP": Ranked.average_precision, "EER": Ranked.eer}


def table(**columns: list[str]) -> pd.DataFrame:
    n = len(next(iter(columns.values())))
    empty = dict.fromkeys(("identity", "pair", "sha256"), [""] * n)
    names = [str(i) for i in range(n)]
    return pd.DataFrame({"source": ["s"] * n, "group": names} | empty | columns)


def videos(rng: np.random.Generator, per_class: int = 20, frames: int = 8) -> Drawn:
    """Draw frames of real and forged videos, alike within a video; the AUC is 0.773 on average."""
    cluster = np.repeat(np.arange(2 * per_class), frames)
    labels = (cluster >= per_class).astype(int)
    of_video = rng.normal(size=2 * per_class)[cluster]
    return labels, of_video + 1.5 * labels + rng.normal(size=len(labels)), cluster


def swaps(rng: np.random.Generator, number: int = 40, effect: float = 1.0) -> Drawn:
    """Draw real images with five fakes of each, alike within such a set."""
    cluster = np.repeat(np.arange(number), 6)
    labels = np.tile([0, 1, 1, 1, 1, 1], number)
    scores = rng.normal(size=number)[cluster] + effect * labels + rng.normal(size=len(labels))
    return labels, scores, cluster


def replicated(seed: int, mean: float, *, seeds: int = 1, spread: float = 0.02) -> Replicated:
    rng = np.random.default_rng(seed)
    estimates = mean + 0.01 * rng.normal(size=seeds)
    replicates = estimates[:, None] + spread * rng.normal(size=(seeds, 500))
    return Replicated(
        seeds=tuple(range(seeds)), estimates=estimates, replicates=replicates, clusters=40
    )


# What hangs together


def test_the_pairs_of_faceforensics_are_the_clusters() -> None:
    pairs = [(f"{2 * i:03}", f"{2 * i + 1:03}") for i in range(70)]
    rows = [name for a, b in pairs for name in (a, b, *(f"{a}_{b}", f"{b}_{a}") * 4)]
    group = [f"{name}-{number}" for number, name in enumerate(rows)]
    found = clusters(table(group=group, pair=[f"{int(r[:3]) // 2}" for r in rows]))
    assert len(found) == 700
    assert np.bincount(found).tolist() == [10] * 70


def test_a_fake_is_connected_to_the_videos_it_was_made_from() -> None:
    samples = table(
        group=["a", "b", "c", "swap-ab", "swap-b"],
        face=["", "", "", "a", "b"],
        target=["", "", "", "b", ""],
    )
    assert clusters(samples).tolist() == [0, 1, 2, 3, 4]
    assert clusters(samples, ["target"]).tolist() == [0, 1, 2, 1, 3]
    assert clusters(samples, ["face", "target"]).tolist() == [0, 0, 1, 0, 0]
    with pytest.raises(ResultError, match="no column 'from' of source videos; there are source"):
        clusters(samples, ["from"])


def test_names_are_told_apart_by_dataset_and_content_is_not() -> None:
    samples = table(group=["1", "1", "2", "3"], dataset=["x", "y", "x", "y"], sha256=list("abcc"))
    assert clusters(samples).tolist() == [0, 1, 2, 2]


# Resamples


def test_replicates_are_the_metrics_of_the_samples_drawn() -> None:
    labels, scores, cluster = videos(np.random.default_rng(0), per_class=6, frames=3)
    draws = Draws.of_cell(labels, cluster, resamples=100, seed=3)
    found = rank_replicates(draws, labels, scores, RANK)
    weights = draws.weights(0, 100)[:, cluster]
    for number in (0, 50, 99):
        rows = np.repeat(np.arange(len(labels)), weights[number])
        for name, metric in (("AUC", auc), ("AP", average_precision), ("EER", eer)):
            expected = metric(labels[rows], scores[rows])
            assert found[name][number] == pytest.approx(expected, abs=1e-12)


def test_rates_and_calibration_are_resampled_by_their_sums() -> None:
    labels, scores, cluster = videos(np.random.default_rng(0), per_class=6, frames=3)
    p = 1 / (1 + np.exp(-scores))
    draws = Draws.of_cell(labels, cluster, resamples=100)
    decided = sum_replicates(
        draws,
        outcomes(labels, scores, 0.5),
        {"": lambda sums: Confusion.of_sums(sums).balanced_accuracy()},
    )
    calibrated = sum_replicates(
        draws,
        misfits(labels, p),
        {
            "brier": lambda sums: Calibration.of_sums(sums).brier(),
            "ece": lambda sums: Calibration.of_sums(sums).ece(),
        },
    )
    rows = np.repeat(np.arange(len(labels)), draws.weights(7, 8)[0, cluster])
    expected = balanced_accuracy(labels[rows], scores[rows], 0.5)
    assert decided[""][7] == pytest.approx(expected, abs=1e-12)
    assert calibrated["brier"][7] == pytest.approx(brier(labels[rows], p[rows]), abs=1e-12)
    assert calibrated["ece"][7] == pytest.approx(ece(labels[rows], p[rows]), abs=1e-12)


def test_a_draw_depends_on_its_number_and_seed_alone() -> None:
    labels, _, cluster = videos(np.random.default_rng(0))
    draws = Draws.of_cell(labels, cluster, resamples=500, seed=1)
    whole = draws.weights(0, 500)
    assert (draws.weights(100, 103) == whole[100:103]).all()
    assert (np.concatenate([weights for _, weights in draws.blocks(10_000)]) == whole).all()
    other = Draws.of_cell(labels, cluster, resamples=500, seed=2)
    assert (other.weights(0, 1) != whole[0]).any()
    assert (whole[:, :20].sum(axis=1) == 20).all(), "as many real videos as there are"


def test_every_class_of_every_cell_stays_in_every_draw() -> None:
    # 20 real clusters for both cells, and 5 fakes of each: unstratified, some draw loses a cell.
    cluster = np.arange(30)
    parts = [np.arange(20), np.arange(20, 25), np.arange(25, 30)]
    weights = Draws(cluster, parts, resamples=2000).weights(0, 2000)
    for part in parts:
        assert weights[:, part].sum(axis=1).min() > 0


def test_a_cluster_alone_in_its_kind_is_not_in_every_draw() -> None:
    # Cluster 0 alone has both classes.
    cluster = np.r_[0, 0, np.arange(1, 41)]
    labels = np.r_[0, 1, np.repeat([0, 1], 20)]
    weights = Draws.of_cell(labels, cluster, resamples=200).weights(0, 200)
    assert {0, 1, 2} <= set(weights[:, 0].tolist())


def test_too_few_clusters_are_a_reason() -> None:
    labels, _, cluster = videos(np.random.default_rng(0), per_class=4)
    with pytest.raises(UndefinedError, match="a class are 4 independent clusters; an interval ne"):
        Draws.of_cell(labels, cluster)
    with pytest.raises(ResultError, match="10 resamples tell no interval: ask for 100 or more"):
        Draws.of_cell(labels, cluster, resamples=10)


def test_samples_that_do_not_fit_the_draws_are_refused() -> None:
    labels, scores, cluster = videos(np.random.default_rng(0))
    draws = Draws.of_cell(labels, cluster, resamples=100)
    with pytest.raises(ResultError, match="319 samples, but the draws are of the clusters of 320"):
        rank_replicates(draws, labels[1:], scores[1:], RANK)
    rows = np.arange(1, 320)
    assert len(rank_replicates(draws, labels[1:], scores[1:], RANK, rows=rows)["AUC"]) == 100


def test_whether_a_metric_is_defined_is_asked_of_the_samples_and_not_of_their_draws() -> None:
    # Clusters of unequal size: some draws have fewer than the 100 real samples that are needed.
    cluster = np.r_[np.repeat(np.arange(10), [1, 19] * 5), np.arange(10, 20)]
    labels = np.repeat([0, 1], [100, 10])
    draws = Draws.of_cell(labels, cluster, resamples=100)
    assert (draws.weights(0, 100)[:, cluster[:100]].sum(axis=1) < 100).any()
    scores = np.random.default_rng(0).normal(size=110)
    at_ten = replicate(draws, labels, {0: scores}, lambda ranked: ranked.tpr_at_fpr(0.1))
    assert np.isfinite(at_ten.replicates).all()
    with pytest.raises(UndefinedError, match="FPR 5 % needs 200 real samples, there are 100"):
        replicate(draws, labels, {0: scores}, lambda ranked: ranked.tpr_at_fpr(0.05))


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
    ("draw", "truth", "least"),
    [
        (videos, stats.norm.cdf(1.5 / 2), 0.925),
        (lambda rng: videos(rng, 8, 16), stats.norm.cdf(1.5 / 2), 0.925),
        (swaps, stats.norm.cdf(1 / 2), 0.925),
        (lambda rng: swaps(rng, 10), stats.norm.cdf(1 / 2), 0.925),
        # Near 1, where few clusters overlap, nothing covers quite.
        (lambda rng: swaps(rng, 20, 3.5), stats.norm.cdf(3.5 / 2), 0.90),
    ],
    ids=["videos", "few-videos", "swaps", "few-swaps", "nearly-perfect"],
)
def test_bootstrap_intervals_cover(
    draw: Callable[[np.random.Generator], Drawn], truth: float, least: float
) -> None:
    assert least <= share_covered(draw, clustered, truth, 600) <= 0.985


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
        found = compare(left, right)
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


def test_perfection_has_no_interval_and_says_so() -> None:
    labels, _, cluster = videos(np.random.default_rng(0))
    with pytest.raises(UndefinedError, match="nothing speaks against 1: how sure it is cannot be"):
        auc_interval(labels, labels.astype(float), cluster, resamples=100)
    with pytest.raises(UndefinedError, match=r"against 0.5"):
        auc_interval(labels, np.zeros(320), cluster, resamples=100)
    with pytest.raises(UndefinedError, match="one sample alone in a class"):
        delong_interval([0, 1, 1], [0.0, 1.0, 2.0])


def test_an_unbounded_metric_has_an_interval_on_its_own_scale() -> None:
    replicates = np.random.default_rng(0).normal(3, 0.1, 500)
    low, high, _ = bootstrap_interval(3.0, replicates, 30, in_unit=False)
    assert (low + high) / 2 == pytest.approx(3)
    with pytest.raises(UndefinedError, match="against 3"):
        bootstrap_interval(3.0, replicates, 30)


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
    there, back = compare(left, right), compare(right, left)
    assert (there.value, there.low, there.p) == (-back.value, -back.high, back.p)
    # The same luck on both sides leaves but the difference.
    shifted = Replicated(
        seeds=(0,),
        estimates=left.estimates - 0.01,
        replicates=left.replicates - 0.01 + 1e-4 * np.random.default_rng(2).normal(size=500),
        clusters=40,
    )
    assert compare(left, shifted).p < 1e-6
    assert compare(left, replicated(1, 0.79)).p > 0.05


def test_a_detector_does_not_differ_from_itself() -> None:
    found = replicated(0, 0.8, seeds=3)
    assert compare(found, found) == (0, 0, 0, 1)
    labels = np.repeat([0, 1], 20)
    scores = np.random.default_rng(0).normal(size=40)
    assert delong_difference(labels, scores, scores) == (0, 0, 0, 1)


def test_seeds_are_paired_where_they_are_the_same() -> None:
    left, right = replicated(0, 0.8, seeds=4), replicated(1, 0.75, seeds=4)
    moved = Replicated(
        seeds=(4, 5, 6, 7),
        estimates=left.estimates + 0.05,
        replicates=left.replicates + 0.05 + 1e-3 * right.replicates,
        clusters=40,
    )
    same = Replicated(
        seeds=left.seeds, estimates=moved.estimates, replicates=moved.replicates, clusters=40
    )
    paired, unpaired = compare(same, left), compare(moved, left)
    assert paired.value == unpaired.value
    assert paired.high - paired.low < (unpaired.high - unpaired.low) / 5


def test_comparisons_over_other_draws_are_refused() -> None:
    found = replicated(0, 0.8)
    other = Replicated(
        seeds=(0,), estimates=found.estimates, replicates=found.replicates[:, 1:], clusters=40
    )
    with pytest.raises(ResultError, match="500 draws of 40 clusters and 499 of 40"):
        compare(found, other)
    with pytest.raises(ResultError, match="2 seeds, but estimates of shape"):
        Replicated(
            seeds=(0, 1), estimates=found.estimates, replicates=found.replicates, clusters=40
        )


def test_holm_steps_down() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx(
        {"a": 0.03, "b": 0.06, "c": 0.06}
    )
    assert holm({}) == {}


# Ranks


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
    assert found.ties == (tuple(order[:2]),)
    assert (places["worst"].low, places["worst"].high, places["worst"].best) == (3, 3, 0)
    assert places["best"].low == 1
    assert sum(place.best for place in found.places) == pytest.approx(1)
    assert places["worst"].borda == 0
    assert sum(place.borda for place in found.places) == 2 * 3
    assert found.adjusted[order[0], "worst"] >= found.differences[order[0], "worst"].p


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
