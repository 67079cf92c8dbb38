"""The renderer of the embedded synthetic set: a portrait becomes an image in linear light.

A head is a height field over the image plane: an egg with a nose, brows, sockets, cheeks and lips
added as soft bumps. Its slopes give the shading, and layers of paint (skin, eyes, hair, clothes)
give the colour. The geometry is simple on purpose; what matters downstream is that the image has
the edges, gradients and fine texture of a photograph.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from benchmark.synthetic.brushes import (
    SIZE,
    Frame,
    blob,
    edge,
    linear,
    mix,
    pixel_grid,
    smooth_noise,
    strands,
)
from benchmark.synthetic.camera import Canvas
from benchmark.synthetic.faces import Person, Portrait, Shot

_EYE_HEIGHT = 0.02


class Scene(NamedTuple):
    """A rendered portrait.

    Attributes:
        light: (SIZE, SIZE, 3) linear RGB.
        landmarks: (6, 2) x, y in pixels of ``light``: eyes, nose tip, mouth corners, chin.
    """

    light: Canvas
    landmarks: Canvas


def render_face(portrait: Portrait) -> Scene:
    """Render a portrait; a pure function of it."""
    person, shot = portrait
    frame = _frame(person, shot)
    image = _backdrop(shot)
    _paint_back_hair(image, frame, portrait)
    _paint_body(image, frame, portrait)
    skin = _skin(frame, person)
    _paint_features(skin, frame, portrait)
    shade, gloss = _shading(frame, portrait)
    # Pupils, brows and nostrils do not shine as skin does.
    gloss *= np.clip(skin[..., 1] / np.float32(person.skin[1]), 0, 1) ** 2
    lit = skin * shade + gloss[..., None]
    mix(image, lit, edge(np.sqrt(frame.egg) - 1, 0.75 * frame.pixels))
    _paint_front_hair(image, frame, portrait, shade)
    if person.glasses:
        _paint_glasses(image, frame, person)
    warm = np.array([1 + shot.warmth, 1, 1 - shot.warmth], np.float32)
    image = np.clip(image * warm * np.float32(shot.exposure), 0, 1)
    return Scene(np.asarray(image, np.float32), _landmarks(person, shot))


def _frame(person: Person, shot: Shot) -> Frame:
    x, y = pixel_grid()
    pixels = shot.zoom * SIZE / 2
    dx = (x - SIZE * (0.5 + shot.offset[0])) / np.float32(pixels)
    dy = (y - SIZE * (0.5 + shot.offset[1])) / np.float32(pixels)
    cos, sin = np.float32(np.cos(shot.roll)), np.float32(np.sin(shot.roll))
    u, v = cos * dx + sin * dy, cos * dy - sin * dx
    low = np.clip(v, 0, 1)
    half = np.float32(person.width) * (1 - np.float32(person.jaw) * low * low)
    egg = (u / half) ** 2 + v * v
    depth = np.sqrt(np.maximum(1 - egg, 0))
    a = u - np.float32(shot.yaw) * depth
    b = v - np.float32(shot.pitch) * depth
    return Frame(u, v, a, b, egg, depth, pixels)


def _landmarks(person: Person, shot: Shot) -> Canvas:
    gap, mouth = person.eye_gap, person.mouth_height
    smile = 0.03 * shot.smile
    wide = person.mouth_width * (1 + 0.15 * shot.smile)
    points = np.array(
        [
            [-gap, _EYE_HEIGHT],
            [gap, _EYE_HEIGHT],
            [0, person.nose_tip],
            [-wide, mouth - smile],
            [wide, mouth - smile],
            [0, 1.0],
        ]
    )
    depth = np.sqrt(np.maximum(1 - (points[:, 0] / person.width) ** 2 - points[:, 1] ** 2, 0))
    u = points[:, 0] + shot.yaw * depth
    v = points[:, 1] + shot.pitch * depth
    cos, sin = np.cos(shot.roll), np.sin(shot.roll)
    centre = SIZE * (0.5 + np.array(shot.offset))
    turned = np.stack([cos * u - sin * v, sin * u + cos * v], 1)
    return np.asarray(centre + turned * shot.zoom * SIZE / 2, np.float32)


def _backdrop(shot: Shot) -> Canvas:
    x, y = pixel_grid()
    near, far = linear(shot.backdrop[0]), linear(shot.backdrop[1])
    slope = np.clip((0.3 * x + 0.7 * y) / SIZE + 0.15 * smooth_noise(shot.texture, 68), 0, 1)
    image = near + slope[..., None] * (far - near)
    rng = np.random.default_rng([shot.texture, 3])
    if rng.random() < 0.5:
        # Blurred straight edges: a door frame, a shelf, a window behind the person.
        for _ in range(3):
            at, wide = rng.uniform(0, SIZE), rng.uniform(8, 40)
            band = np.clip((wide - np.abs((x if rng.random() < 0.7 else y) - at)) / 6 + 0.5, 0, 1)
            image *= 1 + np.float32(rng.uniform(-0.4, 0.6)) * band[..., None]
    grain = 1 + 0.05 * smooth_noise(shot.texture, 8) + 0.05 * smooth_noise(shot.texture, 2)
    return np.asarray(image * grain[..., None], np.float32)


def _paint_back_hair(image: Canvas, frame: Frame, portrait: Portrait) -> None:
    person = portrait.person
    if person.style not in ("long", "curly", "parted"):
        return
    wave = 0.03 * smooth_noise(person.texture, 34)
    reach = {"long": 1.25, "curly": 1.22, "parted": 1.12}[person.style]
    around = np.sqrt((frame.u / (person.width * reach)) ** 2 + (frame.v / 1.17) ** 2) - 1
    if person.style == "long":
        hanging = np.abs(frame.u) - person.width * (1.1 + 0.1 * frame.v) + wave
        around = np.where(frame.v > 0, np.maximum(hanging, frame.v - 1.5), around)
    else:
        around = np.where(frame.v > 0.35, around + 0.9 * (frame.v - 0.35), around)
    hairs = strands(3 + 3 * frame.v, 90 * (frame.u + wave) + 40, person.texture)
    tone = 0.55 * np.exp(0.45 * hairs)
    mix(image, linear(person.hair) * tone[..., None], edge(around + wave, frame.pixels))


def _paint_body(image: Canvas, frame: Frame, portrait: Portrait) -> None:
    person, shot = portrait
    u, v = frame.u, frame.v
    neck = np.maximum(np.abs(u) - 0.42 - 0.25 * np.clip(v - 1.0, 0, 1), 0.5 - v)
    # The chin keeps light from the neck.
    dark = 0.32 + 0.3 * np.clip(np.abs(u - 0.3 * shot.light[0]) * 0.8, 0, 1)
    mix(image, linear(person.skin) * dark[..., None], edge(neck, frame.pixels))
    line = 1.22 + 0.22 * u * u + 0.12 * np.exp(-((u / 0.3) ** 2))
    x, y = pixel_grid()
    weave = (
        1
        + 0.10 * np.sin(1.9 * x + 0.4 * y) * np.sin(2.1 * y)
        + 0.15 * smooth_noise(shot.texture, 17)
    )
    cloth = linear(shot.clothes) * weave[..., None]
    mix(image, cloth, edge(line - v, frame.pixels))
    for side in (-1, 1):
        du, dv = (u - side * (person.width + 0.02)) / 0.11, (v - 0.12) / 0.22
        ear = edge(0.15 * (np.sqrt(du * du + dv * dv) - 1), frame.pixels)
        fold = 0.5 + 0.35 * np.clip(du * du + dv * dv, 0, 1)
        mix(image, linear(person.skin) * fold[..., None], ear)


def _skin(frame: Frame, person: Person) -> Canvas:
    a, b = frame.a, frame.b
    mottle = 1 + 0.035 * smooth_noise(person.texture, 17) + 0.03 * smooth_noise(person.texture, 4)
    mottle += 0.05 * smooth_noise(person.texture, 2)
    skin = linear(person.skin) * mottle[..., None]
    warm = 0.6 * (blob(a, b, (-0.38, 0.3), (0.17, 0.15)) + blob(a, b, (0.38, 0.3), (0.17, 0.15)))
    warm += 0.6 * blob(a, b, (0, person.nose_tip), (0.12, 0.1))
    blush = np.array([0.06, -0.14, -0.10], np.float32) * np.float32(person.redness)
    skin *= 1 + warm[..., None] * blush
    for side in (-1, 1):  # the thin skin below the eyes
        bag = blob(a, b, (side * person.eye_gap, _EYE_HEIGHT + 0.11), (0.11, 0.035))
        skin *= 1 - np.float32(0.12 + 0.2 * person.age) * bag[..., None]
    if person.freckles:
        rng = np.random.default_rng([person.texture, 5])
        spots = np.zeros_like(a)
        for u, v in zip(
            rng.normal(0, 0.28, person.freckles),
            rng.normal(0.22, 0.1, person.freckles),
            strict=True,
        ):
            spots = np.maximum(spots, blob(a, b, (u, v), (0.009, 0.009)))
        skin *= 1 - spots[..., None] * np.array([0.25, 0.4, 0.45], np.float32)
    if person.beard:
        _paint_beard(skin, frame, person)
    return skin


def _paint_beard(skin: Canvas, frame: Frame, person: Person) -> None:
    a, b = frame.a, frame.b
    jaw = np.clip((frame.egg - 0.42) * 4, 0, 1) * np.clip((b - 0.22) * 5, 0, 1)
    chin = blob(a, b, (0, 0.88), (0.24, 0.16))
    moustache = blob(a, b, (0, person.mouth_height - 0.115), (0.2, 0.035))
    cover = np.clip(jaw + chin + moustache, 0, 1) * np.float32(person.beard)
    stubble = np.clip(0.65 + 0.4 * smooth_noise(person.texture + 1, 2), 0, 1)
    mix(skin, linear(person.hair) + 0.25 * linear(person.skin), 0.85 * cover * stubble)


def _height(frame: Frame, portrait: Portrait) -> Canvas:
    person, shot = portrait
    a, b, wide = frame.a, frame.b, person.nose_width
    tip, mouth, gap = person.nose_tip, person.mouth_height, person.eye_gap
    height = 0.62 * np.power(np.maximum(1 - frame.egg, 0), np.float32(0.45))
    bridge = np.exp(-0.5 * (a / (0.065 * wide)) ** 2)
    height += 0.10 * bridge * np.clip((b + 0.2) * 2.5, 0, 1) * edge(b - tip, 9)
    height += 0.12 * blob(a, b, (0, tip), (0.085 * wide, 0.075))
    height += 0.05 * blob(a, b, (0, mouth - 0.045), (0.13, 0.028)) * np.float32(person.lips)
    height += 0.06 * blob(a, b, (0, mouth + 0.06), (0.12, 0.035)) * np.float32(person.lips)
    height -= 0.03 * blob(a, b, (0, mouth + 0.15), (0.14, 0.03))
    height += 0.05 * blob(a, b, (0, 0.86), (0.14, 0.09))
    lines = np.float32(0.010 + 0.030 * person.age + 0.012 * max(0.0, shot.smile))
    for side in (-1, 1):
        height += 0.055 * blob(a, b, (side * 0.115 * wide, tip + 0.03), (0.05, 0.045))
        height -= 0.075 * blob(a, b, (side * (gap - 0.02), _EYE_HEIGHT - 0.02), (0.15, 0.085))
        height += 0.035 * blob(a, b, (side * gap, _EYE_HEIGHT), (0.09, 0.06))
        height += 0.03 * blob(a, b, (side * gap, -person.brow_height), (0.2, 0.05))
        height += 0.045 * blob(a, b, (side * 0.37, 0.3), (0.17, 0.13))
        # The fold from the wing of the nose to the corner of the mouth.
        fold = side * a - (0.19 + 0.30 * (b - tip))
        extent = np.clip((b - tip + 0.02) * 12, 0, 1) * np.clip((mouth + 0.05 - b) * 12, 0, 1)
        height -= lines * np.exp(-0.5 * (fold / 0.022) ** 2) * extent
    ridges = np.sin(58 * (b + 0.012 * smooth_noise(person.texture, 34) + 0.05 * a * a))
    height += np.float32(0.005 * person.age) * ridges * blob(a, b, (0, -0.42), (0.3, 0.09))
    return np.asarray(height, np.float32)


def _shading(frame: Frame, portrait: Portrait) -> tuple[Canvas, Canvas]:
    """Diffuse light (SIZE, SIZE, 3) and gloss (SIZE, SIZE) over the head."""
    person, shot = portrait
    height = _height(frame, portrait)
    height += 0.0011 * smooth_noise(person.texture, 2)
    slope_v = cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=frame.pixels / 8)
    slope_u = cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=frame.pixels / 8)
    length = 1 / np.sqrt(1 + slope_u * slope_u + slope_v * slope_v)
    light = np.array(shot.light, np.float32)
    light /= np.linalg.norm(light)
    facing = (-slope_u * light[0] - slope_v * light[1] + light[2]) * length
    diffuse = np.clip((facing + 0.15) / 1.15, 0, 1)
    sky = 0.75 - 0.25 * slope_v * length * -1
    amount = np.float32(shot.ambient) * sky + np.float32(1 - shot.ambient) * 1.15 * diffuse
    # Light that enters skin comes back red: shadows on a face are warm.
    tint = np.array([0.04, 0.0, -0.02], np.float32) * (1 - diffuse)[..., None]
    half = light + np.array([0, 0, 1], np.float32)
    half /= np.linalg.norm(half)
    shine = np.clip((-slope_u * half[0] - slope_v * half[1] + half[2]) * length, 0, 1)
    gloss = 0.08 * np.power(shine, np.float32(24))
    return np.asarray(amount[..., None] + tint, np.float32), np.asarray(gloss, np.float32)


def _paint_features(skin: Canvas, frame: Frame, portrait: Portrait) -> None:
    person = portrait.person
    for side in (-1, 1):
        window = frame.window((side * person.eye_gap, -0.08), 0.30)
        _paint_eye(skin[window], frame.part(window), portrait, side)
        _paint_brow(skin[window], frame.part(window), person, side)
    window = frame.window((0, person.nose_tip), 0.2)
    part = frame.part(window)
    for side in (-1, 1):
        at = (side * 0.06 * person.nose_width, person.nose_tip + 0.068)
        nostril = blob(part.a, part.b, at, (0.032, 0.016))
        skin[window] *= 1 - 0.8 * nostril[..., None]
    window = frame.window((0, person.mouth_height), 0.36)
    _paint_mouth(skin[window], frame.part(window), portrait)


def _paint_eye(skin: Canvas, frame: Frame, portrait: Portrait, side: int) -> None:
    person, shot = portrait
    du = side * frame.a - person.eye_gap
    dv = frame.b - _EYE_HEIGHT + np.float32(person.eye_tilt) * du
    across = du / np.float32(person.eye_width)
    arch = np.maximum(1 - across * across, 0)
    squint = 1 - 0.2 * max(0.0, shot.smile)
    upper = -np.float32(person.eye_open * squint) * np.sqrt(arch) * (1 - 0.15 * across)
    lower = np.float32(person.eye_open * 0.62 * squint) * arch
    inside = np.maximum(upper - dv, dv - lower)
    inside = np.where(np.abs(across) > 1, 0.05, inside)
    open_eye = edge(inside, frame.pixels)
    white = np.array([0.62, 0.56, 0.53], np.float32) * (0.6 + 0.4 * arch)[..., None]
    ru = side * du - shot.gaze[0]
    rv = np.asarray(dv - shot.gaze[1] + 0.008, np.float32)
    radius = np.asarray(np.sqrt(ru * ru + rv * rv), np.float32)
    size = 0.072
    ring = 0.45 + 0.9 * np.clip(1 - radius / size, 0, 1) * (radius < 0.9 * size)
    spokes = 1 + 0.2 * np.sin(17 * np.arctan2(rv, ru + 1e-6))
    iris = linear(person.iris) * (ring * spokes)[..., None]
    mix(white, iris, edge(radius - size, frame.pixels))
    mix(white, linear((0.01, 0.01, 0.01)), edge(radius - 0.032, frame.pixels))
    white *= np.clip(0.35 + (dv - upper) * 16, 0.35, 1)[..., None]  # shadow of the upper lid
    glint = blob(ru, rv, (0.022 * np.sign(shot.light[0]), -0.022), (0.010, 0.010))
    white += 0.6 * glint[..., None]
    mix(skin, white, open_eye)
    near = (np.abs(across) < 1.12).astype(np.float32)
    lash = np.exp(-0.5 * ((dv - upper + 0.004) / 0.012) ** 2) * near
    crease = np.exp(-0.5 * ((dv - 1.15 * upper + 0.045) / 0.012) ** 2) * near * np.sqrt(arch)
    rim = np.exp(-0.5 * ((dv - lower) / 0.008) ** 2) * near * arch
    skin *= 1 - np.clip(0.85 * lash + 0.35 * crease + 0.25 * rim, 0, 0.93)[..., None]


def _paint_brow(skin: Canvas, frame: Frame, person: Person, side: int) -> None:
    du = side * frame.a - person.eye_gap
    along = (du + 0.17) / 0.38
    line = -person.brow_height - 0.05 * np.sin(np.pi * np.clip(along, 0, 1))
    line = line + np.float32(person.brow_tilt) * (0.1 - du)
    thick = np.float32(person.brow_thickness) * (1.15 - 0.75 * np.clip(along, 0, 1))
    off = (frame.b - line) / thick
    cover = (
        np.exp(-0.5 * np.abs(off) ** 3) * np.clip(along * 8, 0, 1) * np.clip((1 - along) * 5, 0, 1)
    )
    hairs = np.clip(0.8 + 0.35 * np.sin(150 * (du + 0.8 * (frame.b - line))), 0, 1)
    brow = 0.7 * linear(person.hair) + 0.06 * linear(person.skin)
    mix(skin, brow, np.asarray(0.9 * cover * hairs, np.float32))


def _paint_mouth(skin: Canvas, frame: Frame, portrait: Portrait) -> None:
    person, shot = portrait
    wide = person.mouth_width * (1 + 0.15 * shot.smile)
    across = frame.a / np.float32(wide)
    arch = np.sqrt(np.maximum(1 - across * across, 0))
    bend = np.float32(0.045 * shot.smile) * (1 - across * across) - np.float32(0.03 * shot.smile)
    dv = frame.b - person.mouth_height - bend
    cupid = 1 - 0.22 * np.exp(-((across / 0.16) ** 2)) + 0.08 * np.cos(across * 4)
    top = -np.float32(0.062 * person.lips) * arch * cupid
    bottom = np.float32(0.085 * person.lips) * np.power(arch, np.float32(1.3))
    opening = np.float32(shot.mouth_open) * arch
    lips = edge(np.maximum(top - opening - dv, dv - bottom - opening), frame.pixels * 0.7)
    lips *= np.abs(across) < 1
    shade = np.where(dv < 0, 0.72, 0.95) * (1 + 0.06 * np.sin(60 * across))
    red = np.array([0.92, 0.55, 0.55], np.float32)
    paint = linear(person.skin) * (1 + np.float32(person.lip_red) * (red - 1)) * shade[..., None]
    mix(skin, paint, np.asarray(0.9 * lips, np.float32))
    near = np.clip((1.06 - np.abs(across)) * 12, 0, 1)
    gap = np.exp(-0.5 * (dv / (0.010 + opening)) ** 2) * near
    skin *= 1 - 0.82 * gap[..., None]
    if shot.mouth_open > 0.012:
        teeth = edge(np.abs(dv + 0.004) - 0.75 * opening, frame.pixels) * (np.abs(across) < 0.8)
        stripes = 0.5 * (0.9 + 0.1 * np.cos(across * 26))
        mix(skin, stripes[..., None] * linear((1.0, 0.93, 0.84)), np.asarray(teeth, np.float32))


def _paint_front_hair(image: Canvas, frame: Frame, portrait: Portrait, shade: Canvas) -> None:
    person = portrait.person
    u, v = frame.u, frame.v
    wave = 0.035 * smooth_noise(person.texture, 17)
    bulk = {"short": 1.06, "receding": 1.03, "curly": 1.16}.get(person.style, 1.10)
    sides = np.abs(u / np.float32(person.width * (bulk + 0.02)))
    skull = np.power(sides**2.4 + np.abs(v / np.float32(bulk)) ** 2.4, np.float32(1 / 2.4)) - 1
    line = person.hairline + 0.22 * u * u
    if person.style == "fringe":
        line = -0.30 + 0.05 * np.sin(9 * u + person.texture % 7) + 0.2 * u * u
    elif person.style == "parted":
        part = 0.2 if person.texture % 2 else -0.2
        line = person.hairline + 0.55 * np.abs(u - part) ** 1.3
    elif person.style == "receding":
        line = person.hairline - 0.10 - 0.16 * np.exp(-((np.abs(u) - 0.33) ** 2) / 0.02)
    # Beside the temples the hair goes down to the ears.
    side = np.clip((np.abs(u) - 0.84 * person.width) * 14, 0, 1)
    line = line + side * (0.55 if person.style != "receding" else 0.45)
    ragged = 0.018 * strands(np.full_like(u, 2), 160 * u + 9, person.texture)
    cover = edge(np.maximum(skull + wave, v - line - 0.6 * wave + ragged), 0.5 * frame.pixels)
    angle = np.arctan2(u, 1.45 + v)
    across = 190 * angle + (25 * wave if person.style != "curly" else 160 * wave)
    hairs = strands(4 + 3 * v, across + 90, person.texture + 1)
    band = np.exp(-((np.sqrt(u * u * 0.8 + (v + 0.25) ** 2) - 0.55) ** 2) / 0.012)
    tone = np.exp(0.4 * hairs) * (0.62 + 0.55 * band)
    lit = 0.45 + 0.55 * np.clip(shade, 0, 1.2)
    hair = linear(person.hair) * tone[..., None] * lit + 0.02 * band[..., None]
    mix(image, np.asarray(hair, np.float32), cover)


def _paint_glasses(image: Canvas, frame: Frame, person: Person) -> None:
    rim = np.zeros_like(frame.a)
    for side in (-1, 1):
        du = (side * frame.a - person.eye_gap) / 0.215
        dv = (frame.b - _EYE_HEIGHT - 0.03) / 0.165
        lens = 0.18 * (np.sqrt(np.sqrt((du * du) ** 2 + (dv * dv) ** 2)) - 1)
        rim = np.maximum(rim, edge(np.abs(lens) - 0.014, frame.pixels))
        glare = edge(lens, frame.pixels) * np.clip(0.08 - 0.25 * (du + dv), 0, 0.14)
        image += 0.5 * glare[..., None]
        temple = np.maximum(np.abs(frame.b + 0.03) - 0.014, person.eye_gap + 0.21 - side * frame.a)
        rim = np.maximum(rim, edge(temple, frame.pixels) * (frame.egg < 1))
    bridge = np.maximum(np.abs(frame.b - _EYE_HEIGHT + 0.02) - 0.013, np.abs(frame.a) - 0.09)
    rim = np.maximum(rim, edge(bridge, frame.pixels))
    frame_colour = (0.02, 0.018, 0.016) if person.texture % 3 else (0.16, 0.09, 0.04)
    mix(image, linear(frame_colour), np.asarray(0.92 * rim, np.float32))
