"""One sweep over all images of a table: file by file, in threads, each file opened once."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TypeVar

from benchmark.data.images import OpenFile, by_file, frames_of, whereabouts
from benchmark.data.loader import FILES_AHEAD, default_workers, load

F = TypeVar("F", bound=OpenFile)
T = TypeVar("T")


def still_or_video() -> OpenFile:
    """Open nothing yet: the file of the first sample, which may be an image or a video."""
    return OpenFile(frames_of)


def sweep(
    ids: Sequence[str],
    read: Callable[[int, F], T],
    *,
    opened: Callable[[], F],
    workers: int | None = None,
    on_progress: Callable[[], None] = lambda: None,
) -> list[T]:
    """Do the same with every sample of a table, those of one file in one pass over it.

    An error, or an interrupt, stops it: no other file is begun.

    Args:
        ids: The samples.
        read: Given a sample's place in ``ids`` and its file, makes a small result; several
            threads call it, each with files of its own.
        opened: Makes a file that nothing was read of, as ``still_or_video`` does.
        workers: Threads; 0: the caller's alone; None: as many as there are cores, 16 at most.
        on_progress: Called after each sample, in the caller's thread.

    Returns:
        The results in the order of ``ids``.

    Raises:
        BenchmarkError: Whatever ``read`` raises, by the turn of its file.
    """

    @contextmanager
    def of_one_file(_: object) -> Iterator[Callable[[int], T]]:
        with opened() as file:
            yield lambda place: read(place, file)

    files = by_file(ids)
    found: dict[int, T] = {}
    coming = load(
        files,
        where=lambda place: whereabouts(ids[place]),
        opened=of_one_file,
        size=lambda _: 0,
        workers=default_workers() if workers is None else workers,
        ahead=FILES_AHEAD,
    )
    with closing(coming):  # an interrupt must not wait for every image
        for places, results in zip(files, coming, strict=True):
            for place, result in zip(places, results, strict=True):
                found[place] = result
                on_progress()
    return [found[place] for place in range(len(ids))]
