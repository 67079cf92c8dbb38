"""Where the time of a process goes: seconds by stage, added up over its threads.

As with ``time.process_time`` the counters run for the whole life of the process; whoever wants to
know what something took reads them before and after. A stage that begins inside another one is
taken out of that, so that no second is counted twice in one thread.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock, local
from time import perf_counter

from results.stages import STAGES

Key = tuple[str, str]
"""A stage and what it was spent on, the id of a model for one; "" if it is nobody's."""


@dataclass(frozen=True)
class Spent:
    """What was spent.

    Attributes:
        seconds: Of all threads together.
        count: How many images, scores or steps it was spent on, where they are counted.
    """

    seconds: float = 0.0
    count: int = 0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.seconds + other.seconds, self.count + other.count)

    def __sub__(self, other: "Spent") -> "Spent":
        return Spent(self.seconds - other.seconds, self.count - other.count)


_lock = Lock()  # of the counters
_counters: dict[Key, Spent] = {}


class _Inner(local):
    """Seconds of the stages inside the one that a thread is in."""

    seconds = 0.0


_inner = _Inner()


@contextmanager
def timed(stage: str, label: str = "", count: int = 0) -> Iterator[None]:
    """Count the time of a block.

    Args:
        stage: One of ``results.stages.STAGES``.
        label: What it is spent on.
        count: How many images, scores or steps it is spent on.
    """
    outside, _inner.seconds = _inner.seconds, 0.0
    began = perf_counter()
    try:
        yield
    finally:
        took = perf_counter() - began
        add({(stage, label): Spent(took - _inner.seconds, count)})
        _inner.seconds = outside + took


@dataclass(frozen=True, kw_only=True)
class PhaseTimes:
    """What a phase of a study took, and where it went.

    Attributes:
        phase: Its name.
        seconds: Wall time.
        stages: By name of the stage, as ``by_stage`` gives it.
    """

    phase: str
    seconds: float
    stages: Mapping[str, Spent]


def counters() -> dict[Key, Spent]:
    """Give what was spent since the process began."""
    with _lock:
        return dict(_counters)


def since(before: Mapping[Key, Spent]) -> dict[Key, Spent]:
    """Give what was spent since the counters stood as in ``before``; what stood still is left out.

    It can be handed to another process, which puts it to its own with ``add``.
    """
    return {
        key: spent - before.get(key, Spent())
        for key, spent in counters().items()
        if spent != before.get(key)
    }


def add(found: Mapping[Key, Spent]) -> None:
    """Add what was spent, in another process say."""
    with _lock:
        for key, spent in found.items():
            if key[0] not in STAGES:
                raise ValueError(f"no stage is called '{key[0]}'")
            _counters[key] = _counters.get(key, Spent()) + spent


def by_stage(found: Mapping[Key, Spent]) -> dict[str, Spent]:
    """Add up what was spent, in the order of ``STAGES``; a stage without time is left out."""
    totals: dict[str, Spent] = {}
    for (stage, _), spent in found.items():
        totals[stage] = totals.get(stage, Spent()) + spent
    return {stage: totals[stage] for stage in STAGES if stage in totals}
