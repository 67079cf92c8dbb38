"""One frame of a video file."""

from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from benchmark.errors import ImageError

# The demuxer is chosen by the name, never by the content: a playlist that calls itself .mp4 could
# otherwise make FFmpeg open other files and addresses.
CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".avi": "avi", ".mkv": "matroska", ".webm": "matroska"}


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
    container = CONTAINERS.get(path.suffix.lower())
    if container is None:
        raise ImageError(
            str(path), f"'{path.suffix}' is no video; there are {', '.join(CONTAINERS)}"
        )
    try:
        return _decode_frame(path, container, number, max_pixels)
    except FFmpegError as error:
        raise ImageError(str(path), f"unreadable: {error.strerror or error}") from error


def _decode_frame(path: Path, container: str, number: int, max_pixels: int) -> NDArray[np.uint8]:
    """Do what ``decode_frame`` says; FFmpeg's errors pass."""
    count = 0
    with av.open(str(path.resolve()), format=container) as video:
        if not video.streams.video:
            raise ImageError(str(path), "there are no pictures in this file")
        stream = video.streams.video[0]
        width, height = stream.codec_context.width, stream.codec_context.height
        if width * height > max_pixels:
            raise ImageError(str(path), f"{width} x {height} pixels, more than {max_pixels}")
        for frame in video.decode(stream):
            if count == number:
                pixels = frame.to_ndarray(format="rgb24")
                return np.ascontiguousarray(np.rot90(pixels, frame.rotation // 90))
            count += 1
    raise ImageError(str(path), f"there is no frame {number}; there are {count}, counted from 0")
