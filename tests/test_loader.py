"""The loader: order, bounds, one pass over a file, the same images with any number of threads."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from benchmark.data.images import (
    image_tensor,
)
from benchmark.data.loader import AHEAD, Rows, default_workers, load
from benchmark.data.source import prepare_on
from benchmark.errors import BenchmarkError, ImageError
from detectors.transform import Transform
from tests.conftest import draw

Pixels = NDArray[np.uint8]
MakeManifest = Callable[..., Path]
BATCHES = [np.arange(start, start + 3) for start in range(0, 30, 3)]
WORKERS = [0, 1, 4]


def feed(
    read_row: Callable[[int], object], batches: Iterable[Rows], workers: int
) -> Generator[list[object], None, None]:
    """Load rows that are a file each."""

    @contextmanager
    def opened(_: int) -> Iterator[Callable[[int], object]]:
        yield read_row

    return load(
        (rows.tolist() for rows in batches),
        where=lambda row: (row, 0),
        opened=opened,
        size=lambda _: 1,
        workers=workers,
    )


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("load")]


@pytest.mark.parametrize("workers", WORKERS)
def test_batches_come_in_order_whatever_the_number_of_workers(workers: int) -> None:
    pause = threading.Event()

    def read_row(row: int) -> int:
        pause.wait(0.003 * (row % 3))  # later rows are done first
        return -row

    assert list(feed(read_row, BATCHES, workers)) == [(-rows).tolist() for rows in BATCHES]


def test_coming_batches_are_loaded_while_one_is_used() -> None:
    loaded: set[int] = set()
    coming = feed(loaded.add, BATCHES, 2)
    next(coming)
    next(coming)  # the third to the fifth are on their way
    coming.close()
    assert loaded.issuperset(range(3, 6))
    assert len(loaded) <= 3 * (2 + AHEAD)


@pytest.mark.parametrize("workers", WORKERS)
def test_only_so_many_batches_are_asked_for_ahead(workers: int) -> None:
    asked: list[int] = []

    def batches() -> Iterator[Rows]:
        for rows in BATCHES:
            asked.append(int(rows[0]))
            yield rows

    coming = feed(lambda row: row, batches(), workers)
    next(coming)
    coming.close()
    assert len(asked) == 1 + AHEAD


@pytest.mark.parametrize("error", [ImageError("4", "row 4"), OSError("row 4")])
@pytest.mark.parametrize("workers", [0, 2])
def test_an_image_that_cannot_be_loaded_stops_at_its_batch(workers: int, error: Exception) -> None:
    def read_row(row: int) -> int:
        if row == 4:
            raise error
        return row

    coming = feed(read_row, BATCHES, workers)
    assert next(coming) == [0, 1, 2]
    with pytest.raises(type(error), match="row 4"):
        next(coming)
    assert not threads()


@pytest.mark.parametrize("workers", [1, 4])
def test_what_waits_is_dropped_when_nobody_wants_it(workers: int) -> None:
    begun: list[int] = []

    def read_row(row: int) -> None:
        begun.append(row)
        time.sleep(0.01)

    def interrupted() -> None:
        with closing(feed(read_row, [np.arange(2), np.arange(2, 1000)], workers)) as coming:
            for _ in coming:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not threads()
    assert len(begun) < 100


class Shelf:
    """Files of numbered pages; counts how they are used."""

    def __init__(self, size: int = 0, broken: Sequence[tuple[str, int]] = ()) -> None:
        self.opened, self.read = Counter[str](), list[tuple[str, int]]()
        self.held, self.most_held = 0, 0
        self._size, self._broken = size, broken
        self._lock = threading.Lock()

    def load(
        self, batches: Iterable[Sequence[tuple[str, int]]], **options: int
    ) -> Generator[list[str], None, None]:
        return load(
            batches,
            where=lambda page: page,
            opened=self._open,
            size=lambda _: self._size,
            **options,
        )

    @contextmanager
    def _open(self, file: str) -> Iterator[Callable[[tuple[str, int]], str]]:
        self.opened[file] += 1
        yield self._read

    def _read(self, page: tuple[str, int]) -> str:
        with self._lock:
            self.read.append(page)
            self.held += self._size
            self.most_held = max(self.most_held, self.held)
        if page in self._broken:
            raise BenchmarkError(f"{page} is broken")
        return f"{page[0]}{page[1]}"

    def hand_out(self, pages: Sequence[str]) -> None:
        with self._lock:
            self.held -= self._size * len(pages)


@pytest.mark.parametrize("workers", WORKERS)
def test_the_samples_of_a_file_are_read_in_one_pass_and_given_in_the_order_asked(
    workers: int,
) -> None:
    shelf = Shelf()
    batches = [
        [("a", 9), ("b", 2), ("a", 1)],
        [("b", 1), ("c", 5), ("a", 4)],
        [("a", 4), ("c", 0), ("b", 7)],
    ]
    found = list(shelf.load(batches, workers=workers, ahead=2))
    assert found == [[f"{file}{page}" for file, page in batch] for batch in batches]
    assert shelf.opened == {"a": 1, "b": 1, "c": 1}
    for file in "abc":
        pages = [page for name, page in shelf.read if name == file]
        assert pages == sorted(pages)
    assert len(shelf.read) == 9


@pytest.mark.parametrize("workers", WORKERS)
def test_a_bad_sample_waits_for_its_turn_and_the_others_of_its_file_are_whole(workers: int) -> None:
    shelf = Shelf(broken=[("a", 2)])
    batches = [[("a", 1), ("a", 3)], [("b", 1)], [("b", 2), ("a", 2)]]
    coming = shelf.load(batches, workers=workers)
    assert next(coming) == ["a1", "a3"]
    assert next(coming) == ["b1"]
    with pytest.raises(BenchmarkError, match=r"\('a', 2\) is broken"):
        next(coming)
    assert not threads()


@pytest.mark.parametrize("workers", WORKERS)
def test_what_is_ready_ahead_is_bounded_by_its_bytes(workers: int) -> None:
    shelf = Shelf(size=10)
    random = np.random.default_rng(0)
    batches = [[(str(n), page) for n, page in random.integers(0, 4, (5, 2))] for _ in range(40)]
    coming = shelf.load(batches, workers=workers, ahead=8, most_bytes=35)
    for batch, found in zip(batches, coming, strict=True):
        if workers:
            time.sleep(0.002)  # so that threads go as far as they may
        assert found == [f"{file}{page}" for file, page in batch]
        shelf.hand_out(found)
    assert shelf.held == 0
    # What may wait, a sample on its way in each thread, and the batch that is due.
    assert shelf.most_held <= 40 + 10 * max(workers, 1) + 10 * 5
    assert len(shelf.read) == 200  # put off, nothing is read twice


def test_samples_are_put_off_only_where_there_is_no_room() -> None:
    batches = [[("a", 1), ("b", 1)], [("a", 2), ("b", 2)], [("a", 3), ("b", 3)]]
    for most_bytes, openings in ((1000, 1), (0, 3)):
        shelf = Shelf(size=10)
        assert len(list(shelf.load(batches, workers=0, most_bytes=most_bytes))) == 3
        assert set(shelf.opened.values()) == {openings}


@pytest.mark.parametrize(
    ("cores", "processes", "device", "workers"),
    [
        (1, 1, "cpu", 1),
        (2, 1, "cpu", 2),
        (64, 1, "cpu", 2),
        (64, 64, "cpu", 1),
        (8, 1, "cuda", 8),
        (64, 1, "cuda", 16),
        (64, 8, "cuda", 8),
        (4, 8, "cuda", 1),
        (1, 1, None, 1),
        (6, 1, None, 6),
        (64, 1, None, 16),
    ],
)
def test_one_rule_says_how_many_threads_load(
    monkeypatch: pytest.MonkeyPatch, cores: int, processes: int, device: str | None, workers: int
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
    assert default_workers(None if device is None else torch.device(device)) == workers


def test_what_a_device_resizes_is_what_the_cpu_prepares() -> None:
    sizes = [(48, 64), (30, 30), (48, 64), (100, 40)]
    pixels = [draw(*size, seed=seed) for seed, size in enumerate(sizes)]
    transform = Transform(32)
    planes = [torch.from_numpy(array.transpose(2, 0, 1).copy()) for array in pixels]
    moved = prepare_on(torch.device("cpu"), planes, transform)
    whole = torch.stack([transform(image_tensor(array)) for array in pixels])
    assert torch.equal(moved, whole)
