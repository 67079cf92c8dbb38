"""Through an encoder and back: stills with Pillow, one-frame video streams with PyAV."""

import io
from collections.abc import Iterable, Iterator
from fractions import Fraction
from platform import machine
from typing import Literal, cast

import av
import numpy as np
from av.video import VideoFrame
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from PIL import Image as Pillow

from benchmark.perturbations.pixels import Image

Codec = Literal["h264", "hevc"]

SUBSAMPLING_420 = 2  # Pillow's number for it
# x264 and x265 take even sizes, x265 no side under 32: smaller images repeat their border.
_SMALLEST = 32
_ENCODERS = {"h264": "libx264", "hevc": "libx265"}
_RATE = Fraction(25)
# x264's AVX-512 code for macroblock trees reads memory that nobody wrote: at some sizes, one video
# in tens came out with other pixels. Its SSE code does not, and is as fast.
_SAFE = {"x264-params": "asm=sse4.2"} if machine() in ("x86_64", "AMD64") else {}
# The result depends on the number of threads.
_SINGLE = {
    "h264": {"threads": "1", **_SAFE},
    "hevc": {"x265-params": "log-level=none:pools=none:frame-threads=1"},
}


def encode_jpeg(image: Image, quality: int) -> bytes:
    """Give the bytes of ``image`` (h, w, 3) as a JPEG, 4:2:0, without metadata."""
    return _encode(image, "JPEG", quality=quality, subsampling=SUBSAMPLING_420)


def through_jpeg(image: Image, quality: int) -> Image:
    """Encode as a baseline JPEG, 4:2:0, of quality 1 to 100 and decode again."""
    return _decode(encode_jpeg(image, quality))


def through_webp(image: Image, quality: int) -> Image:
    """Encode as a lossy WebP of quality 0 to 100 (method 4, 4:2:0) and decode again."""
    return _decode(_encode(image, "WEBP", quality=quality, method=4))


def through_video(image: Image, codec: Codec, crf: float) -> Image:
    """Encode as a stream of one frame and decode again.

    Sides that the encoder refuses are made longer by repeating the border.

    Args:
        image: (h, w, 3) uint8 RGB, any size.
        codec: Which.
        crf: Constant rate factor, 0 to 51.
    """
    (shown,) = reencoded([video_frame(image)], codec, crf)
    height, width = image.shape[:2]
    return np.ascontiguousarray(shown.to_ndarray(format="rgb24")[:height, :width])


def reencoded(
    frames: Iterable[VideoFrame], codec: Codec, crf: float, rate: Fraction = _RATE
) -> Iterator[VideoFrame]:
    """Encode frames as one stream and decode it.

    The preset is medium, the planes yuv420p in BT.601's broadcast range: the defaults of ffmpeg's
    command line, but for one thread.

    Args:
        frames: Of one size, as ``video_frame`` gives it.
        codec: Which.
        crf: Constant rate factor, 0 to 51.
        rate: Frames a second.

    Returns:
        As many frames in their order, each as soon as the encoder is done with it.
    """
    decoder = av.CodecContext.create(codec, "r")
    decoder.thread_count = 1
    encoder: VideoCodecContext | None = None
    for number, frame in enumerate(frames):
        plain = frame.reformat(format="yuv420p")
        # The source's own kinds of frame would be forced upon the encoder.
        plain.pts, plain.time_base, plain.pict_type = number, 1 / rate, PictureType.NONE
        encoder = encoder or _encoder(plain, codec, crf, rate)
        for packet in encoder.encode(plain):
            yield from decoder.decode(packet)
    if encoder is not None:
        for packet in encoder.encode(None):
            yield from decoder.decode(packet)
    yield from decoder.decode(None)


def video_frame(image: Image) -> VideoFrame:
    """Turn (h, w, 3) uint8 RGB into a frame of a size that the encoders take."""
    height, width = image.shape[:2]
    padded = np.pad(image, ((0, _missing(height)), (0, _missing(width)), (0, 0)), mode="edge")
    return VideoFrame.from_ndarray(np.ascontiguousarray(padded), format="rgb24")


def fits(frame: VideoFrame) -> bool:
    """Tell whether the encoders take a frame's size."""
    return not (_missing(frame.height) or _missing(frame.width))


def _encoder(frame: VideoFrame, codec: Codec, crf: float, rate: Fraction) -> VideoCodecContext:
    """Build the encoder of a stream that begins with ``frame``."""
    encoder = cast(VideoCodecContext, av.CodecContext.create(_ENCODERS[codec], "w"))
    encoder.width, encoder.height = frame.width, frame.height
    encoder.pix_fmt = "yuv420p"
    encoder.framerate, encoder.time_base = rate, 1 / rate
    encoder.options = {"crf": f"{crf:g}", "preset": "medium", **_SINGLE[codec]}
    return encoder


def _missing(side: int) -> int:
    """Tell by how many pixels a side is too short for the encoders."""
    return max(_SMALLEST, side + side % 2) - side


def _encode(image: Image, kind: str, **options: int) -> bytes:
    """Give the bytes of ``image`` as a file."""
    file = io.BytesIO()
    Pillow.fromarray(image).save(file, kind, **options)
    return file.getvalue()


def _decode(data: bytes) -> Image:
    """Decode what ``_encode`` gave."""
    with io.BytesIO(data) as file, Pillow.open(file) as decoded:
        return np.array(decoded.convert("RGB"), dtype=np.uint8)
