"""How the field cuts faces out, as published: from a face that was found to its place in a crop.

A recipe says where the crop lies, not who finds the face: the published code asks dlib, whose boxes
and points differ a little from those of the detectors here. A change that can move a pixel is a new
version.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmark.data.cutting import MOST_FINER, Cut, Matrix
from benchmark.data.faces import Face, Points
from protocols.errors import UnknownNameError

# Where eyes, nose and mouth stand on a face of 112 x 112 pixels (the template of ArcFace for 96 x
# 112, moved by 8), and how much around it is taken.
_TEMPLATE = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)
_TEMPLATE_SIDE, _MARGIN = 112, 1.3
_ENLARGED = 1.3
# FFHQ's square: half its side by the distance of the eyes, or of eyes and mouth; its centre lies
# so much of the way from the eyes to the mouth.
_BY_EYES, _BY_MOUTH, _DOWN = 2.0, 1.8, 0.1


@dataclass(frozen=True, kw_only=True)
class CropRecipe:
    """A way to cut faces out.

    Attributes:
        name: How it is asked for.
        version: Raised by what can move a pixel.
        title: What it gives, in one line.
        source: Where it is published.
        note: What is otherwise here than there.
        place: Face, height and width of the picture -> its place; None: there is nothing to cut.
    """

    name: str
    version: int
    title: str
    source: str
    note: str
    place: Callable[[Face, int, int], Cut | None]

    @property
    def key(self) -> str:
        """Its name and version, for manifests."""
        return f"{self.name}.v{self.version}"


def similarity(points: Points, targets: Points) -> Matrix:
    """Give the turn, scale and shift that bring points nearest to others (Umeyama, 1991).

    Args:
        points: (n, 2), not all in one place.
        targets: (n, 2).
    """
    centre, target_centre = points.mean(axis=0), targets.mean(axis=0)
    moved, wanted = points - centre, targets - target_centre
    left, sizes, right = np.linalg.svd(wanted.T @ moved / len(points))
    signs = np.array([1.0, np.sign(np.linalg.det(left) * np.linalg.det(right)) or 1.0])
    turn = left * signs @ right
    scale = float(sizes @ signs) / moved.var(axis=0).sum()
    return np.column_stack([scale * turn, target_centre - scale * turn @ centre])


def _deepfakebench(face: Face, _height: int, _width: int) -> Cut | None:
    """Bring eyes, nose and mouth onto a template, with a margin."""
    side = 256
    if not np.ptp(face.points, axis=0).any():
        return None
    template = (_TEMPLATE * side / _TEMPLATE_SIDE + (_MARGIN - 1) * side / 2) / _MARGIN
    return Cut(matrix=similarity(face.points, template), width=side, height=side)


def _faceforensics(face: Face, height: int, width: int) -> Cut | None:
    """Enlarge the box to a square and keep it in the picture, in whole pixels."""
    box = face.box
    x1, y1 = round(box.left), round(box.top)
    x2, y2 = round(box.left + box.width), round(box.top + box.height)
    side = int(max(x2 - x1, y2 - y1) * _ENLARGED)
    left = max((x1 + x2) // 2 - side // 2, 0)
    top = max((y1 + y2) // 2 - side // 2, 0)
    side = min(side, width - left, height - top)
    if side < 1:
        return None
    matrix = np.array([[1.0, 0.0, -left], [0.0, 1.0, -top]])
    return Cut(matrix=matrix, width=side, height=side)


def _genface(face: Face, _height: int, _width: int) -> Cut | None:
    """Take FFHQ's turned square around eyes and mouth, and average it down."""
    side = 224
    left_eye, right_eye, _, left_mouth, right_mouth = face.points
    eyes, mouth = (left_eye + right_eye) / 2, (left_mouth + right_mouth) / 2
    across, down = right_eye - left_eye, mouth - eyes
    x = across + np.array([down[1], -down[0]])
    length = float(np.hypot(*x))
    if length == 0:
        return None
    x *= max(np.hypot(*across) * _BY_EYES, np.hypot(*down) * _BY_MOUTH) / length
    y = np.array([-x[1], x[0]])
    corner = eyes + down * _DOWN - x - y
    step = np.column_stack([x, y]) * 2 / side
    start = corner + step.sum(axis=1) / 2  # centres of pixels
    back = np.linalg.inv(step)
    finer = min(MOST_FINER, max(1, int(np.ceil(np.hypot(*x) * 2 / side))))
    return Cut(matrix=np.column_stack([back, -back @ start]), width=side, height=side, finer=finer)


_DLIB = "there dlib finds face and points, here a detector of five points"
_RECIPES = (
    CropRecipe(
        name="deepfakebench",
        version=1,
        title="eyes, nose and mouth on a template, scale 1.3, 256 x 256, black outside",
        source="Yan et al., NeurIPS 2023; DeepfakeBench's preprocessing/preprocess.py",
        note=f"{_DLIB}, at the eyes' centres and the mouth's corners instead of beside them",
        place=_deepfakebench,
    ),
    CropRecipe(
        name="faceforensics",
        version=1,
        title="the box's longer side x 1.3, square, kept in the picture, at its own size",
        source="Roessler et al., ICCV 2019; FaceForensics++'s classification/detect_from_video.py",
        note=f"{_DLIB}, whose boxes reach up to the hairline and are higher than dlib's",
        place=_faceforensics,
    ),
    CropRecipe(
        name="genface",
        version=1,
        title="FFHQ's turned square around eyes and mouth, 224 x 224, averaged down",
        source="Zhang et al., IEEE TIFS 2024, whose real faces are FFHQ's and CelebA-HQ's: the "
        "square of Karras et al., CVPR 2019; ffhq-dataset's download_ffhq.py",
        note="no code of GenFace cuts faces; what leaves the picture is black, not mirrored",
        place=_genface,
    ),
)

CROP_RECIPES = {recipe.name: recipe for recipe in _RECIPES}


def load_crop_recipe(name: str) -> CropRecipe:
    """Give a recipe by its name.

    Raises:
        UnknownNameError: There is none of this name.
    """
    if name not in CROP_RECIPES:
        raise UnknownNameError("a crop recipe", name, CROP_RECIPES)
    return CROP_RECIPES[name]
