"""Conditions at stage ``video``: a whole video is encoded anew, and samples are its frames."""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from av.video import VideoFrame

from benchmark.data.video import Frames, opened, pixels_of, upright
from benchmark.perturbations.codecs import Codec, fits, reencoded, video_frame
from benchmark.perturbations.pixels import Image
from protocols.conditions import Condition, values_of

CODECS: dict[str, Codec] = {
    "deeperforensics/video-compression": "h264",
    "real-world/h264": "h264",
    "real-world/h265": "hevc",
}


class _Shape(NamedTuple):
    """A frame's own size in pixels, and its rotation in degrees."""

    height: int
    width: int
    rotation: int


@contextmanager
def reencoding(condition: Condition, path: Path, *, max_pixels: int) -> Iterator[Frames]:
    """Encode a video anew from its first frame on, for one pass over the result.

    Its own frame rate is kept and sound plays no part. Nothing is random. The encoder looks ahead,
    so that it takes some frames beyond the last one that is asked for; what it gave out is final.

    Args:
        condition: One of ``CODECS`` with its level.
        path: An MP4, MOV, AVI, MKV or WEBM file.
        max_pixels: Larger frames are refused.

    Raises:
        ImageError: The file is no such video; or, when a frame is asked for, there is none.
    """
    (crf,) = values_of(condition.value)
    shapes: deque[_Shape] = deque()
    with opened(path, max_pixels=max_pixels) as clip:
        frames = _noted(clip.frames, shapes)
        encoded = reencoded(frames, CODECS[condition.name], crf, clip.rate)
        yield Frames(path, (partial(_shown, frame, shapes.popleft()) for frame in encoded))


def _noted(frames: Iterable[VideoFrame], shapes: deque[_Shape]) -> Iterator[VideoFrame]:
    """Give frames of a size that the encoders take, and note each one's own shape."""
    for frame in frames:
        shapes.append(_Shape(frame.height, frame.width, frame.rotation))
        yield frame if fits(frame) else video_frame(pixels_of(frame))


def _shown(frame: VideoFrame, shape: _Shape) -> Image:
    """Give an encoded frame as its own was shown."""
    return upright(pixels_of(frame)[: shape.height, : shape.width], shape.rotation)
