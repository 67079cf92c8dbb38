"""Several processes, as ``accelerate launch`` or ``torchrun`` starts them: one leads, all train.

The first process carries out a study; the others train with it, model by model, and do nothing
else. The leader tells them what to train, so that only one of them reads the run and the store.
"""

from collections.abc import Callable
from contextlib import suppress

import torch
import torch.distributed
from accelerate import PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast_object_list

from benchmark.data.source import ImageSource
from benchmark.environment import process_count
from benchmark.errors import ModelGapError
from benchmark.progress import Progress
from benchmark.training.engine import Engine
from benchmark.training.jobs import TrainJob


class Leader:
    """The first process's side: every training is announced to the others."""

    def __init__(self, engine: Engine) -> None:
        """Tell the others where the images are."""
        self._device = engine.device
        source = engine.source
        self._announce((source.samples, source.roots, source.encoding))

    def announce(self, job: TrainJob) -> None:
        """Have the others begin to train ``job``; this process must do so next."""
        self._announce(job)

    def dismiss(self) -> None:
        """Tell the others that nothing is left to train, and part from them."""
        self._announce(None)
        _part()

    def _announce(self, message: object) -> None:
        if process_count() > 1:
            _join(self._device)
            broadcast_object_list([message])


def follow(
    device: torch.device,
    make_engine: Callable[..., Engine],
    train: Callable[[TrainJob, Engine], object],
) -> None:
    """Train what the leader announces until there is nothing left.

    Args:
        device: Where to compute.
        make_engine: Builds the engine from ``source`` and ``progress``.
        train: Trains a job.
    """
    _join(device)
    samples, roots, encoding = broadcast_object_list([None])[0]
    source = ImageSource(samples, roots, encoding=encoding)
    engine = make_engine(source=source, progress=Progress())
    while (job := broadcast_object_list([None])[0]) is not None:
        with suppress(ModelGapError):  # the leader, which meets it too, tells of it
            train(job, engine)
    _part()


def _join(device: torch.device) -> None:
    """Meet the other processes, once; from then on ``cuda`` is this process's own GPU."""
    PartialState(cpu=device.type == "cpu")


def _part() -> None:
    """Leave the group, whose threads would otherwise be cut off when the process ends."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
        AcceleratorState._reset_state(reset_partial_state=True)
