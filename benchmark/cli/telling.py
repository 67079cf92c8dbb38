"""Who is told of a study: the display, and what the user wants written beside it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmark.cli.console import print_table
from benchmark.cli.display import Display
from benchmark.cli.log import JsonLog
from benchmark.environment import process_rank
from benchmark.progress import Progress, Several


@contextmanager
def telling(
    console: Console, *, log: Path | None = None, tensorboard: Path | None = None
) -> Iterator[Progress]:
    """Show progress on a console, and write it where the user wants it.

    Args:
        console: Where the display is.
        log: File of ``JsonLog``.
        tensorboard: Folder of ``Curves``.

    Raises:
        BenchmarkError: One of the files cannot be written, or TensorBoard is not installed.
    """
    with ExitStack() as open_ones:
        # Only the first of several processes tells anything.
        others: list[Progress] = []
        if log is not None and process_rank() == 0:
            others.append(open_ones.enter_context(JsonLog(log)))
        if tensorboard is not None and process_rank() == 0:
            from benchmark.cli.curves import Curves

            others.append(open_ones.enter_context(Curves(tensorboard)))
        display = open_ones.enter_context(Display(console))
        yield Several(display, *others) if others else display


def show_left(left: Any, took: Any) -> None:
    """Print what is missing before anything is trained."""
    from benchmark.study.crossvalidation import estimate

    rows = []
    for model in left:
        seconds = estimate(model, took)
        rows.append([model.name, "unknown" if seconds is None else f"{seconds:.0f}"])
    print_table(f"Models without a record: {len(rows)}", ["model", "seconds, estimated"], rows)
