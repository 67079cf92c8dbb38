"""Training curves for TensorBoard: loss and validation AUC by step, a folder a model."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from benchmark.errors import BenchmarkError
from benchmark.progress import Progress

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter


class Curves(Progress):
    """Writes the figures of every training step to ``<folder>/<model id>``.

    A training that goes on is written on behind what is there, from the step that it goes on from:
    TensorBoard leaves out what an interrupted sitting wrote beyond it.
    """

    def __init__(self, folder: Path) -> None:
        """Write below ``folder``.

        Raises:
            BenchmarkError: TensorBoard is not installed, or the folder cannot be made.
        """
        if find_spec("tensorboard") is None:
            raise BenchmarkError(
                "--tensorboard needs the package tensorboard: pip install "
                "'forgerybench[tensorboard]'"
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BenchmarkError(
                f"--tensorboard {folder}: cannot be made ({error.strerror})"
            ) from error
        self._folder, self._is_training = folder, False
        self._writer: SummaryWriter | None = None
        self._step = 0

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Write out what is left."""
        self._close()

    def phase(self, name: str, jobs: int) -> None:
        """Note whether models are trained now."""
        self._is_training = name == "train"

    def job(self, title: str, total: int, done: int = 0, models: Sequence[str] = ()) -> None:
        """Open the folder of a model."""
        if not self._is_training or not models:
            return
        from torch.utils.tensorboard.writer import SummaryWriter

        self._close()
        self._writer = SummaryWriter(str(self._folder / models[0]), purge_step=done + 1)
        self._writer.add_text("model", title, done)
        self._step = done

    def advance(self, amount: int = 1, **values: float) -> None:
        """Write the figures of a step."""
        if self._writer is None:
            return
        self._step += amount
        for name, value in values.items():
            self._writer.add_scalar(name, value, self._step)

    def finish(self) -> None:
        """Close the folder of a model."""
        self._close()

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
