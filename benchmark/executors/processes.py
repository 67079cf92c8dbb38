"""Several processes of this machine; one that dies is replaced, its task is done again."""

import multiprocessing
import os
import signal
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from threading import Thread
from types import TracebackType
from typing import Self

import torch

from benchmark.environment import keep_freed_memory
from benchmark.errors import BenchmarkError
from benchmark.executors import ChosenExecutor
from benchmark.executors.tasks import Done, RemoteWorker, Task, Work

_VISIBLE = "CUDA_VISIBLE_DEVICES"


class ProcessExecutor:
    """Carries tasks out in processes that are started afresh; each has a GPU, or some cores."""

    lost: tuple[type[Exception], ...] = (BrokenProcessPool,)

    def __init__(self, work: Work, chosen: ChosenExecutor) -> None:
        """Work with ``work`` in ``chosen.workers`` processes.

        Raises:
            BenchmarkError: There is no room for two.
        """
        self._gpus = _gpus() if work.engine.device.type == "cuda" else []
        room = len(self._gpus) or len(os.sched_getaffinity(0)) // work.threads
        self.size = chosen.workers or max(1, room)
        if chosen.workers is None and self.size == 1:
            work.engine.progress.note(
                "there is one worker: of several each wants a GPU of its own, or on a CPU cores of "
                f"its own, and has {work.threads} threads (--threads 1, or --workers 2)"
            )
        self._work = work.abroad(self.size)
        # Spawned: a process that is forked off torch's threads would wait for locks of theirs.
        self._context = multiprocessing.get_context("spawn")
        self._pool: ProcessPoolExecutor | None = None
        self._stop: Connection | None = None

    def __enter__(self) -> Self:
        """Begin; processes are started with the first task."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End all processes at once; what they are at is dropped."""
        self._end()

    def submit(self, task: Task) -> Future[Done]:
        """Begin a task."""
        with suppress(BrokenProcessPool):
            return self._running().submit(_carry_out, task)
        self._end()
        return self._running().submit(_carry_out, task)

    def _running(self) -> ProcessPoolExecutor:
        """Give the pool, which is made if there is none."""
        if self._pool is None:
            stopped, self._stop = self._context.Pipe(duplex=False)
            self._pool = ProcessPoolExecutor(
                self.size,
                self._context,
                initializer=_prepare,
                initargs=(self._work, stopped, self._context.Value("i", 0), self._gpus),
            )
        return self._pool

    def _end(self) -> None:
        """End the pool and its processes."""
        if self._pool is not None and self._stop is not None:
            self._stop.close()
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = self._stop = None


class _Process:
    """What a worker process keeps between two tasks."""

    worker: RemoteWorker | None = None
    refused = ""


def _prepare(work: Work, stopped: Connection, number: "object", gpus: list[str]) -> None:
    """Make this process a worker; it ends with the one that started it, however that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all: the first process decides
    Thread(target=_end_with, args=(stopped,), daemon=True).start()
    if gpus:
        with number.get_lock():  # type: ignore[attr-defined]
            own = gpus[number.value % len(gpus)]  # type: ignore[attr-defined]
            number.value += 1  # type: ignore[attr-defined]
        os.environ[_VISIBLE] = own
    else:
        keep_freed_memory()
    try:
        _Process.worker = RemoteWorker(work)
    except BenchmarkError as error:  # raised here it would break the pool without a word
        _Process.refused = str(error)


def _end_with(stopped: Connection) -> None:
    """End this process when the first one is gone, or has closed its end."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([stopped, parent.sentinel])
    os._exit(1)


def _carry_out(task: Task) -> Done:
    """Do a task in a worker process."""
    if _Process.worker is None:
        return Done(error=_Process.refused)
    return _Process.worker.carry_out(task)


def _gpus() -> list[str]:
    """Name the GPUs that this process may use."""
    visible = os.environ.get(_VISIBLE)
    if visible:
        return visible.split(",")
    return [str(number) for number in range(torch.cuda.device_count())]
