"""Through an encoder and back: stills with Pillow, one-frame video streams with PyAV."""

import io
from fractions import Fraction
from typing import Literal, cast

import av
import numpy as np
from av.video import VideoFrame
from av.video.codeccontext import VideoCodecContext
from PIL import Image as Pillow

from benchmark.perturbations.pixels import Image

SUBSAMPLING_420 = 2  # Pillow's number for it
# x264 and x265 take even sizes, x265 no side under 32: smaller images repeat their border.
_SMALLEST = 32
_ENCODERS = {"h264": "libx264", "hevc": "libx265"}
# The result depends on the number of threads.
_SINGLE = {
    "h264": {"threads": "1"},
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


def through_video(image: Image, codec: Literal["h264", "hevc"], crf: float) -> Image:
    """Encode as a stream of one frame and decode again.

    The preset is medium, the planes yuv420p in BT.601's broadcast range: the defaults of ffmpeg's
    command line. Sides that the encoder refuses are made longer by repeating the border.

    Args:
        image: (h, w, 3) uint8 RGB, any size.
        codec: Which.
        crf: Constant rate factor, 0 to 51.
    """
    height, width = image.shape[:2]
    padded = np.pad(image, ((0, _missing(height)), (0, _missing(width)), (0, 0)), mode="edge")
    encoder = cast(VideoCodecContext, av.CodecContext.create(_ENCODERS[codec], "w"))
    encoder.width, encoder.height = padded.shape[1], padded.shape[0]
    encoder.pix_fmt = "yuv420p"
    encoder.framerate = Fraction(25)
    encoder.options = {"crf": f"{crf:g}", "preset": "medium", **_SINGLE[codec]}
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(padded), format="rgb24")
    packets = [*encoder.encode(frame.reformat(format="yuv420p")), *encoder.encode(None)]
    decoder = av.CodecContext.create(codec, "r")
    decoder.thread_count = 1
    shown = [frame for packet in packets for frame in decoder.decode(packet)]
    shown += decoder.decode(None)
    pixels = shown[0].to_ndarray(format="rgb24")
    return np.ascontiguousarray(pixels[:height, :width]).astype(np.uint8, copy=False)


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
