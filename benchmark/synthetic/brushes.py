"""Coordinates and brushes of the renderer of the embedded synthetic set."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from benchmark.synthetic.camera import OVERSAMPLING, SENSOR, Canvas

SIZE = int(SENSOR * OVERSAMPLING)
_TEXTURE = 512


class Frame(NamedTuple):
    """Face coordinates of every pixel: on the image plane (u, v) and on the turned face (a, b)."""

    u: Canvas
    v: Canvas
    a: Canvas
    b: Canvas
    egg: Canvas  # 1 on the outline of the head, 0 in its middle
    depth: Canvas
    pixels: float  # a face unit, in pixels

    def window(self, centre: tuple[float, float], reach: float) -> tuple[slice, slice]:
        """Rows and columns of the square of 2 ``reach`` face units around a point of the face."""
        near = np.maximum(np.abs(self.a - centre[0]), np.abs(self.b - centre[1])) < reach
        rows = np.flatnonzero(near.any(1))
        columns = np.flatnonzero(near.any(0))
        if not len(rows):
            return slice(0, 0), slice(0, 0)
        return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)

    def part(self, window: tuple[slice, slice]) -> Frame:
        """The same coordinates within a window."""
        u, v, a, b, egg, depth = (field[window] for field in self[:6])
        return Frame(u, v, a, b, egg, depth, self.pixels)


@lru_cache(maxsize=1)
def pixel_grid() -> tuple[Canvas, Canvas]:
    """The (SIZE, SIZE) columns x and rows y of the pixels."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    return x, y


def mix(image: Canvas, colour: Canvas, mask: Canvas) -> None:
    """Lay a colour, (3,) or an image, over an image in place."""
    for channel in range(3):
        plane = image[..., channel]
        plane += mask * (colour[..., channel] - plane)


def edge(distance: Canvas, pixels: float) -> Canvas:
    """1 where the distance (face units) is negative, 0 where positive, soft over two pixels."""
    return np.asarray(np.clip(0.5 - distance * np.float32(pixels / 2), 0, 1), np.float32)


def blob(x: Canvas, y: Canvas, at: tuple[float, float], size: tuple[float, float]) -> Canvas:
    """A Gaussian bump of height 1 at a point; ``size`` holds its deviations."""
    dx = (x - np.float32(at[0])) * np.float32(1 / size[0])
    dy = (y - np.float32(at[1])) * np.float32(1 / size[1])
    return np.asarray(np.exp(-0.5 * (dx * dx + dy * dy)), np.float32)


def linear(values: tuple[float, float, float], factor: float = 1.0) -> Canvas:
    """A (3,) linear RGB colour, made brighter or darker."""
    return np.array(values, np.float32) * np.float32(factor)


@lru_cache(maxsize=8)
def smooth_noise(seed: int, cell: int) -> Canvas:
    """Smooth noise with features of ``cell`` pixels, mean 0 and deviation 1."""
    count = SIZE // cell + 4
    coarse = np.random.default_rng([seed, cell]).standard_normal((count, count), np.float32)
    if cell == 1:
        return coarse[:SIZE, :SIZE]
    fine = cv2.resize(coarse, (count * cell, count * cell), interpolation=cv2.INTER_CUBIC)
    fine = fine[cell : cell + SIZE, cell : cell + SIZE]
    return np.asarray(fine / fine.std(), np.float32)


def strands(along: Canvas, across: Canvas, seed: int) -> Canvas:
    """Hair: noise drawn out along one coordinate; both coordinates in texture cells."""
    rng = np.random.default_rng([seed, 7])
    texture = rng.standard_normal((24, _TEXTURE), np.float32)
    texture += 0.8 * cv2.GaussianBlur(texture, (0, 0), 4, sigmaY=0.1) * 3
    drawn = cv2.remap(
        texture,
        np.asarray(across, np.float32),
        np.asarray(along, np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_WRAP,
    )
    return np.asarray(drawn, np.float32)
