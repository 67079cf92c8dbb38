"""Names of any language in figures: every letter is drawn, or spelt out; no warning."""

import re
import warnings

import pytest

from leaderboard.figures.drawing import FigureKind, drawable, new_figure, picture

pytestmark = pytest.mark.usefixtures("every_form")

NAMES = ["模型", "größe", "한국어", "a\x1bb", "a\u202eb", "\N{GRINNING FACE}"]


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_draws_or_spells_out_every_letter(name: str) -> None:
    with new_figure() as figure, warnings.catch_warnings():
        warnings.simplefilter("error")
        axis = figure.subplots()
        axis.plot([0, 1], [0, 1], label=name)
        axis.set_title(name, fontweight="bold")
        axis.set_xticks([0, 1], [name, name])
        axis.set_yticks([0, 1])
        axis.set_yticklabels([name, name])
        axis.text(0, 0, name)
        axis.legend(title=name)
        axis.set_xlabel(name)
        made = picture(figure, "x", FigureKind("x"), name, name)
    assert set(made.files) == {"png", "svg", "pdf"}
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\u202e]", made.svg.decode())


def test_what_has_no_shape_is_told_by_its_number() -> None:
    assert drawable("模型-1") == "U+6A21U+578B-1"
    assert drawable("a\x1b\u202e") == "aU+001BU+202E"
    assert drawable("größe → 0.5 °ᵖ†\n") == "größe → 0.5 °ᵖ†\n"
