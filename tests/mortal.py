"""A small detector that kills its process once, as the system does for want of memory."""

import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from detectors.card import Card
from tests.small_data import Small

MARKS = "MORTAL_MARKS"
"""Name of a variable: the folder that says when to die, and whether one has."""


def strike(folder: Path, when: str) -> None:
    """Let the next process die when it is ``training`` or ``scoring``."""
    (folder / when).touch()


class Mortal(Small):
    """It dies once in its training or scoring, where a mark says so; its numbers are Small's."""

    card: ClassVar[Card] = replace(Small.card, name="mortal")

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._steps = 0

    def forward(self, inputs: Tensor) -> Tensor:
        folder = Path(os.environ[MARKS]) if MARKS in os.environ else None
        self._steps += self.training
        when = "training" if self.training else "scoring"
        is_late = self._steps > 10 if self.training else bool(self.trained)
        if folder is not None and is_late:
            mark = folder / when
            if mark.exists():
                mark.rename(folder / f"{when}-{os.getpid()}")
                os.kill(os.getpid(), signal.SIGKILL)
            stuck = folder / "stuck"
            if stuck.exists():  # the first that comes here stays
                stuck.rename(folder / f"stuck-{os.getpid()}")
                time.sleep(3600)
            if (folder / "slow").exists():  # so that it can be met at work
                time.sleep(0.05)
        return super().forward(inputs)


MORTAL = "tests.mortal:Mortal"
