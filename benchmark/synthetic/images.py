"""The images of one identity of the embedded synthetic set: photographs and forgeries.

Everything that is random about an image comes from streams that are keyed by the seed and by what
they are for, so an identity can be drawn alone, in any order and in any process.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.synthetic.camera import (
    CAMERAS,
    OVERSAMPLING,
    SENSOR,
    Photo,
    decode_jpeg,
    encode,
    photograph,
)
from benchmark.synthetic.faces import (
    EDITS,
    POPULATIONS,
    Person,
    Portrait,
    draw_person,
    draw_shot,
    edit,
)
from benchmark.synthetic.forgeries import EDGE, GENERATORS, Generator, manipulate, swap, synthesise
from benchmark.synthetic.render import render_face

EMBEDDED_VERSION = 1
DRAWN_SPLITS = ("train", "val", "test")
PHOTOS = 3


class Task(NamedTuple):
    """One identity, and all images that are made of it.

    Attributes:
        source: Index of the camera and population.
        split: Index in ``SPLITS``.
        who: Number of the identity, from 0.
        people: Number of identities in this source and split.
    """

    source: int
    split: int
    who: int
    people: int


def carry_out_task(folder: Path, seed: int, task: Task) -> list[dict[str, str]]:
    """Write all images of one identity below a folder; return their rows of the manifest."""
    person = _person(seed, task)
    reals = [_take(seed, task, person, number) for number in range(PHOTOS)]
    names = [_path(task, "camera", number) for number in range(PHOTOS)]
    rows = []
    for name, photo in zip(names, reals, strict=True):
        data = photo.encode(photo.pixels)
        rows.append(_write(folder / name, data) | _describe(task, name))
    swapped = task.who % PHOTOS
    donor = _donor(seed, task, swapped)
    for number, generator in enumerate(GENERATORS):
        rng = _rng(seed, task, 2, number)
        which = swapped if generator.forgery == "FS" else (task.who + number) % PHOTOS
        photo, pair = reals[which], names[which]
        if generator.forgery == "EFS":
            pair = ""
            nobody = _person(seed, task, 1 + number)
            # Nobody's face in a real photograph's surroundings: what is around the face, and how
            # it was taken, cannot tell the classes apart.
            photo = _take(seed, task, nobody, which)
            data = synthesise(generator, photo, rng)
        elif generator.forgery == "FS":
            data = swap(generator, photo, donor, rng)
        else:
            what = EDITS[(task.who + number) % len(EDITS)]
            edited = _take(seed, task, person, which, what)
            data = manipulate(generator, photo, edited, rng)
        name = _path(task, generator.name, 0)
        rows.append(_write(folder / name, data) | _describe(task, name, generator, pair))
    return rows


def _rng(seed: int, task: Task, kind: int, number: int) -> np.random.Generator:
    """The stream of one thing of one identity; ``kind`` keeps the streams of a task apart."""
    entropy = [seed, EMBEDDED_VERSION, task.source, task.split, task.who, kind, number]
    return np.random.default_rng(np.random.SeedSequence(entropy))


def _person(seed: int, task: Task, number: int = 0) -> Person:
    return draw_person(_rng(seed, task, 0, number), POPULATIONS[task.source])


@lru_cache(maxsize=8)
def _complexions(seed: int, task: Task) -> NDArray[np.float64]:
    """(people, PHOTOS, 4) skin (log RGB) and turn of the head of everyone in a split."""
    traits = np.empty((task.people, PHOTOS, 4))
    for who in range(task.people):
        one = task._replace(who=who)
        traits[who, :, :3] = np.log(_person(seed, one).skin)
        for number in range(PHOTOS):
            shot = draw_shot(_rng(seed, one, 1, number), POPULATIONS[task.source])
            traits[who, number, 3] = 4 * shot.yaw
    return traits


def _donor(seed: int, task: Task, number: int) -> Photo:
    """The photograph of somebody else that fits best: as a forger would choose it."""
    traits = _complexions(seed, task._replace(who=0))
    apart = np.abs(traits - traits[task.who, number]).sum(2)
    apart[task.who] = np.inf
    who, other = divmod(int(apart.argmin()), PHOTOS)
    chosen = task._replace(who=who)
    return _take(seed, chosen, _person(seed, chosen), other)


def _take(seed: int, task: Task, person: Person, number: int, what: str = "") -> Photo:
    """Photograph a person; an edit changes the person or the shot, and nothing of the camera."""
    rng = _rng(seed, task, 1, number)
    camera = CAMERAS[task.source]
    portrait = Portrait(person, draw_shot(rng, POPULATIONS[task.source]))
    if what:
        portrait = edit(portrait, what, _rng(seed, task, 3, number))
    top, left = (int(x) for x in rng.integers(0, SENSOR - EDGE + 1, 2))
    quality = int(rng.integers(camera.quality[0], camera.quality[1] + 1))
    scene = render_face(portrait)
    pixels = photograph(scene.light, camera, rng)[top : top + EDGE, left : left + EDGE]
    points = scene.landmarks / np.float32(OVERSAMPLING) - np.array([left, top], np.float32)
    encoder = partial(encode, quality=quality, sampling=camera.sampling)
    return Photo(np.ascontiguousarray(pixels), np.asarray(points, np.float32), encoder)


def _path(task: Task, maker: str, number: int) -> str:
    source, split = POPULATIONS[task.source].name, DRAWN_SPLITS[task.split]
    return f"{source}/{split}/{maker}/{task.who:03d}_{number}.jpg"


def _write(file: Path, data: bytes) -> dict[str, str]:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    height, width = decode_jpeg(data).shape[:2]
    digest = hashlib.sha256(data).hexdigest()
    return {"width": str(width), "height": str(height), "sha256": digest}


def _describe(
    task: Task, name: str, generator: Generator | None = None, pair: str = ""
) -> dict[str, str]:
    source, split = POPULATIONS[task.source].name, DRAWN_SPLITS[task.split]
    identity = f"{source}-{split}-{task.who:03d}"
    if generator is not None and generator.forgery == "EFS":
        # Nobody was photographed: every such face is somebody of its own.
        identity = f"{identity}-{generator.name}"
    return {
        "path": name,
        "label": "real" if generator is None else "fake",
        "forgery": "real" if generator is None else generator.forgery,
        "family": "real" if generator is None else generator.family,
        "generator": "camera" if generator is None else generator.name,
        "source": source,
        "split": split,
        "group": name,
        "identity": identity,
        "pair": pair,
    }
