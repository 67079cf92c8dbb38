"""Frames of a video file."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.error import FFmpegError
from av.video import VideoFrame
from numpy.typing import NDArray

from benchmark.errors import ImageError

# The demuxer is chosen by the name, never by the content: a playlist that calls itself .mp4 could
# otherwise make FFmpeg open other files and addresses.
CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".avi": "avi", ".mkv": "matroska", ".webm": "matroska"}
_RATE = Fraction(25)


class Clip(NamedTuple):
    """An open video.

    Attributes:
        frames: In the order they are shown.
        rate: Frames a second; 25 where the file does not say.
    """

    frames: Iterator[VideoFrame]
    rate: Fraction


def decode_frame(path: Path, number: int, *, max_pixels: int) -> NDArray[np.uint8]:
    """Decode one frame exactly.

    All frames up to it are decoded, since no index of a file can be trusted: the time grows with
    ``number``.

    Args:
        path: An MP4, MOV, AVI, MKV or WEBM file.
        number: Which frame, from 0, in the order they are shown.
        max_pixels: Larger frames are refused before one is decoded.

    Returns:
        (h, w, 3) uint8 RGB.

    Raises:
        ImageError: The file has no such frame, is damaged before it, or is no such video.
    """
    count = 0
    with opened(path, max_pixels=max_pixels) as clip:
        for frame in clip.frames:
            if count == number:
                return upright(pixels_of(frame), frame.rotation)
            count += 1
    raise no_frame(path, number, count)


@contextmanager
def opened(path: Path, *, max_pixels: int) -> Iterator[Clip]:
    """Open a video; FFmpeg's errors become ``ImageError`` for as long as it is open.

    Raises:
        ImageError: The file is no such video, is damaged, or its frames are larger than
            ``max_pixels``.
    """
    container = CONTAINERS.get(path.suffix.lower())
    if container is None:
        raise ImageError(
            str(path), f"'{path.suffix}' is no video; there are {', '.join(CONTAINERS)}"
        )
    try:
        with av.open(str(path.resolve()), format=container) as video:
            if not video.streams.video:
                raise ImageError(str(path), "there are no pictures in this file")
            stream = video.streams.video[0]
            width, height = stream.codec_context.width, stream.codec_context.height
            if width * height > max_pixels:
                raise ImageError(str(path), f"{width} x {height} pixels, more than {max_pixels}")
            yield Clip(video.decode(stream), stream.average_rate or _RATE)
    except FFmpegError as error:
        raise ImageError(str(path), f"unreadable: {error.strerror or error}") from error


def pixels_of(frame: VideoFrame) -> NDArray[np.uint8]:
    """Give a frame as (h, w, 3) uint8 RGB, not turned."""
    return np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)


def upright(pixels: NDArray[np.uint8], rotation: int) -> NDArray[np.uint8]:
    """Turn (h, w, 3) by the degrees that a frame's display matrix says, counter-clockwise."""
    return np.ascontiguousarray(np.rot90(pixels, rotation // 90))


def no_frame(path: Path, number: int, count: int) -> ImageError:
    """Say that a video of ``count`` frames has no frame ``number``."""
    return ImageError(str(path), f"there is no frame {number}; there are {count}, counted from 0")
