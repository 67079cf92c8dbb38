"""Which frames of a video are its samples: evenly spaced, by one rule, the same everywhere."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from benchmark.data.images import check_file, locate
from benchmark.data.loader import default_workers
from benchmark.data.video import frame_times
from benchmark.errors import ImageError

FRAMES = 32
Periods = tuple[tuple[Fraction, Fraction], ...]


class ChosenFrame(NamedTuple):
    """A frame that was chosen.

    Attributes:
        number: From 0, in the order they are shown.
        seconds: When it is shown, exactly, from the video's first frame.
    """

    number: int
    seconds: Fraction


def evenly(count: int, wanted: int) -> list[int]:
    """Choose evenly spaced numbers, the first and the last among them.

    The rule is DeepfakeBench's, ``linspace(0, count - 1, wanted)`` cut to whole numbers, in whole
    numbers: of number i it takes floor(i * (count - 1) / (wanted - 1)).

    Args:
        count: How many there are.
        wanted: How many to take, at least 1. All are taken where there are fewer; one alone is the
            middle one.
    """
    if count <= wanted:
        return list(range(count))
    if wanted == 1:
        return [(count - 1) // 2]
    return [i * (count - 1) // (wanted - 1) for i in range(wanted)]


def chosen_frames(
    root: Path,
    videos: Sequence[str],
    wanted: int,
    periods: Sequence[Periods] = (),
    *,
    workers: int | None = None,
) -> Iterable[list[ChosenFrame] | ImageError]:
    """Choose the frames of videos; no picture is decoded, each file is opened once.

    Args:
        root: Of the paths.
        videos: Paths.
        wanted: How many of each.
        periods: Of each video, if only parts of it are to be taken: from when to when, in seconds.
            The frames within them are taken evenly; () takes the whole.
        workers: Threads; None: as many as there are cores, 16 at most.

    Yields:
        For each video its frames, or why it cannot be read.
    """

    def one(place: int) -> list[ChosenFrame] | ImageError:
        video = videos[place]
        try:
            path = locate(root, video).path
            check_file(path)
            times = frame_times(path)
        except ImageError as error:
            return error
        within = _within(times, periods[place] if periods else ())
        return [ChosenFrame(within[i], times[within[i]]) for i in evenly(len(within), wanted)]

    threads = max(default_workers() if workers is None else workers, 1)
    with ThreadPoolExecutor(threads, thread_name_prefix="videos") as pool:
        # In pieces: a hundred thousand videos are not all asked for at once.
        for start in range(0, len(videos), 256):
            yield from pool.map(one, range(start, min(start + 256, len(videos))))


def _within(times: Sequence[Fraction], periods: Periods) -> list[int]:
    """Number the frames that are shown within the periods, if there are any."""
    if not periods:
        return list(range(len(times)))
    return [i for i, time in enumerate(times) if any(a <= time < b for a, b in periods)]


def thinned(names: Sequence[str], wanted: int) -> list[str]:
    """Choose evenly among the frames of a video that lie there as files.

    Args:
        names: Their paths, in any order; they are taken in the order of their numbers.
        wanted: How many.
    """
    ordered = sorted(names, key=frame_key)
    return [ordered[number] for number in evenly(len(ordered), wanted)]


def frame_key(path: str) -> tuple[tuple[int, int, str], ...]:
    """Give what sorts frames by number: ``10.png`` after ``9.png``."""
    parts: list[tuple[int, int, str]] = []
    text = path.rpartition("/")[2]
    while text:
        is_number = text[0].isascii() and text[0].isdigit()
        end = next(
            (i for i, c in enumerate(text) if (c.isascii() and c.isdigit()) != is_number), len(text)
        )
        piece, text = text[:end], text[end:]
        # So that a folder of names without end costs no big number.
        parts.append((0, int(piece[:40]), piece) if is_number else (1, 0, piece))
    return tuple(parts)
