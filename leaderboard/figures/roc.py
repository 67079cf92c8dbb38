"""How detections and false alarms trade: ROC and DET curves, a panel a test set."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.special import ndtri

from leaderboard.figures.drawing import (
    FAINT,
    INK,
    WIDTH,
    FigureKind,
    Picture,
    new_figure,
    panel_title,
    picture,
)
from leaderboard.figures.panels import (
    columns_of,
    contender_keys,
    contender_styles,
    grey_note,
    label_left,
    legend,
    panels,
)
from leaderboard.view import Contender, Context, ProtocolView, Result
from results.metrics.checking import Floats
from results.metrics.functions import roc
from results.metrics.roc import Roc
from results.run import RunContents

_ROC = FigureKind(
    "roc",
    caption="Of several models, the mean of their curves at each rate of false alarms.",
    heading="ROC curves",
)
_DET = FigureKind(
    "det",
    caption=(
        "DET: both errors, low rates drawn large; nearer to the lower left is better, the dotted "
        "diagonals are chance and equal errors. Of several models, the mean of their ROC curves."
    ),
    heading="Errors against each other",
)
_Line = tuple[Literal["-", "--", ":"], float]
_MARKS = 0.28  # of a panel's diagonal, from marker to marker
_DET_TICKS = (0.001, 0.01, 0.05, 0.2, 0.5, 0.8)
_DET_HIGH = 0.9
Draw = Callable[[Axes, Roc, dict[str, object]], None]


class MeanCurve(NamedTuple):
    """The mean ROC curve of a contender's models on one test set.

    Attributes:
        seen: Whether they had seen its forgeries in training; None where that is not known.
        curve: ``leaderboard.figures.roc.mean_roc``.
        n_real: Images (videos at level video); ``n_fake`` likewise.
        models: How many models it is of.
    """

    test: str
    contender: Contender
    seen: bool | None
    curve: Roc
    n_real: int
    n_fake: int
    models: int


def mean_curves(context: Context) -> list[MeanCurve]:
    """Give the curves that both figures draw, under the base condition at the headline level.

    Returns:
        One for each test set, contender and "seen in training or not"; none where no cell has
        both classes.
    """
    view, contents = context.view, context.contents
    cells: dict[tuple[str, Contender, bool | None], list[Result]] = {}
    for result in view.at(view.base, view.level):
        if result.record and result.record.n_real and result.record.n_fake:
            key = (result.test.label, result.contender, result.cell.seen)
            cells.setdefault(key, []).append(result)
    found = []
    for key, results in cells.items():
        record = results[-1].record
        assert record is not None
        curve = mean_roc([_scored(contents, result) for result in results])
        found.append(MeanCurve(*key, curve, record.n_real, record.n_fake, len(results)))
    return found


def roc_pictures(context: Context) -> list[Picture]:
    """Draw ROC curves of ``mean_curves``, where there is one."""
    view, curves = context.view, context.shared(mean_curves)
    if not curves:
        return []

    def draw(axis: Axes, curve: Roc, look: dict[str, object]) -> None:
        axis.plot(*curve, **look)  # type: ignore[arg-type]

    with new_figure() as figure:
        axes = _panels(figure, view, curves, draw, sizes_at=(0.98, 0.03))
        for axis in axes:
            axis.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, linestyle=":", zorder=1)
            axis.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
            for set_ticks in (axis.set_xticks, axis.set_yticks):
                set_ticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])
        _label(axes, f"real {view.level}s called fake", f"forged {view.level}s called fake")
        alt = f"{view.protocol.title}: ROC curves by test set and detector"
        title, note = view.protocol.title, grey_note(view)
        return [picture(figure, f"{view.name}-roc", _ROC, title, alt, note=note)]


def det_pictures(context: Context) -> list[Picture]:
    """Draw DET curves: both error rates as normal deviates, so that low ones have room.

    Source: Martin et al., "The DET curve in assessment of detection task performance", 1997.
    """
    view, curves = context.view, context.shared(mean_curves)
    if not curves:
        return []
    # Below one image of the largest class a curve has no point.
    low = 0.5 / max(max(curve.n_real, curve.n_fake) for curve in curves)
    low = min(max(low, 0.0005), 0.005)

    def draw(axis: Axes, curve: Roc, look: dict[str, object]) -> None:
        axis.plot(deviates(curve.fpr), deviates(1 - curve.tpr), **look)  # type: ignore[arg-type]

    ends = ndtri([low, _DET_HIGH])
    ticks = [tick for tick in _DET_TICKS if tick >= low]
    with new_figure() as figure:
        axes = _panels(figure, view, curves, draw, sizes_at=(0.98, 0.94))
        for axis in axes:
            axis.plot(ends, ends, color=FAINT, linewidth=0.8, linestyle=":", zorder=1)
            axis.plot(ends, -ends, color=FAINT, linewidth=0.8, linestyle=":", zorder=1)
            axis.set(xlim=ends, ylim=ends)
            for set_ticks in (axis.set_xticks, axis.set_yticks):
                set_ticks(ndtri(ticks), [f"{100 * tick:g}" for tick in ticks])
        _label(axes, f"real {view.level}s called fake, %", f"forged {view.level}s missed, %")
        alt = f"{view.protocol.title}: DET curves by test set and detector"
        title, note = view.protocol.title, grey_note(view)
        return [picture(figure, f"{view.name}-det", _DET, title, alt, note=note)]


def deviates(rates: npt.ArrayLike) -> Floats:
    """Give the normal deviates of rates in [0, 1]; those of 0 and 1 lie out of every figure."""
    tiny = 1e-9
    return np.asarray(ndtri(np.clip(rates, tiny, 1 - tiny)))


def _panels(
    figure: Figure,
    view: ProtocolView,
    curves: Sequence[MeanCurve],
    draw: Draw,
    *,
    sizes_at: tuple[float, float],
) -> list[Axes]:
    """Draw a panel a test set: solid for what was not seen in training, dashed for what was.

    How many images there are stands in the corner at ``sizes_at``, where the worst curves are.
    """
    tests = list(dict.fromkeys(curve.test for curve in curves))
    both = {curve.seen for curve in curves} >= {True, False}
    plain: _Line = ("-", 1.7)
    lines: dict[bool | None, _Line] = {False: plain, True: ("--", 1.0) if both else plain}
    lines[None] = (":", 1.7) if len({curve.seen for curve in curves}) > 1 else plain
    looks, columns = contender_styles(view), columns_of(len(tests))
    height = min(WIDTH / columns, 4) + 0.3
    axes = panels(figure, len(tests), columns=columns, height=height, sharey=True)
    for curve in curves:
        axis, look, (dashes, width) = (
            axes[tests.index(curve.test)], looks[curve.contender], lines[curve.seen]
        )  # fmt: skip
        # Markers of one contender start where those of another do not.
        start = _MARKS * (view.contenders.index(curve.contender) + 1) / (len(looks) + 1)
        line: dict[str, object] = {"color": look.colour, "linestyle": dashes, "linewidth": 0.7}
        if look.marker:
            line |= {
                "linewidth": width, "marker": look.marker, "markersize": 4,
                "markevery": (start, _MARKS), "zorder": 3,
            }  # fmt: skip
        draw(axis, curve.curve, line)
        panel_title(axis, curve.test, figure.get_size_inches()[0] / columns - 0.4)
        axis.set_box_aspect(1)
    for axis, test in zip(axes, tests, strict=True):
        last = [curve for curve in curves if curve.test == test][-1]
        text = f"{last.n_real} real, {last.n_fake} forged"
        axis.text(*sizes_at, text, ha="right", color=FAINT, fontsize=8, transform=axis.transAxes)
    legend(figure, _keys(view, curves, lines))
    return axes


def _keys(
    view: ProtocolView, curves: Sequence[MeanCurve], lines: dict[bool | None, _Line]
) -> list[Line2D]:
    """Explain colours, markers and lines."""
    keys = contender_keys(view)
    said = {False: "not seen in training", True: "seen in training", None: "trained elsewhere"}
    there = {curve.seen for curve in curves}
    for seen, text in ((seen, text) for seen, text in said.items() if seen in there):
        dashes, width = lines[seen]
        keys.append(Line2D([], [], color=INK, linestyle=dashes, linewidth=width, label=text))
    return keys


def _label(axes: Sequence[Axes], below: str, left: str) -> None:
    """Label the last panel of each column and the first of each row."""
    columns = columns_of(len(axes))
    for axis in axes[-columns:]:
        axis.set_xlabel(below)
    label_left(axes, columns, left)


def _scored(contents: RunContents, result: Result) -> tuple[np.ndarray, np.ndarray]:
    """Give labels and scores of a cell that has a model."""
    assert result.model is not None
    scored = contents.scored(result.model.id, result.cell)
    return scored.labels, scored.scores


_GRID = 501


def mean_roc(cells: Sequence[tuple[npt.ArrayLike, npt.ArrayLike]]) -> Roc:
    """Average ROC curves vertically: the mean TPR at each FPR, of models on equal footing.

    Scores of different models are never pooled into one curve.

    Args:
        cells: Labels and scores of each, both classes present.

    Returns:
        The full curve of a single cell; otherwise 501 points at equal steps of FPR after (0, 0).
    """
    curves = [roc(labels, scores) for labels, scores in cells]
    if len(curves) == 1:
        return curves[0]
    grid = np.linspace(0, 1, _GRID)
    mean: Floats = np.mean([_heights(curve, grid) for curve in curves], axis=0)
    return Roc(np.insert(grid, 0, 0.0), np.insert(mean, 0, 0.0))


def _heights(curve: Roc, grid: Floats) -> Floats:
    """Read a curve at FPRs; where it rises straight up, its upper end counts."""
    left = np.searchsorted(curve.fpr, grid, side="right") - 1
    right = np.minimum(left + 1, len(curve.fpr) - 1)
    width = curve.fpr[right] - curve.fpr[left]
    way = np.divide(grid - curve.fpr[left], width, out=np.zeros_like(grid), where=width > 0)
    heights: Floats = curve.tpr[left] + way * (curve.tpr[right] - curve.tpr[left])
    return heights
