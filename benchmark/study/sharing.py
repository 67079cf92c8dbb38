"""The folder of a run, shared by all who fill it: who is at work, and who begins and ends it.

Two locks in the run's lock file say that. ``run`` is held alone, for as long as the run's facts are
read or written: at the beginning, and at the end. ``workers`` is shared by everyone who trains or
scores; whoever could have it alone is the last one, and ends the run. Between the two each piece of
work has a lock of its own (``benchmark.executors.handing``).
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmark.errors import BenchmarkError
from benchmark.executors.tasks import LOCKS
from benchmark.locks import Locks
from benchmark.progress import Progress
from benchmark.study.binding import check_folder

_RUN, _WORKERS = "run", "workers"
_FIRST_WAIT, _LONGEST_WAIT = 0.2, 5.0


class SharedFolder:
    """One worker's part in a run's folder.

    Attributes:
        claims: The locks of the run.
    """

    def __init__(self, out: Path, claims: Locks, progress: Progress) -> None:
        """Take part in the run at ``out``; see ``shared``."""
        self._out, self.claims, self._progress = out, claims, progress

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold what the run says of itself, alone, as soon as nobody else does."""
        if not self.claims.take(_RUN):
            self._progress.note(f"another run begins or ends in {self._out}: waiting")
            self.claims.wait(_RUN)
        while not self.claims.is_current():  # whoever held it came to nothing and removed it
            make_folder(self._out)
            self.claims.reopen()
            self.claims.wait(_RUN)
        try:
            yield
        finally:
            self.claims.free(_RUN)

    def leave(self) -> bool:
        """Be at work no longer; give whether nobody is. To be called while it is held."""
        self.claims.free(_WORKERS)
        alone = self.claims.take(_WORKERS)
        self.claims.free(_WORKERS)
        return alone

    def join(self) -> None:
        """Be at work from now on. To be called while it is held."""
        self.claims.take(_WORKERS, shared=True)

    @contextmanager
    def held_last(self, *, wait: bool) -> Iterator[bool]:
        """Be at work no longer, and hold the folder; give whether nobody is at work any more.

        Args:
            wait: Whether to wait for that, if need be.
        """
        waits = _waits(lambda: self._progress.note("others are still at work on it: waiting"))
        while True:
            with self.held():
                last = self.leave()
                if last or not wait:
                    yield last
                    return
            next(waits)


@contextmanager
def shared(out: Path, progress: Progress) -> Iterator[SharedFolder]:
    """Take part in a run; a folder that nothing came of is removed again.

    Raises:
        BenchmarkError: It can be no run's folder, or its file system has no locks.
    """
    check_folder(out)
    make_folder(out)
    with Locks(out / LOCKS) as claims:
        try:
            yield SharedFolder(out, claims, progress)
        finally:
            if claims.take(_RUN) and claims.take(_WORKERS) and not (out / "run.json").is_file():
                (out / LOCKS).unlink(missing_ok=True)
                with suppress(OSError):
                    out.rmdir()


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Hold a run's folder for what nobody may work beside.

    Raises:
        BenchmarkError: Somebody is at work on it; or as ``shared``.
    """
    with shared(out, Progress()) as folder:
        if not (folder.claims.take(_RUN) and folder.claims.take(_WORKERS)):
            raise BenchmarkError(f"{out} is in use by another run: wait for it to end")
        yield


def make_folder(out: Path) -> None:
    """Make a run's folder, if it is not there."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BenchmarkError(
            f"--out {out} cannot be made ({error.strerror}): choose another folder"
        ) from error


def wait_for(is_free: Callable[[], bool], progress: Progress) -> None:
    """Wait until something is free that others hold."""
    waits = _waits(lambda: progress.note("all that is left is being done by others: waiting"))
    while not is_free():
        next(waits)


def _waits(first: Callable[[], None]) -> Iterator[None]:
    """Sleep a little longer each time; before the third it is told, once, that one waits."""
    seconds, number = _FIRST_WAIT, 0
    while True:
        if number == 2:
            first()
        time.sleep(seconds)
        seconds, number = min(seconds * 1.5, _LONGEST_WAIT), number + 1
        yield
