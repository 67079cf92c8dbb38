"""Loads the images of coming batches in threads while a batch is computed on.

What is loaded is a pure function of the row, and batches come out in their order, so the number of
threads moves no number. Decoders and tensor operations release Python's lock.
"""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import torch

from benchmark.sampling import Rows

T = TypeVar("T")
# Batches on their way while one is computed on: a slow file must not stop the device.
AHEAD = 3
_MOST_WORKERS = 16


def default_workers(device: torch.device) -> int:
    """Give how many threads load images: none on a CPU, whose cores compute already."""
    if device.type == "cpu":
        return 0
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return max(1, min(_MOST_WORKERS, len(os.sched_getaffinity(0)) // processes))


def feed(
    load: Callable[[int], T], batches: Iterable[Rows], workers: int
) -> Generator[tuple[Rows, list[T]], None, None]:
    """Give the rows of each batch with what ``load`` made of them, in order.

    Args:
        load: Turns a row into an image; called from several threads at once.
        batches: Rows of each batch; read ``AHEAD`` batches before they are given.
        workers: Threads; 0: rows are loaded when their batch is asked for.

    Raises:
        Whatever ``load`` raises, when the batch's turn comes.
    """
    if workers == 0:
        for rows in batches:
            yield rows, [load(row) for row in rows.tolist()]
        return
    coming = iter(batches)
    waiting: deque[tuple[Rows, list[Future[T]]]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="load")
    try:
        while True:
            for rows in islice(coming, AHEAD + 1 - len(waiting)):
                waiting.append((rows, [pool.submit(load, row) for row in rows.tolist()]))
            if not waiting:
                return
            rows, images = waiting.popleft()
            yield rows, [image.result() for image in images]
    finally:
        pool.shutdown(cancel_futures=True)
