"""The heat map of a matrix: training sets x test sets, a panel a detector."""

import math
from typing import Any

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from leaderboard.drawing import FAINT, INK, WIDTH, Picture, new_figure, picture, short
from leaderboard.table import DASH
from leaderboard.view import LOWER_IS_BETTER, Contender, ProtocolView, Result, Test


def heat_map(view: ProtocolView) -> Picture:
    """Draw the matrix of the headline metric, a panel a detector, on one scale around 0.5."""
    name = "vlag_r" if view.metric in LOWER_IS_BETTER else "vlag"
    colours = ScalarMappable(Normalize(0, 1), mpl.colormaps[name])
    columns = _matrix_columns(view)
    with new_figure() as figure:
        keys = _matrix_keys(view)
        width, lines = _size_matrices(figure, view, columns, len(keys))
        grid = figure.subplots(math.ceil(len(view.contenders) / columns), columns, squeeze=False)
        axes = list(grid.ravel()[: len(view.contenders)])
        for index, axis in enumerate(grid.ravel()):
            if index >= len(axes):
                axis.set_visible(False)
                continue
            _matrix(axis, view, view.contenders[index], colours)
            # A longer title would run into the next matrix.
            room = max(10, int(width * len(view.tests) / 0.095))
            axis.set_title(short(view.contenders[index].label, room), loc="left")
            _label_tests(axis, view, width, is_last=index + columns >= len(axes))
            _label_trainings(axis, view, is_first=index % columns == 0)
        bar = figure.colorbar(colours, ax=axes, fraction=0.03, pad=0.015, aspect=25)
        bar.set_label(f"{view.metric} (0.5: chance)")
        bar.outline.set_visible(False)
        figure.legend(handles=keys, loc="outside lower center", ncols=math.ceil(len(keys) / lines))
        alt = f"{view.protocol.title}: {view.metric} of each training set on each test set"
        return picture(figure, f"{view.name}-heat-map", "heat-map", view.protocol.title, alt)


def _matrix_columns(view: ProtocolView) -> int:
    """Tell how many matrices stand side by side: fewer when they are wide, rows evenly filled."""
    fit = 4 if len(view.tests) <= 3 else 3 if len(view.tests) == 4 else 2
    rows = math.ceil(len(view.contenders) / fit)
    return math.ceil(len(view.contenders) / rows)


def _size_matrices(
    figure: Figure, view: ProtocolView, columns: int, n_keys: int
) -> tuple[float, int]:
    """Make the figure as large as its cells need, no larger.

    Returns:
        Width of a cell in inches, and how many lines the legend takes.
    """
    rows = math.ceil(len(view.contenders) / columns)
    names = 0.075 * max(len(short(name)) for name in view.trainings) + 0.4
    side = (WIDTH - names - 1) / columns / len(view.tests) * 0.95
    side = min(side, 1.1)
    height = min(0.44, max(0.3, 3.4 / len(view.trainings))) * len(view.trainings) + 0.35
    longest = max(len(short(test.label)) for test in view.tests)
    below = (0.085 if len(view.tests) > 8 else 0.06) * longest + 0.5
    width = max(6.5, min(WIDTH, columns * len(view.tests) * side * 1.05 + names + 1))
    lines = 1 if width > 9 or n_keys < 3 else 2
    figure.set_size_inches(width, rows * height + below + 0.25 * lines + 0.3)
    return side, lines


def _matrix(axis: Axes, view: ProtocolView, contender: Contender, colours: ScalarMappable) -> None:
    """Draw one matrix: value, seen outline, hatched small cells, a dash where there is none."""
    results = view.of(contender, view.base, view.level)
    many = len(view.tests) > 8
    values = np.full((len(view.trainings), len(view.tests)), np.nan)
    for result in results:
        row, column = view.trainings.index(result.cell.training), view.tests.index(result.test)
        value = result.value(view.metric).value
        _mark(axis, result, (column, row), is_missing=value is None)
        if value is not None:
            values[row, column] = value
            ink = _contrasting(colours, value)
            text = f"{value:.2f}" if many else f"{value:.3f}"
            middle = (column + 0.5, row + 0.5)
            size = 7.5 if many else 9
            axis.text(*middle, text, ha="center", va="center", color=ink, size=size, zorder=3)
    sns.heatmap(
        values,
        ax=axis,
        cmap=colours.get_cmap(),
        norm=colours.norm,
        vmin=0,
        vmax=1,
        cbar=False,
        linewidths=1,
        linecolor="white",
        xticklabels=False,
        yticklabels=False,
    )
    axis.grid(visible=False)
    axis.tick_params(length=0)


def _contrasting(colours: ScalarMappable, value: float) -> str:
    """Give the ink that is read better on a value's colour, by relative luminance (WCAG 2)."""
    colour = np.asarray(colours.get_cmap()(value), dtype=float)[:3]
    light = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    luminance = float(light @ np.array([0.2126, 0.7152, 0.0722]))
    return "white" if luminance < 0.25 else INK


def _label_tests(axis: Axes, view: ProtocolView, width: float, *, is_last: bool) -> None:
    """Name the test sets under the last matrix of a column, slanted where they would collide."""
    if not is_last:
        return
    labels = [_test_label(view, test) for test in view.tests]
    longest = max(len(line) for label in labels for line in label.split("\n"))
    slant: dict[str, Any] = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
    if longest * 0.08 < width:
        slant = {"rotation": 0, "ha": "center"}
    elif len(labels) > 8:
        slant = {"rotation": 90, "ha": "center"}
    axis.set_xticks([column + 0.5 for column in range(len(labels))], labels, **slant)


def _label_trainings(axis: Axes, view: ProtocolView, *, is_first: bool) -> None:
    """Name the training sets beside the first matrix of a row."""
    if is_first:
        axis.set_yticks(
            [row + 0.5 for row in range(len(view.trainings))],
            [short(name) for name in view.trainings],
        )
        axis.set_ylabel("trained on")


def _mark(axis: Axes, result: Result, at: tuple[int, int], *, is_missing: bool) -> None:
    """Draw what a cell is, over its colour."""
    if is_missing:
        axis.add_patch(Rectangle(at, 1, 1, facecolor="#efefef", edgecolor="white", zorder=2))
        axis.text(at[0] + 0.5, at[1] + 0.5, DASH, ha="center", va="center", color=FAINT)
    elif result.small:
        hatch: dict[str, Any] = {"hatch": "///", "edgecolor": "#ffffff80", "linewidth": 0}
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
        return short(test.label)
    more = "…" if len(sizes) > 1 else ""
    pooled = "ᵖ" if any(result.pooled for result in found) else ""
    return f"{short(test.label)}{pooled}\n{sizes[0][0]} + {sizes[0][1]}{more}"


def _matrix_keys(view: ProtocolView) -> list[Patch]:
    """Explain the marks that occur."""
    results = list(view.at(view.base, view.level))
    keys = []
    if any(result.cell.seen for result in results):
        keys.append(Patch(fill=False, edgecolor=INK, linewidth=1.6, label="seen in training"))
    if any(result.small for result in results):
        label = "fewer than 100 of a class: not ranked"
        keys.append(Patch(facecolor="#c9c9c9", hatch="////", edgecolor="white", label=label))
    if any(result.pooled for result in results):
        keys.append(
            Patch(fill=False, linewidth=0, label="ᵖ real images of other sources too: in no mean")
        )
    keys.append(Patch(fill=False, linewidth=0, label="below a test set: real + forged"))
    return keys
