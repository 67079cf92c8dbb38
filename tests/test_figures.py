"""Figures: the same bytes again, the numbers that were measured, no place for surprises."""

import io
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from PIL import Image

from leaderboard.figures.drawing import (
    WIDTH,
    FigureKind,
    Picture,
    new_figure,
    panel_title,
    picture,
    shorten,
)
from leaderboard.figures.heatmap import heat_map_pictures
from leaderboard.figures.panels import MOST_COLOURS, clean_results, contender_keys, contender_styles
from leaderboard.figures.registry import FIGURES, RUN_FIGURES
from leaderboard.figures.robustness import robustness_pictures
from leaderboard.figures.roc import det_pictures, mean_curves, mean_roc, roc_pictures
from leaderboard.figures.slope import slope_pictures
from leaderboard.figures.tradeoff import tradeoff_pictures
from leaderboard.view import Context, summarise
from protocols import load_protocol
from results.metrics.functions import roc
from results.schema import Value
from results.statistics.joint import Bootstrap
from tests.fake_run import Generator, contexts, fake_samples, make_run

pytestmark = pytest.mark.usefixtures("every_form")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Context]:
    """What every figure but maps of embeddings and overlays can be drawn from."""
    two, eight = (tmp_path_factory.mktemp(name) for name in ("two", "eight"))
    protocols = ["cross-forgery", "robustness-basic"]
    make_run(two, protocols=protocols, detectors=["mfclip", "xception"])
    # Ranks are of three detectors on eight independent test sets.
    samples = fake_samples(
        [Generator(f"G{i}", "EFS", "GAN", f"s{i}", 8) for i in range(8)],
        {f"s{i}": 8 for i in range(8)},
    )
    detectors = ["mfclip", "xception", "spectrum"]
    make_run(eight, samples=samples, protocols=["cross-generator"], detectors=detectors)
    return [*contexts(two), *contexts(eight)]


def drawn(made: list[Context], name: str) -> Picture:
    """Draw the first figure that an entry of the registry stands for, from resamples of its own."""
    if name == "critical-difference diagram":
        made = made[-1:]
    for entry in FIGURES:
        for context in made:
            if entry.name == name and entry.applies(context):
                afresh = replace(context, bootstrap=Bootstrap(context.contents))
                return entry.build(afresh)[0]
    (of_run,) = (entry for entry in RUN_FIGURES if entry.name == name)
    return of_run.build(made[0].contents)[0]


KINDS = {
    "heat map": "heat-map",
    "chart of seen and unseen forgeries": "slope",
    "robustness curves": "curves",
    "ROC curves": "roc",
    "DET curves": "det",
    "score histograms": "scores",
    "reliability diagram": "reliability",
    "chart of accuracy against cost": "cost",
    "critical-difference diagram": "ranks",
    "validation curves": "validation",
    "training curves": "training",
}


@pytest.mark.parametrize(("name", "kind"), KINDS.items(), ids=KINDS.values())
def test_a_figure_drawn_twice_has_the_same_bytes(made: list[Context], name: str, kind: str) -> None:
    first, second = (drawn(made, name) for _ in range(2))
    assert first == second
    assert first.kind == kind
    assert set(first.files) == {"png", "svg", "pdf"}
    assert b"CreationDate" not in first.files["pdf"]
    assert b"<dc:date>" not in first.svg
    assert b"Software" not in first.png


@pytest.mark.parametrize("number", [1, 12])
def test_a_matrix_of_any_size_fits_the_page(tmp_path: Path, number: int) -> None:
    generators = [
        Generator(f"A-long-name-of-a-generator-{i}", "EFS", "GAN", "src", 12) for i in range(number)
    ]
    samples = fake_samples(generators, {"src": 12})
    run = make_run(tmp_path, samples=samples, protocols=["cross-generator"], detectors=["xception"])
    (picture,) = heat_map_pictures(*contexts(run))
    with Image.open(io.BytesIO(picture.png)) as image:
        assert image.width <= WIDTH * 150 + 1
        # Ink at the very edge is a label that was cut off.
        border = np.asarray(image.convert("L"))
        edges = [border[0], border[-1], border[:, 0], border[:, -1]]
    assert min(edge.min() for edge in edges) == 255


def test_no_roc_figure_is_made_without_two_classes(tmp_path: Path) -> None:
    samples = fake_samples([Generator("G", "EFS", "GAN", "fakes", 8)], {"reals": 8})
    run = make_run(tmp_path, samples=samples, protocols=["cross-dataset"], detectors=["xception"])
    (context,) = contexts(run)
    assert mean_curves(context) == []
    assert list(roc_pictures(context)) == list(det_pictures(context)) == []


def test_of_many_detectors_the_best_are_coloured_and_the_others_share_one_grey(
    tmp_path: Path,
) -> None:
    names = [f"d{i}" for i in range(MOST_COLOURS + 3)]
    (context,) = contexts(make_run(tmp_path, protocols=["cross-dataset"], detectors=names))
    view = context.view
    looks = contender_styles(view)
    assert list(looks) == list(view.contenders)
    told = [who for who, look in looks.items() if look.marker]
    assert len(told) == len({looks[who].colour for who in told}) == MOST_COLOURS
    means = {
        who: summarise(clean_results(view, who), view.metric, strict=False).value or 0
        for who in looks
    }
    best, *others = ({means[who] for who in looks if looks[who].marker == m} for m in ("o", ""))
    assert max(others[0]) <= min(best)
    assert len({look.colour for look in looks.values() if not look.marker}) == 1
    assert [key.get_label() for key in contender_keys(view)][-1] == "3 others, on average worse"


def test_detectors_of_one_training_set_are_the_rows_of_one_matrix(tmp_path: Path) -> None:
    samples = fake_samples([Generator("G", "EFS", "GAN", "s", 12)], {"s": 12})
    sizes = []
    for number in (2, 6):
        names = [f"d{i}" for i in range(number)]
        run = make_run(
            tmp_path / str(number), samples=samples, protocols=["cross-generator"], detectors=names
        )
        sizes += heat_map_pictures(*contexts(run))
    assert sizes[0].width == sizes[1].width
    assert 0 < sizes[1].height - sizes[0].height < 60 * 4


def test_lines_are_written_with_few_colours_and_images_as_they_are() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    modes = []
    for is_image in (False, True):
        with new_figure() as figure:
            axis = figure.subplots()
            axis.imshow(pixels) if is_image else axis.plot([0, 1])
            with Image.open(
                io.BytesIO(picture(figure, "n", FigureKind("roc"), "t", "a").png)
            ) as image:
                modes.append(image.mode)
    assert modes == ["P", "RGBA"]


def test_a_mean_curve_is_the_vertical_mean() -> None:
    perfect = ([0, 0, 1, 1], [0.0, 1.0, 2.0, 3.0])
    reversed_ = ([0, 0, 1, 1], [3.0, 2.0, 1.0, 0.0])
    fpr, tpr = mean_roc([perfect, reversed_])
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)
    assert np.allclose(tpr[1:-1], 0.5)
    assert mean_roc([perfect]).tpr.tolist() == roc(*perfect).tpr.tolist()


def test_a_small_cell_is_hatched_in_what_stands_out_from_its_colour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = [Generator(name, "EFS", "GAN", "one", 20) for name in "AB"]
    samples = fake_samples(kinds, {"one": 20})
    run = make_run(tmp_path, samples=samples, protocols=["cross-generator"], detectors=["mfclip"])
    (context,) = contexts(run)
    hatched: list[tuple[float, ...]] = []

    def drawn(figure: Figure, *_: object, **__: object) -> None:
        patches = [patch for axis in figure.axes for patch in axis.patches if patch.get_hatch()]
        hatched.extend(to_rgba(patch.get_edgecolor()) for patch in patches)

    monkeypatch.setattr("leaderboard.figures.heatmap.picture", drawn)
    for value in (0.5, 0.99):
        for result in context.view.results.values():
            assert result.record
            result.record.metrics["AUC"] = Value(value=value)
        heat_map_pictures(context)
    light, dark = hatched[:4], hatched[4:]
    assert len(light) == len(dark) == 4
    assert {sum(ink[:3]) < 1 for ink in light} == {True}, "white on white cannot be seen"
    assert {sum(ink[:3]) == 3 for ink in dark} == {True}
    assert min(ink[3] for ink in hatched) > 0.3


@pytest.mark.parametrize(
    ("metric", "chance", "lower"),
    [
        ("AUC", 0.5, False),
        ("EER", 0.5, True),
        ("FPR@TPR=95%", 0.95, True),
        ("AP", None, False),
        ("log-loss", None, True),
    ],
)
def test_figures_take_chance_and_direction_from_the_metric(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    metric: str,
    chance: float | None,
    lower: bool,
) -> None:
    protocols = [
        load_protocol(name).model_copy(update={"metrics": (metric,)})
        for name in ("cross-forgery", "robustness-basic")
    ]
    made = make_run(tmp_path, protocols=protocols, detectors=["mfclip", "clip-linear"])
    matrix, damage = contexts(made)
    figures: dict[str, Figure] = {}
    for module in ("heatmap", "robustness", "slope", "tradeoff"):
        monkeypatch.setattr(
            f"leaderboard.figures.{module}.picture",
            lambda figure, name, kind, *_, **__: figures.setdefault(kind.name, figure),
        )
    heat_map_pictures(matrix)
    robustness_pictures(damage)
    slope_pictures(matrix)
    tradeoff_pictures(matrix)
    label = metric if chance is None else f"{metric} ({chance:g}: chance)"
    assert figures["heat-map"].axes[-1].get_ylabel() == label
    for axis in figures["curves"].axes:
        dotted = [line.get_ydata() for line in axis.lines if line.get_linestyle() == ":"]
        assert [set(np.ravel(ys)) for ys in dotted] == ([] if chance is None else [{chance}])
    assert chance is not None or not figures["slope"].axes[0].collections
    assert figures["cost"].axes[0].yaxis_inverted() == lower


@pytest.mark.parametrize("length", [5, 26, 90])
def test_a_panels_title_is_shortened_only_where_there_is_no_room(length: int) -> None:
    with new_figure() as figure:
        axis = figure.subplots()
        panel_title(axis, ("Shortcut (file and colour)" * 4)[:length], 2.2)
        title = axis.get_title(loc="left")
    assert ("…" in title) is (length > 26)


def test_a_short_name_keeps_both_ends() -> None:
    assert shorten("StyleGAN") == "StyleGAN"
    shortened = shorten("a-very-long-generator-name-v2.5")
    assert len(shortened) == 22
    assert shortened.startswith("a-very")
    assert shortened.endswith("v2.5")


def test_figures_have_the_same_bytes_in_another_process() -> None:
    code = (
        "import hashlib; from leaderboard.figures.drawing import FigureKind, new_figure, picture\n"
        "with new_figure() as figure:\n"
        "    figure.subplots().plot([0, 1], label='a \N{EN DASH} b'); figure.legend()\n"
        "    drawn = picture(figure, 'n', FigureKind('roc'), 't', 'a')\n"
        "print([hashlib.sha256(drawn.files[e]).hexdigest() for e in sorted(drawn.files)])"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1
