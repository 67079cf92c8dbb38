"""Figures for a paper: as wide as a column or two, text of 7 to 8 points, nothing covered."""

import re
from typing import Any

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from leaderboard.figures import paper
from leaderboard.figures.drawing import Picture, new_figure
from leaderboard.figures.heatmap import heat_map_pictures
from leaderboard.figures.paper import PAPER, paper_figures, paper_pdf
from leaderboard.figures.robustness import robustness_pictures
from leaderboard.figures.slope import slope_pictures
from leaderboard.view import Context
from tests.fake_run import contexts, make_run

pytestmark = pytest.mark.usefixtures("every_form")


@pytest.fixture(scope="module")
def of_run(tmp_path_factory: pytest.TempPathFactory) -> list[Context]:
    run = make_run(
        tmp_path_factory.mktemp("run"), protocols=["cross-forgery", "robustness-basic"],
        detectors=["mfclip", "spectrum"],
    )  # fmt: skip
    return contexts(run)


def points(pdf: bytes) -> float:
    found = re.search(rb"/MediaBox \[ 0 0 ([0-9.]+) ", pdf)
    assert found is not None
    return float(found[1])


def drawn(of_run: list[Context]) -> list[Picture]:
    forgery, damage = of_run
    return [
        *heat_map_pictures(forgery), *slope_pictures(forgery), *robustness_pictures(damage)
    ]  # fmt: skip


def test_figures_are_written_for_a_paper_where_that_is_wanted(of_run: list[Context]) -> None:
    plain = drawn(of_run)
    with paper_figures():
        both = drawn(of_run)
    assert not any(PAPER in picture.files for picture in plain)
    for left, right in zip(plain, both, strict=True):
        assert right.files.items() >= left.files.items(), "the other forms stay as they are"
        width = points(right.files[PAPER])
        assert width == pytest.approx(243, abs=1) or width == pytest.approx(506, abs=3)
    assert points(both[1].files[PAPER]) == pytest.approx(243, abs=1)


def test_every_text_is_of_seven_to_eight_points_and_within(
    of_run: list[Context], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def spied(figure: Figure, **options: Any) -> bytes:
        made = paper_pdf(figure, **options)
        texts = [t for t in figure.findobj(Text) if isinstance(t, Text) and t.get_text().strip()]
        seen.append(({float(t.get_fontsize()) for t in texts}, paper._is_within(figure)))
        return made

    monkeypatch.setattr("leaderboard.figures.drawing.paper_pdf", spied)
    with paper_figures():
        drawn(of_run)
    assert len(seen) == 3
    for sizes, within in seen:
        assert min(sizes) >= 7.0
        assert max(sizes) <= 8.0
        assert within


def test_two_columns_are_taken_where_one_would_cover_text() -> None:
    with new_figure() as figure:
        figure.set_size_inches(10, 3)
        axis = figure.subplots()
        for at in range(12):
            axis.text(at / 12, 0.5, f"0.{100 + at}")
        figure.get_layout_engine().execute(figure)  # type: ignore[union-attr]
        assert points(paper_pdf(figure)) == pytest.approx(504, abs=1)
