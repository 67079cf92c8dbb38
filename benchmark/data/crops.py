"""How faces are cut out, and what a manifest keeps of each crop."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from benchmark.data.faces import CONFIDENCE, DETECTION_SIDE
from benchmark.data.faces.recipes import load_crop_recipe
from benchmark.errors import BenchmarkError

POLICIES = {
    "several": ("largest", "tracked", "all", "leave-out", "refuse"),
    "no_face": ("leave-out", "refuse"),
    "outside": ("keep", "leave-out", "refuse"),
}
"""What can be done where a picture has several faces or none, or a crop leaves it.

The first of each is done where nothing is said.
"""


@dataclass(frozen=True, kw_only=True)
class CropSettings:
    """How faces are found and cut out.

    Attributes:
        recipe: One of ``CROP_RECIPES``.
        detector: One of ``FACE_DETECTORS``.
        weights: A file in the place of the detector's own weights.
        several: Of several faces, ``largest`` takes the largest of each picture, ``tracked`` that
            of the person who is largest over the whole video, ``all`` all; ``leave-out`` the
            picture, or ``refuse`` to go on.
        no_face: ``leave-out``, or ``refuse`` to go on.
        outside: ``keep`` a crop that leaves its picture (what is there depends on the recipe),
            ``leave-out`` or ``refuse``.
        side: Longer side, in pixels, at which faces are looked for.
        confidence: What a face must have at least, 0 to 1.
        allow_missing: Leave out pictures that cannot be read, instead of stopping.
    """

    recipe: str
    detector: str = "retinaface"
    weights: Path | None = None
    several: str = "largest"
    no_face: str = "leave-out"
    outside: str = "keep"
    side: int = DETECTION_SIDE
    confidence: float = CONFIDENCE
    allow_missing: bool = False

    def __post_init__(self) -> None:
        """Raise BenchmarkError where a value is none of its choices."""
        load_crop_recipe(self.recipe)
        for name, choices in POLICIES.items():
            if (value := getattr(self, name)) not in choices:
                option = name.replace("_", "-")
                raise BenchmarkError(f"--{option} is '{value}', not one of {', '.join(choices)}")
        if self.side < 32 or not 0 < self.confidence < 1:
            raise BenchmarkError(
                f"side {self.side}, confidence {self.confidence}: from 32 pixels; between 0 and 1"
            )


class Crop(NamedTuple):
    """A crop that was written: what a manifest keeps of it, as text and in this order.

    Attributes:
        path: Relative to the folder of crops.
        sha256: Of the file.
        width: In pixels.
        height: Likewise.
        crop_of: The sample id of its picture.
        crop_of_sha256: Of the file that holds the picture.
        crop_place: ``cutting.Cut`` as text.
        crop_outside: The share of it that its picture does not cover.
        face_box: Left, top, width and height in the picture, in pixels.
        face_points: x and y of eyes, nose and corners of the mouth in the picture.
        face_confidence: The detector's.
        face_person: Which person of the video, from 0.
        faces_found: How many faces are in the picture.
    """

    path: str
    sha256: str
    width: str
    height: str
    crop_of: str
    crop_of_sha256: str
    crop_place: str
    crop_outside: str
    face_box: str
    face_points: str
    face_confidence: str
    face_person: str
    faces_found: str


class LeftOut(NamedTuple):
    """A picture of which no crop was taken.

    Attributes:
        reason: Why; numbers are not in it, so that it can be counted.
        faces_found: How many faces are in it, "" if it cannot be read.
    """

    reason: str
    faces_found: str


class CroppedPicture(NamedTuple):
    """What came of one picture: its place in the manifest, and its crops or why there are none."""

    place: int
    crops: list[Crop]
    left_out: LeftOut | None
