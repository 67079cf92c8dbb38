"""The twelve forgeries of the embedded synthetic set: three kinds x two families x two tools each.

Every forgery begins with a decoded camera JPEG and ends in the same JPEG encoder as the real
photographs, so all files have been encoded twice. What the tool touched is given grain until the
file is as large as the photograph would have been.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.synthetic import makers
from benchmark.synthetic.camera import Bytes, Canvas, Photo, to_bytes
from benchmark.synthetic.makers import Grain, Maker

EDGE = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Generator:
    """A forgery tool.

    Attributes:
        name: Its name in the manifest; all begin with "synthetic".
        forgery: EFS (entire face), AM (attribute) or FS (face swap).
        family: GAN (up-sampling) or diffusion (denoising).
        make: The computation that leaves the traces.
        grain: The detail it invents.
        strength: Share of the made image in the result, 0 to 1.
    """

    name: str
    forgery: str
    family: str
    make: Maker
    grain: Grain
    strength: float = 1.0


GENERATORS = (
    Generator(
        name="synthetic-transposed",
        forgery="EFS",
        family="GAN",
        make=makers.transposed_convolution,
        grain=makers.grain_dotted,
        strength=1.0,
    ),
    Generator(
        name="synthetic-shuffle",
        forgery="EFS",
        family="GAN",
        make=makers.shuffled,
        grain=makers.grain_even,
        strength=1.0,
    ),
    Generator(
        name="synthetic-denoise",
        forgery="EFS",
        family="diffusion",
        make=makers.denoised,
        grain=makers.grain_even,
        strength=0.45,
    ),
    Generator(
        name="synthetic-latent",
        forgery="EFS",
        family="diffusion",
        make=makers.latent,
        grain=makers.grain_down,
        strength=0.7,
    ),
    Generator(
        name="synthetic-swap-repeat",
        forgery="FS",
        family="GAN",
        make=makers.repeated,
        grain=makers.grain_paired,
        strength=0.6,
    ),
    Generator(
        name="synthetic-swap-thirds",
        forgery="FS",
        family="GAN",
        make=makers.thirds,
        grain=makers.grain_even,
        strength=1.0,
    ),
    Generator(
        name="synthetic-swap-shrink",
        forgery="FS",
        family="diffusion",
        make=makers.shrunk,
        grain=makers.grain_diagonal,
        strength=0.6,
    ),
    Generator(
        name="synthetic-swap-flow",
        forgery="FS",
        family="diffusion",
        make=makers.flowed,
        grain=makers.grain_across,
        strength=0.8,
    ),
    Generator(
        name="synthetic-edit-quincunx",
        forgery="AM",
        family="GAN",
        make=makers.quincunx,
        grain=makers.grain_even,
        strength=1.0,
    ),
    Generator(
        name="synthetic-edit-stripe",
        forgery="AM",
        family="GAN",
        make=makers.striped,
        grain=makers.grain_even,
        strength=1.0,
    ),
    Generator(
        name="synthetic-edit-inpaint",
        forgery="AM",
        family="diffusion",
        make=makers.inpainted,
        grain=makers.grain_ring,
        strength=0.75,
    ),
    Generator(
        name="synthetic-edit-rank",
        forgery="AM",
        family="diffusion",
        make=makers.ranked,
        grain=makers.grain_specks,
        strength=0.55,
    ),
)


def synthesise(generator: Generator, photo: Photo, rng: np.random.Generator) -> bytes:
    """EFS: a whole image comes out of the tool.

    Args:
        generator: The tool.
        photo: A photograph of a face that the set shows nowhere else; it stands for what a
            generator has learnt to draw.
        rng: All that is random.

    Returns:
        The JPEG file.
    """
    image = _floats(photo.pixels)
    whole = np.ones(image.shape[:2], np.float32)
    return _finish(generator, image, whole, photo, rng)


def swap(generator: Generator, target: Photo, donor: Photo, rng: np.random.Generator) -> bytes:
    """FS: the donor's inner face is laid over the target's.

    Args:
        generator: The tool.
        target: The photograph that is forged.
        donor: A photograph of somebody else.
        rng: All that is random.

    Returns:
        The JPEG file.
    """
    face = cv2.warpAffine(
        _floats(donor.pixels),
        _similarity(donor.points, target.points),
        (EDGE, EDGE),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )
    image = _floats(target.pixels)
    mask = _face_mask(target.points, feather=float(rng.uniform(1.5, 3.0)))
    face = _recolour(np.asarray(face, np.float32), image, mask, rng)
    blended = image + mask[..., None] * (face - image)
    return _finish(generator, blended, mask, target, rng)


def manipulate(
    generator: Generator, photo: Photo, edited: Photo, rng: np.random.Generator
) -> bytes:
    """AM: an attribute is changed, and the face around it comes out of the tool.

    Args:
        generator: The tool.
        photo: The photograph that is forged.
        edited: The same photograph with the attribute changed.
        rng: All that is random.

    Returns:
        The JPEG file.
    """
    image, other = _floats(photo.pixels), _floats(edited.pixels)
    changed = np.abs(makers.smooth(other - image, 1.5)).max(2) > 0.04
    spread = cv2.dilate(changed.astype(np.float32), np.ones((7, 7), np.uint8))
    mask = makers.smooth(np.maximum(spread, 0.9 * _face_mask(photo.points, feather=2.0)), 2.0)
    blended = image + mask[..., None] * (other - image)
    return _finish(generator, blended, mask, photo, rng)


def _similarity(source: Canvas, goal: Canvas) -> NDArray[np.float64]:
    """The (2, 3) turn, scale and shift that brings points closest to others."""
    start, end = (points[:, 0] + 1j * points[:, 1] for points in (source, goal))
    centre = start - start.mean()
    turn = np.vdot(centre, end - end.mean()) / np.vdot(centre, centre)
    shift = end.mean() - turn * start.mean()
    return np.array(
        [[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]], np.float64
    )


def _recolour(face: Canvas, image: Canvas, mask: Canvas, rng: np.random.Generator) -> Canvas:
    """Match the mean and spread of a face's colours to an image's, not quite exactly."""
    weight = (mask / mask.sum())[..., None]
    mean_face, mean_image = ((weight * x).sum((0, 1)) for x in (face, image))
    spread_face = np.sqrt((weight * (face - mean_face) ** 2).sum((0, 1)))
    spread_image = np.sqrt((weight * (image - mean_image) ** 2).sum((0, 1)))
    gain = np.clip(spread_image / spread_face, 0.7, 1.4)
    mismatch = rng.normal(0, 0.015, 3)
    return np.asarray((face - mean_face) * gain + mean_image + mismatch, np.float32)


def _floats(image: Bytes) -> Canvas:
    return np.asarray(image, np.float32) / np.float32(255)


def _face_mask(points: Canvas, feather: float) -> Canvas:
    """The inner face, brows to chin, as a soft ellipse around the landmarks."""
    eyes = points[:2].mean(0)
    chin = points[5]
    down = chin - eyes
    centre = eyes + 0.40 * down
    length = float(np.hypot(*down))
    angle = float(np.degrees(np.arctan2(down[1], down[0]))) - 90
    mask = np.zeros((EDGE, EDGE), np.float32)
    axes = (int(0.53 * length), int(0.67 * length))
    place = (round(float(centre[0])), round(float(centre[1])))
    cv2.ellipse(mask, place, axes, angle, 0, 360, 1.0, -1, cv2.LINE_8)
    return makers.smooth(mask, feather)


def _finish(
    generator: Generator, image: Canvas, mask: Canvas, photo: Photo, rng: np.random.Generator
) -> bytes:
    """Run the tool under the mask; add grain until the file is as large as the photograph's."""
    made = generator.make(image, rng)
    cover = (np.float32(generator.strength) * mask)[..., None]
    base = image + cover * (made - image)
    grain = cover * generator.grain(makers.lost_power(image, base, mask), rng)
    blur = cover * (makers.smooth(base, 0.8) - base)
    wanted = len(photo.encode(photo.pixels))
    low, high = -1.0, 1.0
    best = b""
    for _ in range(8):
        middle = (low + high) / 2
        # More than twice the grain would be seen; less than none is a blur.
        change = 2 * middle * grain if middle > 0 else -middle * blur
        data = photo.encode(to_bytes(np.asarray(base + change, np.float32)))
        if not best or abs(len(data) - wanted) < abs(len(best) - wanted):
            best = data
        low, high = (middle, high) if len(data) < wanted else (low, middle)
    return best
