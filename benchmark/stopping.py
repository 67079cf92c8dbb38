"""Being told to stop by a signal: work that is soon done is finished and kept first."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_SAID = (
    "told to stop: what is under way is finished and kept first; told again, it is dropped at once"
)


class Stopped(KeyboardInterrupt):
    """The system told this process to stop: its queue, its terminal or its clock.

    Attributes:
        code: Exit code: 128 and the number of the signal.
    """

    def __init__(self, number: int) -> None:
        """Say which signal it was."""
        super().__init__()
        self.code = 128 + number


class _State:
    """What this process was told, and whether it finishes something just now."""

    told: int | None = None
    say: Callable[[str], None] | None = None


def tell(number: int) -> None:
    """Stop at once, or soon if something is being finished that was not told to stop yet.

    Args:
        number: Of the signal.

    Raises:
        Stopped: At once.
    """
    if _State.say is None or _State.told is not None:
        raise Stopped(number)
    _State.told = number
    _State.say(_SAID)


@contextmanager
def finishing(say: Callable[[str], None]) -> Iterator[None]:
    """Only take note of the first signal meanwhile: the block asks ``stop_if_told`` by itself.

    Args:
        say: Is told that it will stop.

    Raises:
        Stopped: It was told before.
    """
    stop_if_told()
    outside, _State.say = _State.say, say
    try:
        yield
    finally:
        _State.say = outside


def is_told() -> bool:
    """Tell whether a signal was taken note of."""
    return _State.told is not None


def stop_if_told() -> None:
    """Stop where a signal was taken note of.

    Raises:
        Stopped: It was.
    """
    number, _State.told = _State.told, None
    if number is not None:
        raise Stopped(number)
