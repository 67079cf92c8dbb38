"""Where each recipe cuts, by the published formulas; and the text that keeps a place."""

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark.data.cutting import Cut, apply_cut, read_cut, share_outside
from benchmark.data.faces import Face, FaceBox
from benchmark.data.faces.people import People
from benchmark.data.faces.recipes import CROP_RECIPES, load_crop_recipe, similarity
from benchmark.errors import ManifestError
from tests.conftest import draw

Points = NDArray[np.float64]
FRONTAL = np.array([[100.0, 100.0], [140.0, 100.0], [120.0, 120.0], [105.0, 140.0], [135.0, 140.0]])


BOX = FaceBox(80, 60, 80, 100)


def face(points: Points = FRONTAL, box: FaceBox = BOX) -> Face:
    return Face(box=box, points=points, confidence=0.9)


def turned(degrees: float, scale: float, shift: Points) -> Points:
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.column_stack([scale * turn, shift])


def moved(matrix: Points, points: Points) -> Points:
    return points @ matrix[:, :2].T + matrix[:, 2]


def place(recipe: str, of: Face, height: int = 300, width: int = 300) -> Cut:
    cut = load_crop_recipe(recipe).place(of, height, width)
    assert cut is not None
    return cut


def test_a_similarity_is_found_again_and_else_is_the_nearest() -> None:
    random = np.random.default_rng(1)
    points = random.normal(size=(5, 2)) * 40
    wanted = turned(33, 1.7, np.array([5.0, -8.0]))
    np.testing.assert_allclose(similarity(points, moved(wanted, points)), wanted, atol=1e-9)
    targets = random.normal(size=(5, 2)) * 40
    # Of a x - b y + c and b x + a y + d, by least squares.
    zeros, ones = np.zeros(5), np.ones(5)
    rows = np.vstack(
        [
            np.column_stack([points[:, 0], -points[:, 1], ones, zeros]),
            np.column_stack([points[:, 1], points[:, 0], zeros, ones]),
        ]
    )
    a, b, c, d = np.linalg.lstsq(rows, targets.T.ravel(), rcond=None)[0]
    np.testing.assert_allclose(similarity(points, targets), [[a, -b, c], [b, a, d]], atol=1e-9)


def test_deepfakebench_brings_points_onto_its_template() -> None:
    # 112 x 112, moved by 8, to 256 x 256, with a margin of .15 on each side.
    template = np.array([[30.2946, 51.6963], [65.5318, 51.5014], [48.0252, 71.7366],
                         [33.5493, 92.3655], [62.7299, 92.2041]])  # fmt: skip
    wanted = ((template + np.array([8, 0])) * 256 / 112 + 0.15 * 256) / 1.3
    points = moved(turned(-20, 0.6, np.array([90.0, 40.0])), template)
    cut = place("deepfakebench", face(points))
    assert (cut.width, cut.height, cut.finer) == (256, 256, 1)
    np.testing.assert_allclose(moved(cut.matrix, points), wanted, atol=1e-9)


@pytest.mark.parametrize(
    ("box", "wanted"),
    [
        (FaceBox(80, 60, 80, 100), (55, 45, 130)),  # in the middle: 1.3 x 100
        (FaceBox(-10, 5, 60, 60), (0, 0, 78)),  # moved into the picture
        (FaceBox(230, 100, 60, 80), (208, 88, 92)),  # cut short by the right edge
        (FaceBox(100.4, 99.6, 50.4, 49.8), (92, 91, 66)),  # edges in whole pixels
    ],
)
def test_faceforensics_enlarges_the_box(box: FaceBox, wanted: tuple[int, int, int]) -> None:
    left, top, side = wanted
    cut = place("faceforensics", face(box=box))
    pixels = draw(300, 300)
    np.testing.assert_array_equal(
        apply_cut(cut, pixels), pixels[top : top + side, left : left + side]
    )


def test_genface_takes_the_square_of_ffhq() -> None:
    # Eyes 40 apart and 40 above the mouth: 2 x 40 to each side, a tenth of the way down.
    cut = place("genface", face())
    assert (cut.width, cut.height, cut.finer) == (224, 224, 1)
    corners = np.array([[40.0, 24.0], [200.0, 24.0], [200.0, 184.0]])
    np.testing.assert_allclose(
        moved(cut.matrix, corners), [[-0.5, -0.5], [223.5, -0.5], [223.5, 223.5]], atol=1e-9
    )
    tilt = turned(30, 4.0, np.array([0.0, 0.0]))
    large = place("genface", face(moved(tilt, FRONTAL)), 1000, 1000)
    np.testing.assert_allclose(
        moved(large.matrix, moved(tilt, corners)), moved(cut.matrix, corners), atol=1e-9
    )
    assert large.finer == 3  # 640 pixels of the picture to 224


def test_what_cannot_be_placed_is_told() -> None:
    same = face(np.full((5, 2), 7.0), FaceBox(400, 400, 10, 10))
    for recipe in CROP_RECIPES.values():
        assert recipe.place(same, 300, 300) is None


@pytest.mark.parametrize("recipe", CROP_RECIPES)
def test_a_place_is_the_same_as_text(recipe: str) -> None:
    cut = place(recipe, face(moved(turned(7, 3.3, np.array([0.1, 0.2])), FRONTAL)), 700, 800)
    again = read_cut(str(cut), "test")
    np.testing.assert_array_equal(again.matrix, cut.matrix)
    assert (str(again), again.finer) == (str(cut), cut.finer)
    pixels = draw(700, 800)
    np.testing.assert_array_equal(apply_cut(again, pixels), apply_cut(cut, pixels))
    assert CROP_RECIPES[recipe].source
    assert CROP_RECIPES[recipe].note


@pytest.mark.parametrize(
    "text",
    ["", "1 0 0 0 1 0", "1 0 0 0 1 0 0x5", "1 0 0 1 0 0 5x5", "nan 0 0 0 1 0 5x5",
     "1 0 0 0 1 0 5x5 /0", "1e999 0 0 0 1 0 5x5", "1 0 0 0 1 0 99999x99999",
     "1 0 0 0 1 0 5000x5000 /9"],
)  # fmt: skip
def test_what_is_no_place_is_told(text: str) -> None:
    with pytest.raises(ManifestError, match="is no place of a crop: six numbers"):
        read_cut(text, "a.csv")


def test_a_finer_sampling_averages_what_a_crop_leaves_out() -> None:
    pixels = np.zeros((80, 80, 3), dtype=np.uint8)
    pixels[::2] = 200
    matrix = np.array([[0.25, 0, -0.375], [0, 0.25, -0.375]])  # centres of 4 x 4 pixels
    plain, fine = (Cut(matrix=matrix, width=20, height=20, finer=n) for n in (1, 4))
    assert np.ptp(apply_cut(fine, pixels)) <= 1
    np.testing.assert_allclose(apply_cut(fine, pixels).mean(), 100, atol=1)
    np.testing.assert_array_equal(
        apply_cut(fine, draw(80, 80)), np.asarray(_averaged(draw(80, 80)), dtype=np.uint8)
    )
    assert apply_cut(plain, pixels).shape == (20, 20, 3)


def _averaged(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    means: NDArray[np.float64] = pixels.reshape(20, 4, 20, 4, 3).mean(axis=(1, 3))
    return np.rint(means)


def test_the_share_outside_of_a_picture() -> None:
    halfway = Cut(matrix=np.array([[1.0, 0, 10], [0, 1.0, 0]]), width=20, height=20)
    assert share_outside(halfway, 50, 50) == pytest.approx(0.5, abs=1e-6)
    corner = Cut(matrix=np.array([[2.0, 0, 20], [0, 2.0, 20]]), width=40, height=40)
    # Counted by centres: half a pixel of the crop is a quarter of one of the picture.
    assert share_outside(corner, 50, 50) == pytest.approx(1 - (10.25 / 20) ** 2, abs=1e-6)
    assert share_outside(corner, 5, 5) == pytest.approx(1 - 25 / 400, abs=1e-6)


def test_people_are_told_apart_by_their_boxes() -> None:
    people = People()
    first, second = FaceBox(0, 0, 20, 20), FaceBox(50, 50, 20, 20)
    assert people.number([face(box=first), face(box=second)]) == [0, 1]
    # The order of detection does not matter; who was away is the same person again.
    assert people.number([face(box=FaceBox(54, 50, 20, 20)), face(box=FaceBox(3, 0, 20, 20))]) == [
        1,
        0,
    ]
    assert people.number([face(box=FaceBox(100, 0, 20, 20))]) == [2]
    assert people.number([face(box=FaceBox(58, 50, 20, 20))]) == [1]
    assert people.number([]) == []
