"""Being told to stop by the system: as Ctrl-C, with the exit code that says who told."""

import os
import signal
from types import FrameType

from benchmark.stopping import tell

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


def stop_when_told() -> None:
    """Have every command end in order: what is soon done is finished, what is done stays.

    A signal that is ignored, as under ``nohup``, stays so. Processes that this one forks end at
    once, as they would have done without this.
    """
    own = os.getpid()

    def stop(number: int, _: FrameType | None) -> None:
        if os.getpid() == own:
            tell(number)
            return
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    for name in SIGNALS:
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, stop)
