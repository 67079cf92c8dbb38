"""What may be fetched from the Hub: what was asked for, nothing offline, nothing by what was saved.

Every download of ours goes through here.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from detectors.errors import WeightsError

# The files of a trained detector's folder.
CONFIG, TENSORS = "config.json", "model.safetensors"
OFFLINE = "FORGERYBENCH_OFFLINE"
_HUB_OFFLINE = "HF_HUB_OFFLINE"
_YES = frozenset({"1", "ON", "TRUE", "YES"})  # as the Hub's own variable is read
_REBUILT: ContextVar[Path | None] = ContextVar("rebuilt", default=None)


def is_offline() -> bool:
    """Tell whether nothing may be fetched: by our variable or by that of the Hub's library."""
    return any(os.environ.get(name, "").upper() in _YES for name in (OFFLINE, _HUB_OFFLINE))


def go_offline() -> None:
    """Let nothing be fetched in this process and those that it starts.

    The Hub's library reads its variable when it is loaded, so that this comes before.
    """
    os.environ[OFFLINE] = os.environ[_HUB_OFFLINE] = "1"


@contextmanager
def rebuilding(config: Path) -> Iterator[None]:
    """Fetch nothing for a while: a saved detector is built, whose tensors are all in its folder."""
    token = _REBUILT.set(config)
    try:
        yield
    finally:
        _REBUILT.reset(token)


def is_rebuilding() -> bool:
    """Tell whether a saved detector is being built, whose first weights are of no matter."""
    return _REBUILT.get() is not None


def refuse_fetching(name: str) -> None:
    """Raise WeightsError where a saved detector asks for something of the Hub."""
    config = _REBUILT.get()
    if config is not None:
        raise WeightsError(
            f"{config}: a saved detector fetches nothing, and its options ask for '{name}'"
        )
