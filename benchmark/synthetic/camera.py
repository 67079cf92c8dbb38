"""The camera of the embedded synthetic set: light in, JPEG file out.

The order is the physical one: lens blur, sampling by the sensor, Bayer mosaic, shot and read noise
on the mosaic, demosaicing, white balance, tone curve, sharpening, JPEG. Noise that is added before
demosaicing is correlated between neighbours and channels afterwards; that is the trace of a real
photograph which a forgery tool disturbs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Canvas = NDArray[np.float32]
Bytes = NDArray[np.uint8]

SENSOR = 136
OVERSAMPLING = 1.5

_CROSS = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]], np.float32) / 4
_BOX = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], np.float32) / 4


class Photo(NamedTuple):
    """A photograph and what is known of it.

    Attributes:
        pixels: (H, W, 3) RGB, as decoded from the camera's JPEG.
        points: (6, 2) landmarks, x and y in its pixels: eyes, nose tip, mouth corners, chin.
        encode: Makes the data set's JPEG file of an image, with this photograph's quality.
    """

    pixels: Bytes
    points: Canvas
    encode: Callable[[Bytes], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """What distinguishes the photographs of one source; pairs are ranges (low, high).

    Attributes:
        blur: Standard deviation of the lens blur, in sensor pixels.
        shot_noise: Variance of the noise per unit of signal.
        read_noise: Standard deviation of the noise without light.
        edge_aware: Demosaic along edges, rather than bilinearly.
        cast: Gains of red and blue that white balance leaves uncorrected.
        sharpening: Weight of the unsharp mask.
        first_quality: JPEG quality in the camera.
        quality: JPEG quality of the data set's file.
        sampling: OpenCV's constant of the chroma sampling.
    """

    blur: tuple[float, float]
    shot_noise: tuple[float, float]
    read_noise: float
    edge_aware: bool
    cast: tuple[float, float]
    sharpening: tuple[float, float]
    first_quality: tuple[int, int]
    quality: tuple[int, int]
    sampling: int


CAMERAS = (
    Camera(
        blur=(0.35, 0.55),
        shot_noise=(0.0002, 0.0009),
        read_noise=0.0012,
        edge_aware=True,
        cast=(1.0, 1.0),
        sharpening=(0.1, 0.6),
        first_quality=(93, 98),
        quality=(90, 97),
        sampling=cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ),
    Camera(
        blur=(0.45, 0.75),
        shot_noise=(0.0004, 0.0016),
        read_noise=0.0018,
        edge_aware=False,
        cast=(1.06, 0.90),
        sharpening=(0.3, 0.9),
        first_quality=(90, 96),
        quality=(86, 95),
        sampling=cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    ),
)


def photograph(scene: Canvas, camera: Camera, rng: np.random.Generator) -> Bytes:
    """Take a photograph.

    Args:
        scene: Linear light, (204, 204, 3) RGB, 1.0 is white.
        camera: The camera.
        rng: Draws settings and noise; the number of draws does not depend on the scene.

    Returns:
        The decoded camera JPEG, (136, 136, 3) RGB.
    """
    blur = rng.uniform(*camera.blur)
    shot = np.exp(rng.uniform(*np.log(camera.shot_noise)))
    sharpening = rng.uniform(*camera.sharpening)
    contrast = rng.uniform(-0.1, 0.25)
    first = int(rng.integers(camera.first_quality[0], camera.first_quality[1] + 1))

    blurred = cv2.GaussianBlur(scene, (0, 0), blur * OVERSAMPLING)
    light = cv2.resize(blurred, (SENSOR, SENSOR), interpolation=cv2.INTER_AREA)
    # A sensor is less sensitive to red and blue; white balance multiplies their noise again.
    gains = np.array([1.9, 1.0, 1.6], np.float32)
    raw = _mosaic(light / gains)
    deviation = np.sqrt(shot * np.maximum(raw, 0) + camera.read_noise**2)
    raw = raw + deviation * rng.standard_normal(raw.shape, dtype=np.float32)
    image = _demosaic(raw.astype(np.float32), camera.edge_aware)
    image *= gains * np.array([camera.cast[0], 1.0, camera.cast[1]], np.float32)
    image = _tone(image, contrast)
    image += np.float32(sharpening) * (image - cv2.GaussianBlur(image, (0, 0), 1.0))
    return decode_jpeg(encode(to_bytes(image), first, camera.sampling))


def _mosaic(light: Canvas) -> Canvas:
    raw = light[:, :, 1].copy()
    raw[0::2, 0::2] = light[0::2, 0::2, 0]
    raw[1::2, 1::2] = light[1::2, 1::2, 2]
    return raw


def _demosaic(raw: Canvas, edge_aware: bool) -> Canvas:
    red = np.zeros_like(raw)
    red[0::2, 0::2] = 1
    blue = np.zeros_like(raw)
    blue[1::2, 1::2] = 1
    if edge_aware:
        green = _green_along_edges(raw, red + blue)
    else:
        green = np.asarray(cv2.filter2D(raw * (1 - red - blue), -1, _CROSS), np.float32)
    # Colour differences are smoother than colours, so these are what is interpolated.
    difference = raw - green
    return np.dstack(
        [
            green + cv2.filter2D(difference * red, -1, _BOX),
            green,
            green + cv2.filter2D(difference * blue, -1, _BOX),
        ]
    )


def _green_along_edges(raw: Canvas, missing: Canvas) -> Canvas:
    """Fill green from the direction in which the mosaic changes least."""
    row = np.array([[0.5, 0, 0.5]], np.float32)
    bend = np.array([[-0.25, 0, 0.5, 0, -0.25]], np.float32)
    across = cv2.filter2D(raw, -1, row) + cv2.filter2D(raw, -1, bend)
    down = cv2.filter2D(raw, -1, row.T) + cv2.filter2D(raw, -1, bend.T)
    step = np.array([[-1, 0, 1]], np.float32)
    flat = np.abs(cv2.filter2D(raw, -1, step)) + 2 * np.abs(cv2.filter2D(raw, -1, bend))
    steep = np.abs(cv2.filter2D(raw, -1, step.T)) + 2 * np.abs(cv2.filter2D(raw, -1, bend.T))
    share = (steep + 1e-4) / (flat + steep + 2e-4)
    share = share * share / (share * share + (1 - share) ** 2)
    return np.asarray(np.where(missing > 0, share * across + (1 - share) * down, raw), np.float32)


def _tone(linear: Canvas, contrast: float) -> Canvas:
    """The sRGB curve, then a mild S-curve."""
    linear = np.clip(linear, 0, 1)
    bright = 1.055 * np.power(np.maximum(linear, 0.0031308), np.float32(1 / 2.4)) - 0.055
    coded = np.where(linear <= 0.0031308, 12.92 * linear, bright)
    coded = coded + contrast * (coded * coded * (3 - 2 * coded) - coded)
    return np.asarray(coded, np.float32)


def to_bytes(image: Canvas) -> Bytes:
    """Round an image in [0, 1] to 8 bits, clipping what lies outside."""
    return np.asarray(np.rint(np.clip(image, 0, 1) * 255), np.uint8)


def encode(image: Bytes, quality: int, sampling: int) -> bytes:
    """The JPEG file of an RGB image."""
    options = [
        cv2.IMWRITE_JPEG_QUALITY,
        quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        sampling,
    ]
    done, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise RuntimeError(f"OpenCV could not encode a JPEG of quality {quality}")
    return data.tobytes()


def decode_jpeg(data: bytes) -> Bytes:
    """The RGB image of a JPEG file."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise RuntimeError("OpenCV could not decode_jpeg its own JPEG")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
