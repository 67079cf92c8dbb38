"""The one loader of images: file by file, in threads, ahead of what is computed, within bounds.

Whoever reads many samples gives them in batches and gets each batch's results in that order. Up to
``AHEAD`` batches are known before they are due. All of their samples that lie in one file are read
in one pass over it, so that a video is opened once and none of its frames is decoded twice. What is
made of a sample is a function of the sample alone, so the number of threads moves no number.
"""

import os
from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import chain, islice
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar, cast

import numpy as np
import numpy.typing as npt

from benchmark.errors import BenchmarkError
from benchmark.timing import timed

if TYPE_CHECKING:
    import torch

Rows = npt.NDArray[np.int64]
"""Places in a samples table."""

# Batches on their way while one is computed on: a slow file must not stop the device.
AHEAD = 3
# What may lie ready for later batches: three of 256 images for a network that takes 224 pixels, or
# a whole unit of scores for three such networks. More would only take memory from the models.
MOST_WAITING_BYTES = 512 << 20
# Of a table that is read file by file: enough that no thread waits for the end of a long video.
FILES_AHEAD = 64
_MOST_WORKERS = 16
_MOST_BESIDE_A_CPU = 2

S = TypeVar("S")
K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

Where = Callable[[S], tuple[K, int]]
Opened = Callable[[K], AbstractContextManager[Callable[[S], T]]]


def default_workers(device: "torch.device | None" = None) -> int:
    """Give how many threads load images: one for each core of this process, within bounds.

    Args:
        device: What computes on them meanwhile; a CPU's cores are taken by that, and two threads
            keep it fed. None: nothing does.
    """
    most = _MOST_BESIDE_A_CPU if device is not None and device.type == "cpu" else _MOST_WORKERS
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return max(1, min(most, len(os.sched_getaffinity(0)) // processes))


def load(
    batches: Iterable[Sequence[S]],
    *,
    where: Where[S, K],
    opened: Opened[K, S, T],
    size: Callable[[T], int],
    workers: int,
    ahead: int = AHEAD,
    most_bytes: int = MOST_WAITING_BYTES,
) -> Generator[list[T], None, None]:
    """Give what is made of the samples of each batch, in order.

    Close it (``contextlib.closing``) if it may be left before its end: what waits is then dropped.

    Args:
        batches: Samples, whatever ``where`` and ``opened`` take; read ``ahead`` of their turn.
        where: Gives a sample's file, and its place in it: a pass goes through a file in the order
            of the places.
        opened: Opens a file for one pass and gives what reads a sample of it; used in one thread.
        size: Bytes of a result.
        workers: Threads; 0: samples are read in the caller's thread when their batch is due,
            together with those of the coming batches that lie in the same files.
        ahead: Batches known before they are due.
        most_bytes: Above this, nothing is read for a batch that is not due; in each thread one
            result may be on its way then. What was put off is read in another pass.

    Raises:
        BenchmarkError: A sample cannot be read, when its turn comes.
        Exception: Whatever else stops a pass, when the turn of a sample comes that it left unread.
    """
    coming = iter(batches)
    waiting: deque[list[_Ask[S, K, T]]] = deque()
    window = _Window(where, opened, size, workers, most_bytes)
    try:
        while True:
            # All that is new at once: no pass may begin before all of its samples are known.
            waiting.extend(window.ask(list(islice(coming, ahead + 1 - len(waiting)))))
            if not waiting:
                return
            yield window.take(waiting.popleft())
    finally:
        window.close()


@dataclass(eq=False, slots=True)
class _Ask(Generic[S, K, T]):
    """A sample that is waited for."""

    sample: S
    batch: int
    file: K
    place: int
    reading: "_Pass[S, K, T] | None" = None
    result: T | None = None
    error: BenchmarkError | None = None
    is_read: bool = False
    size: int = 0


@dataclass(eq=False, slots=True)
class _Pass(Generic[S, K, T]):
    """One pass over a file."""

    file: K
    asks: "list[_Ask[S, K, T]]" = field(default_factory=list)
    future: "Future[None] | None" = None


class _Window(Generic[S, K, T]):
    """The samples that are asked for and not handed out yet."""

    def __init__(
        self,
        where: Where[S, K],
        opened: Opened[K, S, T],
        size: Callable[[T], int],
        workers: int,
        most_bytes: int,
    ) -> None:
        self._where, self._opened, self._size = where, opened, size
        self._most_bytes = most_bytes
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="load") if workers else None
        self._lock = Lock()  # of all that follows
        self._asked = 0  # batches
        self._due = -1  # the last batch that was called for
        self._held = 0  # bytes of results that are not handed out
        self._unbegun: dict[K, _Pass[S, K, T]] = {}
        self._put_off: list[_Ask[S, K, T]] = []
        self._closed = False

    def ask(self, batches: Iterable[Sequence[S]]) -> list[list[_Ask[S, K, T]]]:
        """Have batches read."""
        asks: list[list[_Ask[S, K, T]]] = []
        for number, batch in enumerate(batches, start=self._asked):
            asks.append([_Ask(each, number, *self._where(each)) for each in batch])
        self._asked += len(asks)
        self._plan(chain.from_iterable(asks))
        return asks

    def take(self, asks: "list[_Ask[S, K, T]]") -> list[T]:
        """Wait for the next batch and hand it out."""
        with self._lock:
            self._due += 1
        self._plan_again()
        with timed("idle"):
            found = [self._result(ask) for ask in asks]
        self._plan_again()  # there is room now, and time while the batch is computed on
        return found

    def close(self) -> None:
        """Drop what waits, and wait for what is being read."""
        self._closed = True
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _plan(self, asks: Iterable[_Ask[S, K, T]]) -> None:
        """Put each sample in a pass over its file that has not begun."""
        fresh: list[_Pass[S, K, T]] = []
        with self._lock:
            for ask in asks:
                if ask.file not in self._unbegun:
                    self._unbegun[ask.file] = _Pass(ask.file)
                    fresh.append(self._unbegun[ask.file])
                ask.reading = self._unbegun[ask.file]
                ask.reading.asks.append(ask)
        if self._pool is not None:
            for each in fresh:
                each.future = self._pool.submit(self._read, each)

    def _plan_again(self) -> None:
        """Have read what was put off, the next batch first."""
        with self._lock:
            again, self._put_off = self._put_off, []
        self._plan(sorted(again, key=lambda ask: ask.batch))

    def _read(self, each: _Pass[S, K, T]) -> None:
        """Make one pass over a file."""
        with self._lock:
            del self._unbegun[each.file]
        each.asks.sort(key=lambda ask: ask.place)
        with self._opened(each.file) as read:
            for ask in each.asks:
                if self._closed:
                    return
                if self._has_room(ask):
                    self._settle(ask, read)

    def _has_room(self, ask: _Ask[S, K, T]) -> bool:
        """Tell whether a sample may be read now; put it off if not."""
        with self._lock:
            if ask.batch <= self._due or self._held < self._most_bytes:
                return True
            self._put_off.append(ask)
            return False

    def _settle(self, ask: _Ask[S, K, T], read: Callable[[S], T]) -> None:
        """Read a sample; what is wrong with it is told when its turn comes."""
        try:
            ask.result = read(ask.sample)
        except BenchmarkError as error:
            ask.error = error
        else:
            ask.size = self._size(ask.result)
        with self._lock:
            self._held += ask.size
            ask.is_read = True

    def _result(self, ask: "_Ask[S, K, T]") -> T:
        """Wait for a sample of the batch that is due."""
        assert ask.reading is not None
        future = ask.reading.future
        if future is not None and future.exception() is not None and not ask.is_read:
            future.result()
        if future is None and not ask.is_read:
            self._read(ask.reading)
        if ask.error is not None:
            raise ask.error
        with self._lock:
            self._held -= ask.size
        result, ask.result = ask.result, None  # the pass may live on
        return cast(T, result)
