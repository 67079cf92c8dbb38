"""Frames of a video file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.error import FFmpegError
from av.video import VideoFrame
from numpy.typing import NDArray

from benchmark.data.shapes import check_shape
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


class Frames:
    """The frames of an open video in one pass, so the numbers that are asked for never fall.

    All frames up to the one that is asked for are decoded, since no index of a file can be trusted:
    the time grows with the last number.
    """

    def __init__(self, path: Path, coming: Iterator[Callable[[], NDArray[np.uint8]]]) -> None:
        """Stand before the first frame.

        Args:
            path: What the errors name.
            coming: Of every frame in the order they are shown: what turns it into pixels.
        """
        self._path, self._coming = path, coming
        self._count = 0
        self._pixels: Callable[[], NDArray[np.uint8]] | NDArray[np.uint8] | None = None
        self._damage: ImageError | None = None

    def at(self, number: int) -> NDArray[np.uint8]:
        """Give one frame exactly.

        Args:
            number: Which frame, from 0, in the order they are shown; none before the last one.

        Returns:
            (h, w, 3) uint8 RGB, the same array if the same frame is asked for again.

        Raises:
            ImageError: The file has no such frame, or is damaged before it.
        """
        if number < self._count - 1:
            raise ValueError(f"frame {number} was passed: {self._count} are decoded")
        while self._count <= number:
            self._advance(number)
        if callable(self._pixels):
            with _named(self._path):
                self._pixels = self._pixels()
        assert self._pixels is not None
        return self._pixels

    def _advance(self, number: int) -> None:
        """Decode the next frame on the way to ``number``."""
        if self._damage is not None:
            raise self._damage
        try:
            with _named(self._path):
                following = next(self._coming, None)
        except ImageError as error:
            self._damage = error  # the decoder cannot be asked again: it would tell of an end
            raise
        if following is None:
            raise _no_frame(self._path, number, self._count)
        self._pixels = following
        self._count += 1


@contextmanager
def decoding(path: Path, *, max_pixels: int) -> Iterator[Frames]:
    """Open a video for one pass over its frames, upright.

    Args:
        path: An MP4, MOV, AVI, MKV or WEBM file.
        max_pixels: Larger frames are refused before one is decoded.

    Raises:
        ImageError: As ``opened``.
    """
    with opened(path, max_pixels=max_pixels) as clip:
        yield Frames(path, (partial(_shown, frame) for frame in clip.frames))


def _shown(frame: VideoFrame) -> NDArray[np.uint8]:
    """Give a frame as it is shown."""
    return upright(pixels_of(frame), frame.rotation)


@contextmanager
def opened(path: Path, *, max_pixels: int) -> Iterator[Clip]:
    """Open a video; FFmpeg's errors become ``ImageError`` for as long as it is open.

    Raises:
        ImageError: The file is no such video, is damaged, or its frames are larger than
            ``max_pixels``.
    """
    container = _container(path)
    with _named(path), av.open(str(path.resolve()), format=container) as video:
        if not video.streams.video:
            raise ImageError(str(path), "there are no pictures in this file")
        stream = video.streams.video[0]
        width, height = stream.codec_context.width, stream.codec_context.height
        check_shape(str(path), width, height, max_pixels)
        yield Clip(video.decode(stream), stream.average_rate or _RATE)


def frame_times(path: Path) -> list[Fraction]:
    """Give when each frame of a video is shown, in seconds from the first, without decoding one.

    Raises:
        ImageError: The file is no such video, is damaged, or says of a picture not when it is
            shown.
    """
    container = _container(path)
    with _named(path), av.open(str(path.resolve()), format=container) as video:
        if not video.streams.video:
            raise ImageError(str(path), "there are no pictures in this file")
        stream = video.streams.video[0]
        unit = stream.time_base or 1 / (stream.average_rate or _RATE)
        shown, order = [], 0
        for packet in video.demux(stream):
            if packet.size and not packet.is_discard:
                # AVI tells no times: its pictures follow each other at its rate.
                stamp = packet.pts if packet.pts is not None else packet.dts
                shown.append(order if stamp is None else stamp)
                order += 1
    shown.sort()
    if not shown:
        raise ImageError(str(path), "there are no pictures in this file")
    return [(stamp - shown[0]) * Fraction(unit) for stamp in shown]


def _container(path: Path) -> str:
    """Give the demuxer of a file, by its name."""
    container = CONTAINERS.get(path.suffix.lower())
    if container is None:
        raise ImageError(
            str(path), f"'{path.suffix}' is no video; there are {', '.join(CONTAINERS)}"
        )
    return container


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turn FFmpeg's errors into one that names the file."""
    try:
        yield
    except FFmpegError as error:
        raise ImageError(str(path), f"unreadable: {error.strerror or error}") from error


def pixels_of(frame: VideoFrame) -> NDArray[np.uint8]:
    """Give a frame as (h, w, 3) uint8 RGB, not turned."""
    return np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)


def upright(pixels: NDArray[np.uint8], rotation: int) -> NDArray[np.uint8]:
    """Turn (h, w, 3) by the degrees that a frame's display matrix says, counter-clockwise."""
    return np.ascontiguousarray(np.rot90(pixels, rotation // 90))


def _no_frame(path: Path, number: int, count: int) -> ImageError:
    """Say that a video of ``count`` frames has no frame ``number``."""
    return ImageError(str(path), f"there is no frame {number}; there are {count}, counted from 0")
