"""Who is who over the frames of a video, and which of the faces in a picture is taken."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmark.data.faces import Face, FaceBox

SAME_PERSON = 0.1
"""What boxes of one person share at least, of both together: sampled frames lie apart."""

PersonMask = NDArray[np.bool_]


class People:
    """Numbers the people of one video by how their boxes overlap from frame to frame."""

    def __init__(self) -> None:
        """Know nobody yet."""
        self._last: list[FaceBox] = []

    def number(self, faces: Sequence[Face]) -> list[int]:
        """Say who the faces of the next frame are: numbers from 0 in the order of appearance.

        The pair that overlaps most is one person, and so on; who is left is new. Someone who was
        not seen for a while stays where he was last.
        """
        pairs = [
            (-face.box.iou(box), person, place)
            for place, face in enumerate(faces)
            for person, box in enumerate(self._last)
            if face.box.iou(box) >= SAME_PERSON
        ]
        known: dict[int, int] = {}
        for _, person, place in sorted(pairs):
            if place not in known and person not in known.values():
                known[place] = person
        numbers = []
        for place, face in enumerate(faces):
            person = known.get(place, len(self._last))
            if person == len(self._last):
                self._last.append(face.box)
            self._last[person] = face.box
            numbers.append(person)
        return numbers


def covered(face: Face, mask: PersonMask) -> float:
    """Give the share of a mask that lies in a face's box, 0 to 1; an empty mask has none.

    Args:
        face: In pixels of the picture.
        mask: (h, w) of the picture's size.
    """
    whole = int(np.count_nonzero(mask))
    left, top = max(round(face.box.left), 0), max(round(face.box.top), 0)
    right, bottom = face.box.left + face.box.width, face.box.top + face.box.height
    inside = mask[top : max(round(bottom), 0), left : max(round(right), 0)]
    return int(np.count_nonzero(inside)) / whole if whole else 0.0
