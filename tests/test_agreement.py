"""Others' metrics, blur and JPEG: they do what their page says, and the page is fresh."""

from pathlib import Path

import numpy as np
import pytest

from docs.scripts import agreement
from docs.scripts.agreement import (
    COMPARED,
    PUBLISHED,
    Scored,
    blurred,
    compressed,
    crossing_eer,
    macro_ap,
    metric_table,
    nearest_eer,
    ours,
    pixel_table,
    scored_cells,
)
from results.metrics.functions import eer
from tests.fake_run import make_run

PAGE = Path(__file__).parents[1] / "docs" / "agreement.md"
LABELS = np.array([0, 0, 0, 1, 1, 1])


def test_the_page_has_the_metrics_of_the_published_scores() -> None:
    # After another run is published: make agreement-page
    assert metric_table(scored_cells(PUBLISHED)) in PAGE.read_text(encoding="utf-8")


def test_constant_scores_are_perfect_by_the_nearest_point_alone() -> None:
    constant = np.full(6, 0.3)
    assert nearest_eer(LABELS, constant) == 0
    assert crossing_eer(LABELS, constant) == pytest.approx(0.5)
    assert eer(LABELS, constant) == pytest.approx(0.5)


def test_the_nearest_point_is_one_that_the_curve_keeps() -> None:
    # Points (0, 0), (0, 1/3), (2/3, 1/3), (2/3, 1), (1, 1): the crossing lies at 2/3, none before.
    scores = np.array([0.1, 0.8, 0.8, 0.5, 0.5, 0.9])
    assert eer(LABELS, scores) == pytest.approx(2 / 3)
    assert nearest_eer(LABELS, scores) == pytest.approx(2 / 3)
    # Halfway between two points: the nearest one is at an end of the line, the crossing between.
    tied = np.array([0.1, 0.5, 0.5, 0.5, 0.5, 0.9])
    assert crossing_eer(LABELS, tied) == pytest.approx(eer(LABELS, tied)) == pytest.approx(1 / 3)
    assert abs(nearest_eer(LABELS, tied) - 1 / 3) == pytest.approx(1 / 3)


def test_a_macro_ap_does_not_care_which_class_is_called_fake() -> None:
    scores = np.array([0.1, 0.7, 0.4, 0.5, 0.3, 0.9])
    assert macro_ap(LABELS, scores) == pytest.approx(macro_ap(1 - LABELS, 1 - scores))


def test_cells_are_those_of_a_run_with_both_classes(tmp_path: Path) -> None:
    run = make_run(tmp_path, protocols=["everything"], detectors=["mfclip", "spectrum"])
    cells = scored_cells(run)
    assert {cell.where.partition(",")[0] for cell in cells} == {"mfclip", "spectrum"}
    assert all(len(set(cell.labels.tolist())) == 2 for cell in cells)
    lines = metric_table(cells).splitlines()
    assert len(lines) == 2 + len(COMPARED) + 1
    assert f"| {len(cells)}/{len(cells)} |" in lines[2]


def test_saturated_probabilities_tie_where_logits_do_not() -> None:
    # 30 and 40 are both 1 in float32: the pair counts one half there.
    cell = Scored("here", np.array([0, 1]), np.array([30.0, 40.0]))
    first = metric_table([cell]).splitlines()[2]
    assert "| 0/1 | +0.5000 | +0.5000 | here (1 + 1) |" in first


def test_cutting_off_darkens_and_ours_does_not() -> None:
    face = np.random.default_rng(0).integers(60, 200, (32, 32, 3), dtype=np.uint8)
    mine = ours(face, flip=0.0, blur=1.0, blur_sigma=(1.0, 1.0))
    assert mine.mean() == pytest.approx(face.mean(), abs=0.3)
    assert blurred(face, 1.0).mean() < mine.mean() - 0.5
    assert compressed(face, 90, "OpenCV").shape == compressed(face, 90, "Pillow").shape
    assert np.abs(compressed(face, 30, "Pillow").astype(float) - face).max() > 10
    table = pixel_table([face])
    assert len(table.splitlines()) == 2 + len(agreement.SIGMAS) + 2 * len(agreement.QUALITIES)
