"""Conditions at stage ``video``: a whole video is encoded anew, and samples are its frames."""

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from av.video import VideoFrame

from benchmark.data.video import no_frame, opened, pixels_of, upright
from benchmark.perturbations.codecs import Codec, fits, reencoded, video_frame
from benchmark.perturbations.pixels import Image
from protocols.conditions import Condition, values_of

CODECS: dict[str, Codec] = {
    "deeperforensics/video-compression": "h264",
    "real-world/h264": "h264",
    "real-world/h265": "hevc",
}


def reencoded_frames(
    condition: Condition, path: Path, numbers: Collection[int], *, max_pixels: int
) -> dict[int, Image]:
    """Encode a video anew from its first frame on, and give some frames of the result.

    Its own frame rate is kept and sound plays no part. Nothing is random. The encoder looks ahead,
    so that it takes some frames beyond the last one that is asked for, and then stops: what it
    gave out is final. The time grows with that frame's number.

    Args:
        condition: One of ``CODECS`` with its level.
        path: An MP4, MOV, AVI, MKV or WEBM file.
        numbers: Which frames, from 0, in the order they are shown.
        max_pixels: Larger frames are refused.

    Returns:
        (h, w, 3) uint8 RGB, upright, by number.

    Raises:
        ImageError: The file lacks one of the frames, is damaged, or is no such video.
    """
    (crf,) = values_of(condition.value)
    sizes: list[tuple[int, int, int]] = []
    found: dict[int, Image] = {}
    count = 0
    with opened(path, max_pixels=max_pixels) as clip:
        frames = _noted(clip.frames, sizes)
        for frame in reencoded(frames, CODECS[condition.name], crf, clip.rate):
            if count in numbers:
                height, width, rotation = sizes[count]
                pixels = pixels_of(frame)[:height, :width]
                found[count] = upright(pixels, rotation)
                if len(found) == len(set(numbers)):
                    return found
            count += 1
    raise no_frame(path, min(set(numbers) - set(found)), count)


def _noted(frames: Iterable[VideoFrame], sizes: list[tuple[int, int, int]]) -> Iterator[VideoFrame]:
    """Give frames of a size that the encoders take, and note each one's own and its rotation."""
    for frame in frames:
        sizes.append((frame.height, frame.width, frame.rotation))
        yield frame if fits(frame) else video_frame(pixels_of(frame))
