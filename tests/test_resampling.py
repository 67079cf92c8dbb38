"""What is drawn together, and that resamples are of the samples drawn."""

import itertools

import numpy as np
import pandas as pd
import pytest

from results.errors import ResultError, UndefinedError
from results.metrics.calibration import Calibration, misfits
from results.metrics.confusion import Confusion, outcomes
from results.metrics.functions import auc, average_precision, balanced_accuracy, brier, ece, eer
from results.metrics.roc import Ranked
from results.statistics.bootstrap import (
    Draws,
    class_parts,
    plan_draws,
    rank_replicates,
    sampling_variance,
    sum_replicates,
)
from results.statistics.clusters import ClusterWays, cluster_ways, clusters
from results.statistics.intervals import replicate
from tests.drawn_scores import videos

RANK = {"AUC": Ranked.auc, "AP": Ranked.average_precision, "EER": Ranked.eer}


def table(**columns: list[str]) -> pd.DataFrame:
    n = len(next(iter(columns.values())))
    empty = dict.fromkeys(("identity", "pair", "sha256"), [""] * n)
    names = [str(i) for i in range(n)]
    return pd.DataFrame({"source": ["s"] * n, "group": names} | empty | columns)


# What hangs together


def test_the_pairs_of_faceforensics_are_the_clusters() -> None:
    pairs = [(f"{2 * i:03}", f"{2 * i + 1:03}") for i in range(70)]
    rows = [name for a, b in pairs for name in (a, b, *(f"{a}_{b}", f"{b}_{a}") * 4)]
    group = [f"{name}-{number}" for number, name in enumerate(rows)]
    found = clusters(table(group=group, pair=[f"{int(r[:3]) // 2}" for r in rows]))
    assert len(found) == 700
    assert np.bincount(found).tolist() == [10] * 70


def faceforensics(pairs: int) -> pd.DataFrame:
    """Real videos and their swaps as the README has them: ``pair`` is the edited original."""
    names = [(f"{2 * i:03}", f"{2 * i + 1:03}") for i in range(pairs)]
    rows = [(a, a, "") for pair in names for a in pair]
    rows += [(f"{a}_{b}", a, b) for x, y in names for a, b in ((x, y), (y, x))]
    group, target, donor = (list(column) for column in zip(*rows, strict=True))
    label = ["fake" if name else "real" for name in donor]
    return table(group=group, pair=target, donor=donor, label=label)


def test_only_a_named_donor_ties_the_pairs_of_faceforensics() -> None:
    samples = faceforensics(70)
    alone = clusters(samples)
    assert alone[:2].tolist() == [0, 1]
    assert len(set(alone.tolist())) == 140  # a video and the swap that shows it
    ways = cluster_ways(samples)
    assert (ways.donor, ways.both) == (None, None)
    assert np.bincount(ways.target).tolist() == [4] * 70
    assert ways.target[:4].tolist() == [0, 0, 1, 1]
    unnamed = cluster_ways(samples.assign(donor=""))
    assert unnamed.donor is None
    np.testing.assert_array_equal(unnamed.target, alone)
    assert ways.counted(np.arange(8)) == 4


def everybody(people: int, dataset: str = "d") -> pd.DataFrame:
    """Real videos and swaps of five donors each, as Celeb-DF has them: tied they are one set."""
    rows = [("real", f"v{i}", f"id{i}", "") for i in range(people)]
    rows += [
        ("fake", f"v{i}_{j}", f"id{i}", f"id{(i + j) % people}")
        for i in range(people)
        for j in range(1, 6)
    ]
    label, group, identity, donor = (list(column) for column in zip(*rows, strict=True))
    return table(
        group=group, identity=identity, donor=donor, label=label, dataset=[dataset] * len(rows)
    )


def test_where_everybody_is_swapped_with_everybody_targets_and_donors_are_two_ways() -> None:
    samples = everybody(59)
    target, donor, both = cluster_ways(samples)
    assert donor is not None
    assert both is not None
    np.testing.assert_array_equal(target, clusters(samples))
    assert [len(set(way.tolist())) for way in (target, donor, both)] == [59, 59, 59 + 59 * 5]
    # Whoever gave his face is the one whose real video there is.
    swap = samples.index[samples["group"] == "v3_2"][0]
    assert donor[swap] == donor[samples.index[samples["group"] == "v5"][0]]
    assert cluster_ways(samples).counted((samples["label"] == "fake").to_numpy()) == 59


def test_donors_are_tied_or_two_ways_dataset_by_dataset() -> None:
    samples = pd.concat(
        [faceforensics(70).assign(dataset="ff"), everybody(30, "celeb")], ignore_index=True
    )
    target, donor, _ = cluster_ways(samples)
    assert donor is not None
    in_ff = (samples["dataset"] == "ff").to_numpy()
    assert len(set(target[in_ff].tolist())) == len(set(donor[in_ff].tolist())) == 70
    assert len(set(target[~in_ff].tolist())) == len(set(donor[~in_ff].tolist())) == 30
    assert not set(target[in_ff].tolist()) & set(target[~in_ff].tolist())
    unknown = table(group=["a", "b"], donor=["nobody", "nobody"], label=["fake", "fake"])
    assert cluster_ways(unknown).counted(np.arange(2)) == 1


def drawn_swaps(rng: np.random.Generator, people: int = 40) -> tuple[np.ndarray, ...]:
    """Draw real images of people and swaps among them: labels, scores, targets, donors."""
    shown = np.concatenate([np.arange(people), np.repeat(np.arange(people), 4)])
    given = np.concatenate([np.arange(people), (shown[people:] + 1 + np.tile(range(4), people))])
    given %= people
    labels = np.repeat([0, 1], [people, 4 * people])
    of_target, of_donor = rng.normal(size=(2, people))
    scores = 1.5 * labels + of_target[shown] + labels * of_donor[given]
    return labels, scores + 0.5 * rng.normal(size=len(labels)), shown, given


def test_the_variance_by_two_ways_is_that_of_other_samples() -> None:
    rng = np.random.default_rng(0)
    values, by_target, by_both_ways = [], [], []
    for _ in range(60):
        labels, scores, target, donor = drawn_swaps(rng)
        both = np.unique(target * 100 + donor, return_inverse=True)[1]
        draws = plan_draws(ClusterWays(target, donor, both), class_parts(labels), resamples=200)
        found = replicate(draws, labels, {0: scores}, Ranked.auc)
        assert found.replicates.shape == (1, 3, 200)
        assert found.clusters == 40
        values.append(found.estimates[0])
        by_target.append(found.replicates[0, 0].var(ddof=1))
        by_both_ways.append(sampling_variance(found.replicates[0]))
    truth = np.var(values, ddof=1)
    assert np.mean(by_target) < 0.85 * truth
    assert 0.8 * truth < np.mean(by_both_ways) < 1.35 * truth


def test_the_variance_by_two_ways_never_falls_below_that_by_one() -> None:
    flat = np.tile([-1.0, 1.0], 50)
    one = sampling_variance(flat)
    assert one == np.var(flat, ddof=1)
    assert sampling_variance(np.stack([flat, flat, flat])) == one
    assert sampling_variance(np.stack([flat, 2 * flat, flat])) == pytest.approx(4 * one)
    assert sampling_variance(np.stack([flat, flat, 3 * flat])) == one


def test_names_are_told_apart_by_dataset_and_content_is_not() -> None:
    samples = table(group=["1", "1", "2", "3"], dataset=["x", "y", "x", "y"], sha256=list("abcc"))
    assert clusters(samples).tolist() == [0, 1, 2, 2]


# Resamples


def drawn(draws: Draws, size: int = 6) -> np.ndarray:
    """Give how often each cluster is drawn where all strata have ``size`` of them."""
    weights = draws.weights(0, draws.resamples)
    counts = np.rint(weights * (size - 1) / size).astype(int)
    assert weights == pytest.approx(counts * size / (size - 1))
    return counts


def test_replicates_are_the_metrics_of_the_samples_drawn() -> None:
    labels, scores, cluster = videos(np.random.default_rng(0), per_class=6, frames=3)
    draws = Draws.of_cell(labels, cluster, resamples=100, seed=3)
    found = rank_replicates(draws, labels, scores, RANK)
    counts = drawn(draws)[:, cluster]
    for number in (0, 50, 99):
        rows = np.repeat(np.arange(len(labels)), counts[number])
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
    rows = np.repeat(np.arange(len(labels)), drawn(draws)[7, cluster])
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
    assert whole[:, :20].sum(axis=1) == pytest.approx(20), "as many real videos as there are"


def test_the_variance_of_a_mean_is_that_of_the_textbook_however_small_the_strata() -> None:
    # Strata of 2, 3 and 7 clusters: the sum over them of n x variance (n - 1), over all squared.
    rng = np.random.default_rng(0)
    sizes = [2, 3, 7]
    starts = np.cumsum([0, *sizes])
    strata = [np.arange(a, b) for a, b in itertools.pairwise(starts)]
    values = rng.normal(size=12) * np.repeat([1.0, 3.0, 0.5], sizes)
    whole = np.arange(12)
    # Two cells of all clusters but the one stratum or the other.
    parts = [whole, whole[2:], np.r_[whole[:2], whole[5:]]]
    draws = Draws(whole, parts, resamples=40_000)
    weights = draws.weights(0, 40_000)
    for stratum in strata:
        assert weights[:, stratum].sum(axis=1) == pytest.approx(len(stratum))
    assert weights.mean(axis=0) == pytest.approx(1, abs=0.03)
    textbook = sum(n * values[s].var(ddof=1) for n, s in zip(sizes, strata, strict=True)) / 12**2
    assert (weights @ values / 12).var() == pytest.approx(textbook, rel=0.03)
    counted = sum((n - 1) * values[s].var(ddof=1) for n, s in zip(sizes, strata, strict=True))
    assert counted / 12**2 < 0.7 * textbook, "what as many draws as clusters would give"


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
    # It joins 20 others.
    assert {0, 1, 2} <= set(np.rint(weights[:, 0] * 20 / 21).tolist())


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
