"""The clock of a sitting: what it took, and where; no number depends on it."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from benchmark.environment import EnergyMeter, provenance
from benchmark.timing import Key, PhaseTimes, Spent, by_stage, counters, since
from benchmark.training.engine import Engine


class Stopwatch:
    """Phases of a sitting, the stages that their time went to, energy.

    Attributes:
        phases: What each phase took since the clock was last read.
    """

    def __init__(self, engine: Engine) -> None:
        """Begin a sitting that computes with ``engine``."""
        self._engine = engine
        self.phases: dict[str, PhaseTimes] = {}
        self._begin()

    def _begin(self) -> None:
        self._began = datetime.now(UTC).isoformat(timespec="seconds")
        self._meter = EnergyMeter(self._engine.device)
        self.phases.clear()
        self._first = self._counted = counters()
        self._last = time.monotonic()

    def lap(self, phase: str) -> PhaseTimes:
        """End a phase, or a part of it: what went by since the last lap is added to its time."""
        now, before = time.monotonic(), self.phases.get(phase)
        stages = by_stage(since(self._counted))
        if before is not None:
            known = {name: before.stages.get(name, Spent()) for name in {**before.stages, **stages}}
            stages = {name: known[name] + stages.get(name, Spent()) for name in known}
        seconds = now - self._last + (0.0 if before is None else before.seconds)
        self.phases[phase] = PhaseTimes(phase=phase, seconds=seconds, stages=stages)
        self._last, self._counted = now, counters()
        return self.phases[phase]

    @property
    def spent(self) -> Mapping[Key, Spent]:
        """What was spent since the clock was last read, by stage and model."""
        return since(self._first)

    def read(self, *, stopped: bool = False) -> dict[str, Any]:
        """Give what the sitting took as ``host.json`` has it, and begin another.

        Args:
            stopped: Whether it ended before the work did.
        """
        sitting: dict[str, Any] = {
            "began": self._began,
            "seconds": {name: round(each.seconds, 3) for name, each in self.phases.items()},
            "stages": {name: _told(each) for name, each in self.phases.items()},
            **provenance(self._engine.device),
        }
        if stopped:
            sitting["stopped"] = True
        if (joules := self._meter.joules()) is not None:
            sitting["energy_joules"] = joules
        self._begin()
        return sitting


def _told(times: PhaseTimes) -> dict[str, dict[str, float | int]]:
    """Give the stages of a phase as JSON has them."""
    return {
        stage: {"seconds": round(spent.seconds, 3), "count": spent.count}
        for stage, spent in times.stages.items()
    }
