"""This process: one task after the other, here and in those launched beside it."""

from concurrent.futures import Future
from types import TracebackType
from typing import Self

from benchmark.executors import ChosenExecutor
from benchmark.executors.tasks import Done, Task, TrainTask, Work, Worker
from benchmark.training.distributed import Leader


class LocalExecutor:
    """Carries out everything here.

    Several processes that ``accelerate launch`` or ``torchrun`` started train a model together; the
    first of them scores.
    """

    lost: tuple[type[Exception], ...] = ()
    size = 1

    def __init__(self, work: Work, chosen: ChosenExecutor) -> None:
        """Work with ``work``; there is nothing to choose."""
        self._leader = Leader(work.engine)
        self._leads = True
        self._worker = Worker(work, work.engine.progress, self._leader.announce)

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let the other processes go, unless an error ends them all."""
        if kind is None:
            self._dismiss()

    def submit(self, task: Task) -> Future[Done]:
        """Do a task at once; what it raises is raised here."""
        if not isinstance(task, TrainTask):
            self._dismiss()
        done: Future[Done] = Future()
        done.set_result(self._worker.carry_out(task))
        return done

    def _dismiss(self) -> None:
        """Tell the other processes, once, that nothing is left to train."""
        if self._leads:
            self._leads = False
            self._leader.dismiss()
