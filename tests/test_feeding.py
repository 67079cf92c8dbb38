import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from benchmark.data.images import image_tensor
from benchmark.data.source import prepare_on
from benchmark.training.batches import AHEAD, default_workers, feed
from benchmark.training.sampling import Rows
from detectors.transform import Transform
from tests.conftest import draw

BATCHES = [np.arange(start, start + 3) for start in range(0, 30, 3)]


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_batches_come_in_order_whatever_the_number_of_workers(workers: int) -> None:
    pause = threading.Event()

    def load(row: int) -> int:
        pause.wait(0.003 * (row % 3))  # later rows are done first
        return -row

    found = list(feed(load, BATCHES, workers))
    assert [rows.tolist() for rows, _ in found] == [rows.tolist() for rows in BATCHES]
    assert [images for _, images in found] == [(-rows).tolist() for rows in BATCHES]


def test_coming_batches_are_loaded_while_one_is_used() -> None:
    loaded: set[int] = set()
    coming = feed(loaded.add, BATCHES, 2)
    next(coming)
    next(coming)  # the third to the fifth are on their way
    coming.close()
    assert loaded.issuperset(range(3, 6))
    assert len(loaded) <= 3 * (2 + AHEAD)


def test_only_so_many_batches_are_asked_for_ahead() -> None:
    asked: list[int] = []

    def batches() -> Iterator[Rows]:
        for rows in BATCHES:
            asked.append(int(rows[0]))
            yield rows

    coming = feed(lambda row: row, batches(), 1)
    next(coming)
    coming.close()
    assert len(asked) == 1 + AHEAD


@pytest.mark.parametrize("workers", [0, 2])
def test_an_image_that_cannot_be_loaded_stops_at_its_batch(workers: int) -> None:
    def load(row: int) -> int:
        if row == 4:
            raise OSError("row 4")
        return row

    coming = feed(load, BATCHES, workers)
    assert next(coming)[1] == [0, 1, 2]
    with pytest.raises(OSError, match="row 4"):
        next(coming)
    assert not [t for t in threading.enumerate() if t.name.startswith("load")]


def test_a_cpu_loads_in_its_own_time() -> None:
    assert default_workers(torch.device("cpu")) == 0
    assert 1 <= default_workers(torch.device("cuda")) <= 16


def test_what_a_device_resizes_is_what_the_cpu_prepares() -> None:
    sizes = [(48, 64), (30, 30), (48, 64), (100, 40)]
    pixels = [draw(*size, seed=seed) for seed, size in enumerate(sizes)]
    transform = Transform(32)
    planes = [torch.from_numpy(array.transpose(2, 0, 1).copy()) for array in pixels]
    moved = prepare_on(torch.device("cpu"), planes, transform)
    whole = torch.stack([transform(image_tensor(array)) for array in pixels])
    assert torch.equal(moved, whole)
