"""The figures of a run, in the order of its page: all that a report has to know of them.

A new figure is a module that draws it and says what it is (``Kind``), a line here, and a test.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from leaderboard.figures.calibration import reliability_pictures
from leaderboard.figures.critical import critical_pictures
from leaderboard.figures.drawing import Picture
from leaderboard.figures.embedding import embedding_pictures
from leaderboard.figures.heatmap import heat_map_pictures
from leaderboard.figures.overlays import overlay_pictures
from leaderboard.figures.robustness import robustness_pictures
from leaderboard.figures.roc import det_pictures, roc_pictures
from leaderboard.figures.scores import score_pictures
from leaderboard.figures.slope import slope_pictures
from leaderboard.figures.tradeoff import tradeoff_pictures
from leaderboard.figures.training import (
    MOST_SHOWN,
    gradient_models,
    training_pictures,
    validation_pictures,
)
from leaderboard.view import Context
from results.run import RunContents

FigurePlace = Literal["above", "below", "folded", "embeddings", "training"]
Given = TypeVar("Given", Context, RunContents)


@dataclass(frozen=True)
class FigureEntry(Generic[Given]):
    """A figure of every protocol that it applies to or of the run, or several of one kind.

    Attributes:
        name: What it is called where the page says that there is none.
        build: Draws it; nothing where the run lacks what it shows. An ``UndefinedError`` of a
            protocol's figure says on the page why there is none.
        place: Where it stands on the page: ``above`` or ``below`` its protocol's tables, or
            ``folded`` away below them; a run's in its section on ``embeddings`` or ``training``.
        applies: Whether the protocol or the run asks for it.
    """

    name: str
    build: Callable[[Given], Sequence[Picture]]
    place: FigurePlace
    applies: Callable[[Given], bool] = lambda _: True


FIGURES: tuple[FigureEntry[Context], ...] = (
    FigureEntry(
        "heat map", heat_map_pictures, "above", applies=lambda context: context.view.is_matrix
    ),
    FigureEntry("chart of seen and unseen forgeries", slope_pictures, "above"),
    FigureEntry(
        "robustness curves",
        robustness_pictures,
        "above",
        applies=lambda context: bool(context.view.damaged),
    ),
    FigureEntry("ROC curves", roc_pictures, "below"),
    FigureEntry("DET curves", det_pictures, "folded"),
    FigureEntry("score histograms", score_pictures, "folded"),
    FigureEntry("reliability diagram", reliability_pictures, "folded"),
    FigureEntry("chart of accuracy against cost", tradeoff_pictures, "folded"),
    FigureEntry("critical-difference diagram", critical_pictures, "folded"),
)
RUN_FIGURES: tuple[FigureEntry[RunContents], ...] = (
    FigureEntry(
        "validation curves",
        validation_pictures,
        "training",
        applies=lambda contents: len(gradient_models(contents)) > MOST_SHOWN,
    ),
    FigureEntry("training curves", training_pictures, "training"),
    FigureEntry("embeddings", embedding_pictures, "embeddings"),
    FigureEntry("overlays", overlay_pictures, "embeddings"),
)
