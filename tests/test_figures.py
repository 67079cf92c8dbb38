"""Figures: the same bytes again, the numbers that were measured, no place for surprises."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leaderboard.curves import mean_roc
from leaderboard.drawing import WIDTH, Picture, short
from leaderboard.figures import robustness_curves, roc_curves, training_curves
from leaderboard.heatmap import heat_map
from leaderboard.view import ProtocolView, views
from results.evaluation import RunContents, evaluate_contents
from results.metrics import roc
from tests.fake_run import Generator, fake_samples, make_run


def lay_out(run: Path) -> tuple[RunContents, list[ProtocolView]]:
    contents = RunContents(run)
    return contents, views(contents, evaluate_contents(contents))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunContents, list[ProtocolView]]:
    folder = tmp_path_factory.mktemp("run")
    protocols = ["cross-forgery", "robustness"]
    return lay_out(make_run(folder, protocols=protocols, detectors=["mfclip", "xception"]))


def test_figures_drawn_twice_have_the_same_bytes(
    small: tuple[RunContents, list[ProtocolView]],
) -> None:
    contents, (matrix, damage) = small
    models = [model for model in contents.models.values() if model.detector == "mfclip"]
    drawers: list[Callable[[], Picture | None]] = [
        lambda: heat_map(matrix),
        lambda: roc_curves(matrix, contents),
        lambda: robustness_curves(damage),
        lambda: training_curves("mfclip", models),
    ]
    for draw in drawers:
        first, second = draw(), draw()
        assert first is not None
        assert first == second
        assert b"<dc:date>" not in first.svg
        assert b"Software" not in first.png


@pytest.mark.parametrize("number", [1, 12])
def test_a_matrix_of_any_size_fits_the_page(tmp_path: Path, number: int) -> None:
    generators = [
        Generator(f"A-long-name-of-a-generator-{i}", "EFS", "GAN", "src", 12) for i in range(number)
    ]
    samples = fake_samples(generators, {"src": 12})
    _, (view,) = lay_out(
        make_run(tmp_path, samples=samples, protocols=["cross-generator"], detectors=["xception"])
    )
    picture = heat_map(view)
    with Image.open(io.BytesIO(picture.png)) as image:
        assert image.width <= WIDTH * 150 + 1
        # Ink at the very edge is a label that was cut off.
        border = np.asarray(image.convert("L"))
        edges = [border[0], border[-1], border[:, 0], border[:, -1]]
    assert min(edge.min() for edge in edges) == 255


def test_no_roc_figure_is_made_without_two_classes(tmp_path: Path) -> None:
    samples = fake_samples([Generator("G", "EFS", "GAN", "fakes", 8)], {"reals": 8})
    contents, (view,) = lay_out(
        make_run(tmp_path, samples=samples, protocols=["cross-dataset"], detectors=["xception"])
    )
    assert roc_curves(view, contents) is None


def test_a_mean_curve_is_the_vertical_mean() -> None:
    perfect = ([0, 0, 1, 1], [0.0, 1.0, 2.0, 3.0])
    reversed_ = ([0, 0, 1, 1], [3.0, 2.0, 1.0, 0.0])
    fpr, tpr = mean_roc([perfect, reversed_])
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)
    assert np.allclose(tpr[1:-1], 0.5)
    assert mean_roc([perfect]).tpr.tolist() == roc(*perfect).tpr.tolist()


def test_a_short_name_keeps_both_ends() -> None:
    assert short("StyleGAN") == "StyleGAN"
    shortened = short("a-very-long-generator-name-v2.5")
    assert len(shortened) == 22
    assert shortened.startswith("a-very")
    assert shortened.endswith("v2.5")
