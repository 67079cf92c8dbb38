"""Who carries out what a plan has left to do: a table of names, each loaded when it is chosen."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self, TypeVar, cast

from benchmark.errors import BenchmarkError
from protocols.errors import UnknownNameError

if TYPE_CHECKING:
    from benchmark.executors.tasks import Done, Task, Work

EXECUTORS = {
    "local": "benchmark.executors.local:LocalExecutor",
    "processes": "benchmark.executors.processes:ProcessExecutor",
    "ray": "benchmark.executors.ray:RayExecutor",
}
"""Name -> ``module:Class`` of an ``Executor``, which is made of ``Work`` and ``ChosenExecutor``."""

T = TypeVar("T")


class Share(NamedTuple):
    """Which worker of how many this is: ``--shard 2/3`` is the second of three.

    It says where to begin. What the others have not begun by then is done too.
    """

    number: int
    of: int

    def ordered(self, items: Sequence[T]) -> list[T]:
        """Give every item, one's own first, then those of the next worker, and so on."""
        own = self.number - 1
        places = sorted(range(len(items)), key=lambda place: ((place - own) % self.of, place))
        return [items[place] for place in places]


WHOLE = Share(1, 1)
"""Of one worker."""


def read_share(text: str) -> Share:
    """Read ``2/3`` as the second of three.

    Raises:
        BenchmarkError: It is none.
    """
    number, slash, of = text.partition("/")
    plain = text.isascii() and number.isdecimal() and of.isdecimal()
    if not (slash and plain and 1 <= int(number) <= int(of)):
        raise BenchmarkError(
            f"--shard is one of n, counted from 1, as 1/3, 2/3 and 3/3; not '{text}'"
        )
    return Share(int(number), int(of))


@dataclass(frozen=True, kw_only=True)
class ChosenExecutor:
    """Who is to do the work, as the user names it; no number depends on it.

    Attributes:
        name: In ``EXECUTORS``.
        workers: Tasks that may be under way at once, for ``processes``; None: one a GPU, or on a
            CPU as many as its cores have room for.
        address: Of the cluster, for ``ray``; None: one of this machine alone, ended with the run.
    """

    name: str = "local"
    workers: int | None = None
    address: str | None = None


LOCAL = ChosenExecutor()
"""This process alone."""


class Executor(Protocol):
    """Carries tasks out; whoever does it, the same bytes come out. Used as a context.

    Attributes:
        lost: What a task's future raises if its worker went before the task was done.
    """

    lost: tuple[type[Exception], ...]

    @property
    def size(self) -> int:
        """How many tasks may be under way at once."""

    def submit(self, task: "Task") -> "Future[Done]":
        """Begin a task."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End; what is under way then is dropped."""


def create_executor(chosen: ChosenExecutor, work: "Work") -> Executor:
    """Build an executor.

    Raises:
        UnknownNameError, BenchmarkError: As ``check_executor``.
    """
    check_executor(chosen)
    module, _, attribute = EXECUTORS[chosen.name].partition(":")
    make = cast(
        "Callable[[Work, ChosenExecutor], Executor]", getattr(import_module(module), attribute)
    )
    return make(work, chosen)


def check_executor(chosen: ChosenExecutor) -> None:
    """Refuse a choice that cannot be; no executor is loaded.

    Raises:
        UnknownNameError: There is no executor of that name.
        BenchmarkError: It does not take what is said beside its name, or is not installed.
    """
    if chosen.name not in EXECUTORS:
        raise UnknownNameError("executor", chosen.name, EXECUTORS)
    for option, of, value in (
        ("--workers", "processes", chosen.workers),
        ("--address", "ray", chosen.address),
    ):
        if value is not None and chosen.name != of:
            raise BenchmarkError(f"{option} is for --executor {of}, not {chosen.name}")
    if chosen.name == "ray" and find_spec("ray") is None:
        raise BenchmarkError(
            "--executor ray needs Ray, which is not installed: pip install 'forgerybench[ray]'"
        )
