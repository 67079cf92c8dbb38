import numpy as np
import pytest

from benchmark.training.sampling import BatchOrder, derive

REAL, FAKE = np.arange(7), np.arange(7, 30)


def order(seed: int = 0, *, balanced: bool = True, batch_size: int = 6) -> BatchOrder:
    return BatchOrder(REAL, FAKE, batch_size=batch_size, balanced=balanced, seed=seed)


def test_a_batch_depends_on_its_step_alone() -> None:
    whole = [order().batch(step).tolist() for step in range(20)]
    assert [order().batch(step).tolist() for step in reversed(range(20))] == whole[::-1]


def test_balanced_batches_hold_both_classes_equally() -> None:
    for step in range(20):
        batch = order().batch(step)
        assert (batch < 7).sum() == 3
        assert len(batch) == 6


@pytest.mark.parametrize("balanced", [True, False])
def test_every_image_is_seen_once_before_any_is_seen_twice(balanced: bool) -> None:
    taken = np.concatenate([order(balanced=balanced).batch(step) for step in range(200)])
    streams = [REAL, FAKE] if balanced else [np.concatenate([REAL, FAKE])]
    for stream in streams:
        drawn = taken[np.isin(taken, stream)]
        for lap in range(len(drawn) // len(stream)):
            part = drawn[lap * len(stream) : (lap + 1) * len(stream)]
            assert sorted(part) == sorted(stream)


def test_laps_and_seeds_have_orders_of_their_own() -> None:
    def take(seed: int) -> list[int]:
        rows: list[int] = np.concatenate([order(seed).batch(i) for i in range(40)]).tolist()
        return rows

    assert take(0) != take(1)
    real = [row for row in take(0) if row < 7]
    assert real[:7] != real[7:14]


def test_a_batch_may_be_larger_than_a_class() -> None:
    batch = order(batch_size=64).batch(0)
    assert len(batch) == 64
    assert set(batch) == set(range(30))


def test_epochs_count_images_seen() -> None:
    assert order(batch_size=6).epochs(10) == pytest.approx(2.0)


def test_derived_seeds_depend_on_every_part() -> None:
    seeds = {derive(*parts) for parts in [(1, 2), (2, 1), (12,), (1, 2, ""), ("1", 2.0)]}
    assert len(seeds) == 5
    assert all(0 <= seed < 2**63 for seed in seeds)
