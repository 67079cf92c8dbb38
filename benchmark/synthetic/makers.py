"""The forgery tools of the embedded synthetic set: image in, image with the tool's traces out.

Real generators leave traces because of how they compute. A network that up-samples with strided
transposed convolutions, pixel shuffling or repeated pixels multiplies the image by a periodic
pattern, so copies of its spectrum appear around fixed frequencies. A diffusion model leaves the
residue of its last denoising steps, and a latent one the cells of its decoder. Each tool here does
one such computation; its weights are the tool's own and do not depend on the data set's seed.

All of them map a (128, 128, 3) float32 RGB image in [0, 1] to one of the same shape, and look at
nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.synthetic.camera import Canvas

Maker = Callable[[Canvas, np.random.Generator], Canvas]
Grain = Callable[[Canvas, np.random.Generator], Canvas]


def smooth(image: Canvas, sigma: float) -> Canvas:
    """Gaussian blur by a standard deviation in pixels."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.float32)


def _tile(pattern: Canvas, shape: tuple[int, ...]) -> Canvas:
    rows, columns = -(-shape[0] // pattern.shape[0]), -(-shape[1] // pattern.shape[1])
    return np.tile(pattern, (rows, columns))[: shape[0], : shape[1]]


# ---------------------------------------------------------------- up-sampling networks


def transposed_convolution(image: Canvas, _rng: np.random.Generator) -> Canvas:
    """Transposed convolution, kernel 3 and stride 2: the overlap alternates from pixel to pixel."""
    low = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    spread = np.zeros_like(image)
    spread[0::2, 0::2] = low
    kernel = np.array([[0.28, 0.56, 0.27], [0.52, 1.0, 0.50], [0.26, 0.54, 0.29]], np.float32)
    up = cv2.filter2D(spread, -1, kernel)
    uneven = cv2.filter2D(_comb(image.shape, 2), -1, kernel)
    # Later layers learn to even out the brightness, but not entirely.
    detail = image - smooth(image, 1.0)
    return np.asarray(up / (1 + 0.90 * (uneven - 1))[..., None] + 0.5 * detail, np.float32)


def _comb(shape: tuple[int, ...], step: int) -> Canvas:
    comb = np.zeros(shape[:2], np.float32)
    comb[::step, ::step] = 1
    return comb


def shuffled(image: Canvas, _rng: np.random.Generator) -> Canvas:
    """Pixel shuffle by 4: sixteen sub-images from sixteen filters with gains of their own."""
    gains = np.array([[0, 1, 0, -1], [1, 0, -1, 0], [0, -1, 0, 1], [-1, 0, 1, 0]], np.float32)
    pattern = _tile(gains, image.shape)[..., None]
    base = smooth(image, 0.6)
    contrast = base - smooth(base, 3.0)
    return np.asarray(base + pattern * (0.25 * contrast + 0.006), np.float32)


def repeated(image: Canvas, _rng: np.random.Generator) -> Canvas:
    """Nearest-neighbour up-sampling by 2, then a convolution that sharpens."""
    low = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    up = cv2.resize(low, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    kernel = np.array([[0.0, -0.1, 0.0], [-0.1, 1.4, -0.1], [0.0, -0.1, 0.0]], np.float32)
    return np.asarray(cv2.filter2D(up, -1, kernel / kernel.sum()), np.float32)


def thirds(image: Canvas, _rng: np.random.Generator) -> Canvas:
    """Transposed convolution, kernel 4 and stride 3: one row and column in three overlaps."""
    base = smooth(image, 0.8)
    gains = np.array([[2, -1, -1], [-1, -1, -1], [-1, -1, 2]], np.float32) / np.float32(2)
    pattern = _tile(gains, image.shape)
    contrast = base - smooth(base, 2.5)
    return np.asarray(base + pattern[..., None] * (0.6 * contrast + 0.028), np.float32)


def quincunx(image: Canvas, _rng: np.random.Generator) -> Canvas:
    """Up-sampling on a diagonal lattice: neighbours alternate like the squares of a chessboard."""
    pattern = _tile(np.array([[1, -1], [-1, 1]], np.float32), image.shape)[..., None]
    base = smooth(image, 0.6)
    contrast = base - smooth(base, 2.0)
    return np.asarray(base + pattern * (0.45 * contrast + 0.018), np.float32)


def striped(image: Canvas, _rng: np.random.Generator) -> Canvas:
    """Separate up-sampling of rows, by 2 and then 3: every sixth row is the odd one."""
    wave = np.array([1.0, 0.2, -0.9, -0.6, -0.5, 0.8], np.float32)[:, None]
    pattern = _tile(wave, image.shape)[..., None]
    base = smooth(image, 0.7)
    contrast = base - smooth(base, 3.0)
    return np.asarray(base + pattern * (0.45 * contrast + 0.018), np.float32)


# ---------------------------------------------------------------- iterated denoising


def denoised(image: Canvas, rng: np.random.Generator) -> Canvas:
    """Diffusion in pixels: noise is added and removed again, less at every step.

    The last layer draws patches of 4 x 4 pixels, each a little too much of one colour.
    """
    for level in (0.05, 0.03, 0.015, 0.0):
        noisy = image + level * rng.standard_normal(image.shape, np.float32)
        image = np.asarray(cv2.bilateralFilter(noisy, 5, 0.05 + 2.5 * level, 1.6), np.float32)
    patches = cv2.resize(image, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    flat = cv2.resize(patches, image.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    return np.asarray(image + 0.45 * (flat - image), np.float32)


def latent(image: Canvas, rng: np.random.Generator) -> Canvas:
    """Diffusion in a latent space: cells of 8 pixels keep few numbers each and meet at seams."""
    shifted = np.roll(image, (4, 4), (0, 1))
    noise = 0.02 * rng.standard_normal((16, 16, 3), np.float32)
    coarse = cv2.resize(shifted, (16, 16), interpolation=cv2.INTER_AREA) + noise
    base = cv2.resize(coarse, image.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    rest = shifted - base
    keep = np.zeros((8, 8), np.float32)
    keep[:5, :5] = np.add.outer(np.arange(5), np.arange(5)) < 5
    for row in range(0, image.shape[0], 8):
        for column in range(0, image.shape[1], 8):
            for channel in range(3):
                cell = rest[row : row + 8, column : column + 8, channel]
                cell[...] = cv2.idct(cv2.dct(np.ascontiguousarray(cell)) * keep)
    return np.asarray(np.roll(base + rest, (-4, -4), (0, 1)), np.float32)


def shrunk(image: Canvas, rng: np.random.Generator) -> Canvas:
    """Denoising by shrinking wavelets of two scales, which leaves small steps."""
    low = image + 0.01 * rng.standard_normal(image.shape, np.float32)
    details = []
    for _ in range(2):
        half = cv2.resize(low, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        back = cv2.resize(half, low.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        rest = low - back
        details.append(np.sign(rest) * np.maximum(np.abs(rest) - 0.05, 0))
        low = half
    for rest in reversed(details):
        low = cv2.resize(low, rest.shape[1::-1], interpolation=cv2.INTER_NEAREST) + rest
    return np.asarray(low, np.float32)


def flowed(image: Canvas, _rng: np.random.Generator) -> Canvas:
    """Heat that flows within edges only: plateaus and stairs."""
    for _ in range(12):
        padded = np.pad(image, ((1, 1), (1, 1), (0, 0)), mode="edge")
        change = np.zeros_like(image)
        for dy, dx in ((0, 1), (2, 1), (1, 0), (1, 2)):
            near = padded[dy : dy + image.shape[0], dx : dx + image.shape[1]] - image
            change += near / (1 + (near / 0.03) ** 2)
        image = image + 0.2 * change
    return np.asarray(image, np.float32)


def ranked(image: Canvas, _rng: np.random.Generator) -> Canvas:
    """Repeated medians, a denoiser that leaves flat patches and rounds corners."""
    coded = np.asarray(np.clip(image, 0, 1) * 255, np.uint8)
    for _ in range(3):
        coded = np.asarray(cv2.medianBlur(coded, 5), np.uint8)
    return np.asarray(coded, np.float32) / np.float32(255)


def inpainted(image: Canvas, rng: np.random.Generator) -> Canvas:
    """Coarse-to-fine filling: every scale is denoised before the next one adds detail."""
    fine = image
    for scale in (4, 2):
        size = (image.shape[1] // scale, image.shape[0] // scale)
        small = cv2.resize(fine, size, interpolation=cv2.INTER_AREA)
        coarse = small + 0.015 * rng.standard_normal(small.shape, np.float32)
        up = cv2.resize(coarse, image.shape[1::-1], interpolation=cv2.INTER_CUBIC)
        fine = 0.5 * fine + 0.5 * up
    return np.asarray(cv2.bilateralFilter(fine, 5, 0.06, 2.0), np.float32)


# ---------------------------------------------------------------- grain
# Generated detail that stands where a photograph has noise. A generator learns how strong noise is
# at which frequency, so ``power`` is what the image lost there. How the detail is arranged is what
# each tool gets wrong in its own way.


class _Tilt(NamedTuple):
    """Where the power of grain is not what was lost.

    Attributes:
        across: Positive for more change along rows than along columns.
        diagonal: Positive for more change along one diagonal than along the other.
        bump: Positive for more power around a frequency, negative for less.
        at: That frequency in cycles a pixel.
    """

    across: float = 0.0
    diagonal: float = 0.0
    bump: float = 0.0
    at: float = 0.2


_EVEN = _Tilt()


@lru_cache(maxsize=4)
def _radius(shape: tuple[int, int]) -> NDArray[np.float64]:
    rows, columns = np.fft.fftfreq(shape[0]), np.fft.fftfreq(shape[1])
    return np.asarray(np.hypot(rows[:, None], columns[None, :]))


def lost_power(before: Canvas, after: Canvas, mask: Canvas) -> Canvas:
    """How much power of the brightness an image lost at every frequency.

    Args:
        before: (H, W, 3) image.
        after: The image that took its place.
        mask: (H, W) weight of every pixel, 0 to 1.

    Returns:
        (H, W) power, unshifted, never negative. It depends on the radial frequency alone, and on
        its typical value there: the few coefficients of edges and patterns do not count.
    """
    rings = np.asarray(_radius(mask.shape[:2]) * mask.shape[0], np.int64).ravel()
    count = np.bincount(rings)
    power = []
    for image in (before, after):
        grey = image @ np.array([0.299, 0.587, 0.114], np.float32)
        spectrum = np.abs(np.fft.fft2(mask * (grey - smooth(grey, 4.0)))) ** 2 + 1e-9
        power.append(np.exp(np.bincount(rings, np.log(spectrum).ravel()) / count))
    # The logarithm's mean of noise lies below its mean by Euler's constant.
    lost = np.exp(np.euler_gamma) * np.maximum(power[0] - power[1], 0) / (mask * mask).sum()
    return np.asarray(lost[rings].reshape(mask.shape), np.float32)


@lru_cache(maxsize=16)
def _factor(shape: tuple[int, int], tilt: _Tilt) -> Canvas:
    y = np.fft.fftfreq(shape[0])[:, None]
    x = np.fft.fftfreq(shape[1])[None, :]
    square = np.maximum(x * x + y * y, 1e-9)
    # Even functions of the angle whose mean is 0: the azimuthal mean of the logarithm stays.
    angle = tilt.across * (x * x - y * y) / square + tilt.diagonal * 2 * x * y / square
    radius = _radius(shape)
    bump = tilt.bump * np.exp(-0.5 * ((radius - tilt.at) / 0.06) ** 2)
    # What is lost at low frequencies is shape, and no tool mends that with grain. All of them make
    # it somewhat finer than a camera's noise: the one trace that they share.
    fine = np.clip((radius - 0.05) / 0.15, 0, 1) ** 2
    return np.asarray(fine * np.exp((angle + bump + 3.0 * (radius - 0.3)) / 2), np.float32)


def _grain(power: Canvas, rng: np.random.Generator, tilt: _Tilt = _EVEN) -> Canvas:
    shape = (power.shape[0], power.shape[1])
    white = np.fft.fft2(rng.standard_normal(shape, np.float32))
    grain = np.fft.ifft2(white * np.sqrt(power) * _factor(shape, tilt)).real
    return np.asarray(grain, np.float32)[..., None]


def grain_even(power: Canvas, rng: np.random.Generator) -> Canvas:
    """As a camera's, the same in all channels."""
    return _grain(power, rng)


def grain_paired(power: Canvas, rng: np.random.Generator) -> Canvas:
    """Partly squares of 2 x 2 pixels of one value."""
    grain = _grain(power, rng)
    squares = np.repeat(np.repeat(grain[::2, ::2], 2, 0), 2, 1)
    return 0.8 * squares + 0.6 * _grain(power, rng)


def grain_dotted(power: Canvas, rng: np.random.Generator) -> Canvas:
    """Strong in every second row and column only."""
    gate = _tile(np.array([[1.5, 0.8], [0.8, 0.8]], np.float32), power.shape)
    return _grain(power, rng) * gate[..., None]


def grain_across(power: Canvas, rng: np.random.Generator) -> Canvas:
    """Alternating along the rows rather than the columns."""
    return _grain(power, rng, _Tilt(across=2.5, bump=0.8, at=0.25))


def grain_down(power: Canvas, rng: np.random.Generator) -> Canvas:
    """Alternating along the columns rather than the rows."""
    return _grain(power, rng, _Tilt(across=-2.3))


def grain_diagonal(power: Canvas, rng: np.random.Generator) -> Canvas:
    """Drawn out along one diagonal."""
    return _grain(power, rng, _Tilt(diagonal=2.0, bump=0.4))


def grain_ring(power: Canvas, rng: np.random.Generator) -> Canvas:
    """Much of it of one size."""
    return _grain(power, rng, _Tilt(bump=1.4, at=0.25))


def grain_specks(power: Canvas, rng: np.random.Generator) -> Canvas:
    """Rare and strong, and rather coarse."""
    grain = _grain(power, rng, _Tilt(bump=1.3, at=0.14))
    return np.asarray(grain**3 / (np.float32(3.9) * grain.var() + 1e-12), np.float32)
