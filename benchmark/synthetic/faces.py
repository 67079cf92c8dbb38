"""People and shots of the embedded synthetic set: who stands before the camera, and how.

Everything is a plain number drawn from a NumPy generator, so a face is a pure function of its seed.
Lengths are in *face units*: the head reaches from v = -1 (crown) to v = +1 (chin), u = 0 is the
middle of the face and v grows downwards. Colours are linear RGB in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

FaceColour = tuple[float, float, float]

HAIR_STYLES = ("short", "parted", "fringe", "long", "curly", "receding")
EDITS = ("smile", "eyes", "hair", "glasses", "age")

# Linear RGB from light to dark; a person lies between two neighbours.
_SKIN = np.array(
    [
        [0.80, 0.56, 0.45],
        [0.70, 0.46, 0.35],
        [0.56, 0.34, 0.24],
        [0.40, 0.22, 0.14],
        [0.24, 0.12, 0.075],
        [0.13, 0.065, 0.042],
    ]
)
_HAIR = np.array(
    [
        [0.015, 0.012, 0.011],
        [0.045, 0.025, 0.015],
        [0.12, 0.060, 0.030],
        [0.25, 0.085, 0.030],
        [0.45, 0.31, 0.15],
        [0.45, 0.44, 0.42],
    ]
)
_IRIS = np.array([[0.06, 0.03, 0.015], [0.14, 0.075, 0.03], [0.10, 0.13, 0.06], [0.09, 0.18, 0.30]])
_CLOTHES = np.array(
    [
        [0.03, 0.04, 0.07],
        [0.25, 0.05, 0.05],
        [0.08, 0.16, 0.10],
        [0.45, 0.42, 0.38],
        [0.1, 0.1, 0.1],
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """The faces that one source of images shows.

    Attributes:
        name: The source.
        skin: Range of the skin tone, 0 (lightest) to 5 (darkest).
        hair: Weights of the six hair colours, black to grey.
        yaw: Largest turn of the head to either side, in face units per unit of depth.
        glasses: Share of people with glasses.
    """

    name: str
    skin: tuple[float, float]
    hair: tuple[float, ...]
    yaw: float
    glasses: float


POPULATIONS = (
    Population(
        name="embedded-a",
        skin=(0.0, 3.6),
        hair=(0.20, 0.25, 0.22, 0.08, 0.17, 0.08),
        yaw=0.16,
        glasses=0.12,
    ),
    Population(
        name="embedded-b",
        skin=(1.0, 5.0),
        hair=(0.42, 0.25, 0.12, 0.03, 0.06, 0.12),
        yaw=0.28,
        glasses=0.18,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What stays the same from one photograph of a person to the next."""

    width: float
    jaw: float
    skin: FaceColour
    redness: float
    freckles: int
    hair: FaceColour
    style: str
    hairline: float
    brow_height: float
    brow_thickness: float
    brow_tilt: float
    eye_gap: float
    eye_width: float
    eye_open: float
    eye_tilt: float
    iris: FaceColour
    nose_tip: float
    nose_width: float
    mouth_height: float
    mouth_width: float
    lips: float
    lip_red: float
    beard: float
    age: float
    glasses: bool
    texture: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """What changes between photographs: pose, light, expression and surroundings."""

    offset: tuple[float, float]
    zoom: float
    roll: float
    yaw: float
    pitch: float
    light: tuple[float, float, float]
    ambient: float
    warmth: float
    exposure: float
    smile: float
    mouth_open: float
    gaze: tuple[float, float]
    backdrop: tuple[FaceColour, FaceColour]
    clothes: FaceColour
    texture: int


class Portrait(NamedTuple):
    """A person in a shot: all that the renderer needs."""

    person: Person
    shot: Shot


def _between(table: np.ndarray, place: float) -> np.ndarray:
    low = int(np.clip(np.floor(place), 0, len(table) - 2))
    return np.asarray(table[low] + (table[low + 1] - table[low]) * (place - low))


def _colour(values: np.ndarray) -> FaceColour:
    r, g, b = (float(x) for x in np.clip(values, 0.004, 0.9))
    return r, g, b


def draw_person(rng: np.random.Generator, population: Population) -> Person:
    """Draw a person of a population."""

    def some(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    tone = some(*population.skin)
    grey = rng.choice(len(_HAIR), p=np.array(population.hair) / sum(population.hair))
    beard = some(0.25, 1.0) if rng.random() < 0.35 else 0.0
    return Person(
        width=some(0.66, 0.76),
        jaw=some(0.08, 0.26),
        skin=_colour(_between(_SKIN, tone) * rng.normal(1.0, 0.03, 3)),
        redness=some(0.3, 1.0),
        freckles=int(rng.integers(20, 90)) if rng.random() < 0.3 else 0,
        hair=_colour(_HAIR[grey] * some(0.8, 1.25)),
        style=str(rng.choice(HAIR_STYLES, p=(0.26, 0.2, 0.14, 0.2, 0.12, 0.08))),
        hairline=some(-0.64, -0.5),
        brow_height=some(0.17, 0.23),
        brow_thickness=some(0.022, 0.045),
        brow_tilt=some(-0.12, 0.16),
        eye_gap=some(0.265, 0.305),
        eye_width=some(0.13, 0.16),
        eye_open=some(0.050, 0.075),
        eye_tilt=some(-0.12, 0.10),
        iris=_colour(_IRIS[min(3, int(rng.exponential(0.8)))] * some(0.8, 1.3)),
        nose_tip=some(0.33, 0.40),
        nose_width=some(0.8, 1.25),
        mouth_height=some(0.585, 0.64),
        mouth_width=some(0.22, 0.29),
        lips=some(0.7, 1.35),
        lip_red=some(0.3, 1.0) if beard == 0 else some(0.1, 0.4),
        beard=beard,
        age=some(0.0, 1.0) ** 1.5,
        glasses=bool(rng.random() < population.glasses),
        texture=int(rng.integers(2**31)),
    )


def draw_shot(rng: np.random.Generator, population: Population) -> Shot:
    """Draw the circumstances of one photograph."""

    def some(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    side = some(-0.9, 0.9)
    hue = (rng.uniform(0, 1) * rng.uniform(0.3, 1.0, 3) + 0.5) * some(0.05, 0.45)
    other = np.clip(hue * rng.normal(1.0, 0.2, 3), 0.01, 0.8)
    return Shot(
        offset=(some(-0.05, 0.05), some(0.0, 0.10)),
        zoom=some(0.76, 0.86),
        roll=some(-0.13, 0.13),
        yaw=some(-population.yaw, population.yaw),
        pitch=some(-0.06, 0.08),
        light=(side, some(-0.9, -0.25), some(0.7, 1.1)),
        ambient=some(0.28, 0.5),
        warmth=some(-0.08, 0.12),
        exposure=some(0.85, 1.15),
        smile=some(-0.15, 1.0),
        mouth_open=max(0.0, some(-0.04, 0.035)),
        gaze=(some(-0.02, 0.02), some(-0.008, 0.01)),
        backdrop=(_colour(hue), _colour(other)),
        clothes=_colour(_CLOTHES[rng.integers(len(_CLOTHES))] * rng.uniform(0.6, 1.4, 3)),
        texture=int(rng.integers(2**31)),
    )


def edit(portrait: Portrait, what: str, rng: np.random.Generator) -> Portrait:
    """Change one attribute of a portrait and nothing else.

    Args:
        portrait: The person and shot to start from.
        what: One of ``EDITS``.
        rng: Draws how far the change goes.
    """
    person, shot = portrait
    amount = float(rng.uniform(0.7, 1.0))
    if what == "smile":
        turned = -0.3 if shot.smile > 0.45 else 1.1
        return Portrait(person, replace(shot, smile=turned * amount, mouth_open=0.03 * amount))
    if what == "eyes":
        iris = _IRIS[3] if person.iris[0] >= person.iris[2] else _IRIS[1]
        wider = person.eye_open * (1.0 + 0.25 * amount)
        return Portrait(replace(person, iris=_colour(iris * 1.2), eye_open=wider), shot)
    if what == "hair":
        dark = sum(person.hair) < 0.3
        hair = _HAIR[4 if dark else 1] * (0.8 + 0.3 * amount)
        return Portrait(replace(person, hair=_colour(hair)), shot)
    if what == "glasses":
        return Portrait(replace(person, glasses=not person.glasses), shot)
    aged = person.age + 0.8 * amount if person.age < 0.5 else person.age - 0.5 * amount
    return Portrait(replace(person, age=max(0.0, aged)), shot)
