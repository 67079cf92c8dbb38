"""The heat map of a matrix: training sets x test sets, a panel a detector."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from leaderboard.figures.drawing import (
    FAINT,
    INK,
    WIDTH,
    FigureKind,
    Picture,
    Spot,
    new_figure,
    panel_title,
    picture,
    shorten,
)
from leaderboard.tables.cells import cell_text
from leaderboard.tables.table import DASH
from leaderboard.view import FEW_TELLS, Contender, Context, ProtocolView, Result, Test
from protocols import ELSEWHERE
from results.metrics.registry import Metric
from results.rounding import rounded

_KIND = FigureKind(
    "heat-map", caption="All on one colour scale; white is chance where the scale names it."
)
_MANY = 8  # matrices; more are drawn smaller, with two decimals
_HATCH = 0.38  # opacity: to be seen on every colour, and to leave the number readable


class _Panel(NamedTuple):
    """One matrix: its title, and the name, contender and training set of each row."""

    title: str
    rows: tuple[tuple[str, Contender, str], ...]


def heat_map_pictures(context: Context) -> list[Picture]:
    """Draw the matrix of the headline metric on one scale, around chance where it has such a value.

    A panel a detector, a row a training set; with one training set a row a detector.
    """
    view = context.view
    colours = _colours(view)
    drawn = _panels(view)
    columns = _matrix_columns(view, len(drawn))
    with new_figure() as figure:
        keys = _matrix_keys(view)
        width, lines = _size_matrices(figure, view, drawn, columns, keys)
        grid = figure.subplots(math.ceil(len(drawn) / columns), columns, squeeze=False)
        axes = list(grid.ravel())
        spots: list[Spot] = []
        for index, axis in enumerate(axes):
            if index >= len(drawn):
                axis.set_axis_off()
                continue
            spots += _matrix(axis, view, drawn[index], colours)
            # A longer title would run into the next matrix.
            panel_title(axis, drawn[index].title, width * len(view.tests))
            under = None
            if index + columns >= len(axes):
                under = axis
            elif index + columns >= len(drawn):
                under = axes[index + columns]
            if under is not None:
                _label_tests(axis, view, width, under)
            _label_rows(axis, drawn[index], is_first=index % columns == 0)
        # As high as it needs to be read, however many matrices there are.
        rows = len(axes) // columns
        bar = figure.colorbar(
            colours, ax=axes, fraction=0.03, pad=0.015, aspect=25, anchor=(0, 1),
            shrink=min(1, 3 / rows),
        )  # fmt: skip
        white = _white(view.headline)
        bar.set_label(view.metric if white is None else f"{view.metric} ({white:g}: chance)")
        bar.outline.set_visible(False)
        figure.legend(handles=keys, loc="outside lower center", ncols=math.ceil(len(keys) / lines))
        alt = f"{view.protocol.title}: {view.metric} of each training set on each test set"
        name = f"{view.name}-heat-map"
        return [picture(figure, name, _KIND, view.protocol.title, alt, spots=spots)]


def _white(metric: Metric) -> float | None:
    """Give the value that is white since it is chance; None where a scale has no such middle."""
    return metric.chance if metric.is_bounded else None


def _colours(view: ProtocolView) -> ScalarMappable:
    """Give the colours of values: white is chance, red better; without chance white is worst."""
    metric, white = view.headline, _white(view.headline)
    shown = [result.value(view.metric).value for result in view.at(view.base, view.level)]
    known = [value for value in shown if value is not None]
    low, high = (
        end if math.isfinite(end) else extreme(known, default=0.0)
        for end, extreme in zip(metric.bounds, (min, max), strict=True)
    )
    name = "Reds" if white is None else "vlag"
    norm = Normalize(low, high)
    if white is not None and white != (low + high) / 2:
        norm = TwoSlopeNorm(white, low, high)
    return ScalarMappable(norm, mpl.colormaps[name if metric.higher_is_better else f"{name}_r"])


def _panels(view: ProtocolView) -> list[_Panel]:
    """Lay the matrices out."""
    if len(view.trainings) == 1 and len(view.contenders) > 1:
        (training,) = view.trainings
        rows = tuple((contender.label, contender, training) for contender in view.contenders)
        is_known = training != ELSEWHERE
        return [_Panel(f"trained on {training}" if is_known else training, rows)]
    return [
        _Panel(who.label, tuple((t, who, t) for t in view.trainings_of(who)))
        for who in view.contenders
    ]


def _matrix_columns(view: ProtocolView, number: int) -> int:
    """Tell how many matrices stand side by side: fewer when they are wide, rows evenly filled."""
    fit = 4 if len(view.tests) <= 3 else 3 if len(view.tests) == 4 else 2
    if number > _MANY:
        fit = max(2, min(4, 26 // len(view.tests)))
    rows = math.ceil(number / fit)
    return math.ceil(number / rows)


def _size_matrices(
    figure: Figure, view: ProtocolView, drawn: Sequence[_Panel], columns: int, keys: Sequence[Patch]
) -> tuple[float, int]:
    """Make the figure as large as its cells need, no larger.

    Returns:
        Width of a cell in inches, and how many lines the legend takes.
    """
    rows = math.ceil(len(drawn) / columns)
    named = [name for name, _, _ in drawn[0].rows]
    names = 0.075 * max(len(shorten(name)) for name in named) + 0.4
    side = (WIDTH - names - 1) / columns / len(view.tests) * 0.95
    side = min(side, 1.1)
    least, most = (0.22, 0.22) if len(drawn) > _MANY else (0.3, 0.44)
    height = min(most, max(least, 3.4 / len(named))) * len(named) + 0.35
    longest = max(len(shorten(test.label)) for test in view.tests)
    below = (0.085 if len(view.tests) > 8 else 0.06) * longest + 0.5
    width = max(6.5, min(WIDTH, columns * len(view.tests) * side * 1.05 + names + 1))
    fits = (n for n in range(1, len(keys)) if _legend_width(keys, n) < width)
    lines = next(fits, len(keys))
    figure.set_size_inches(width, rows * height + below + 0.25 * lines + 0.3)
    return side, lines


def _legend_width(keys: Sequence[Patch], lines: int) -> float:
    """Estimate the width in inches of a legend that is filled column by column."""
    lengths = [len(str(key.get_label())) for key in keys]
    longest = [max(lengths[start : start + lines]) for start in range(0, len(lengths), lines)]
    return sum(0.075 * length + 0.6 for length in longest)


def _matrix(axis: Axes, view: ProtocolView, drawn: _Panel, colours: ScalarMappable) -> list[Spot]:
    """Draw one matrix: value, seen outline, hatched small cells, a dash where there is none.

    Returns:
        What each cell says when a reader points at it.
    """
    spots = []
    many = len(view.tests) > 8 or len(view.contenders) > _MANY
    values = np.full((len(drawn.rows), len(view.tests)), np.nan)
    for row, (_, contender, training) in enumerate(drawn.rows):
        for result in view.of(contender, view.base, view.level):
            if result.cell.training != training:
                continue
            column = view.tests.index(result.test)
            value = result.value(view.metric).value
            ink = FAINT if value is None else _contrasting(colours, value)
            _mark(axis, result, (column, row), ink, is_missing=value is None)
            spots.append(Spot(axis, column, row, 1, 1, cell_text(result, view.metric)))
            if value is None:
                continue
            values[row, column] = value
            axis.text(
                column + 0.5, row + 0.5, rounded(value, 2 if many else 3),
                ha="center", va="center", color=ink,
                size=7.5 if many else 9, zorder=3,
            )  # fmt: skip
    sns.heatmap(
        values,
        ax=axis,
        cmap=colours.get_cmap(),
        norm=colours.norm,
        vmin=colours.norm.vmin,
        vmax=colours.norm.vmax,
        cbar=False,
        linewidths=1,
        linecolor="white",
        xticklabels=False,
        yticklabels=False,
    )
    axis.grid(visible=False)
    axis.tick_params(length=0)
    return spots


def _contrasting(colours: ScalarMappable, value: float) -> str:
    """Give the ink that is read better on a value's colour, by relative luminance (WCAG 2)."""
    colour = np.asarray(colours.to_rgba(np.array([value])), dtype=float)[0, :3]
    light = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    luminance = float(light @ np.array([0.2126, 0.7152, 0.0722]))
    return "white" if luminance < 0.25 else INK


def _label_tests(axis: Axes, view: ProtocolView, width: float, under: Axes) -> None:
    """Name the test sets under a matrix, slanted where they would collide.

    ``under`` is the matrix itself, or the empty place below it, which the names are written into
    so that they push no other matrix away.
    """
    labels = [_test_label(view, test) for test in view.tests]
    longest = max(len(line) for label in labels for line in label.split("\n"))
    slant: dict[str, Any] = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
    if longest * 0.08 < width:
        slant = {"rotation": 0, "ha": "center"}
    elif width < 0.45:  # two slanted lines need as much
        slant = {"rotation": 90, "ha": "center"}
    middles = [column + 0.5 for column in range(len(labels))]
    if under is axis:
        axis.set_xticks(middles, labels, **slant)
        return
    under.set_xlim(axis.get_xlim())
    for middle, label in zip(middles, labels, strict=True):
        text = under.text(
            middle, 1.1, label, va="top", fontsize=8.5, transform=under.get_xaxis_transform(),
            **slant,
        )  # fmt: skip
        text.set_in_layout(False)


def _label_rows(axis: Axes, drawn: _Panel, *, is_first: bool) -> None:
    """Name the rows beside the first matrix of a row of matrices."""
    if is_first:
        middles = [row + 0.5 for row in range(len(drawn.rows))]
        axis.set_yticks(middles, [shorten(name) for name, _, _ in drawn.rows])
        if len({who for _, who, _ in drawn.rows}) == 1:
            axis.set_ylabel("trained on")


def _mark(axis: Axes, result: Result, at: tuple[int, int], ink: str, *, is_missing: bool) -> None:
    """Draw what a cell is, over its colour, in an ink that stands out from it."""
    if is_missing:
        axis.add_patch(Rectangle(at, 1, 1, facecolor="#efefef", edgecolor="white", zorder=2))
        axis.text(at[0] + 0.5, at[1] + 0.5, DASH, ha="center", va="center", color=FAINT)
    elif result.small:
        hatch: dict[str, Any] = {"hatch": "///", "edgecolor": (ink, _HATCH), "linewidth": 0}
        axis.add_patch(Rectangle(at, 1, 1, fill=False, zorder=2, **hatch))
    if result.cell.seen:
        inset = (at[0] + 0.02, at[1] + 0.02)
        axis.add_patch(
            Rectangle(inset, 0.96, 0.96, fill=False, edgecolor=INK, linewidth=1.6, zorder=2.5)
        )


def _test_label(view: ProtocolView, test: Test) -> str:
    """Name a test set and how many real and forged samples it has."""
    found = [r for r in view.at(view.base, view.level) if r.test == test and r.record]
    sizes = sorted({(r.record.n_real, r.record.n_fake) for r in found if r.record})
    if not sizes:
        return shorten(test.label)
    more = "…" if len(sizes) > 1 else ""
    pooled = "ᵖ" if any(result.pooled for result in found) else ""
    return f"{shorten(test.label)}{pooled}\n{sizes[0][0]} + {sizes[0][1]}{more}"


def _matrix_keys(view: ProtocolView) -> list[Patch]:
    """Explain the marks that occur."""
    results = list(view.at(view.base, view.level))
    keys = []
    if any(result.cell.seen for result in results):
        keys.append(Patch(fill=False, edgecolor=INK, linewidth=1.6, label="seen in training"))
    if any(result.small for result in results):
        label = f"{FEW_TELLS}: not ranked"
        keys.append(Patch(facecolor="#f2f2f2", hatch="////", edgecolor=(INK, _HATCH), label=label))
    if any(result.pooled for result in results):
        keys.append(
            Patch(fill=False, linewidth=0, label="ᵖ real images of other sources too: in no mean")
        )
    keys.append(Patch(fill=False, linewidth=0, label="below a test set: real + forged"))
    return keys
