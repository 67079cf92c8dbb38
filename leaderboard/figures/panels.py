"""What figures share: grids of panels, colours and markers of contenders, legends, labels."""

import math
from collections.abc import Hashable, Sequence
from itertools import cycle
from typing import Literal, NamedTuple, TypeVar

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, NullFormatter
from scipy.optimize import isotonic_regression

from leaderboard.figures.drawing import FAINT, INK, WIDTH, shorten
from leaderboard.view import (
    Contender,
    ProtocolView,
    Result,
    headline_results,
    summarise,
)

Colour = tuple[float, float, float]
Dashes = Literal["-", "--", "-.", ":"]
_MARKERS = "osD^vPX*<>"
_DASHES: tuple[Dashes, ...] = ("-", "--", "-.", ":")
MOST_COLOURS = 8  # as many colours as most colour-blind readers tell apart
_OTHER = (0.74, 0.74, 0.74)
BLUE = "#0173b2"  # the first of seaborn's "colorblind"
LABEL_HEIGHT = 0.17  # inches
Name = TypeVar("Name", bound=Hashable)


class Style(NamedTuple):
    """How one of several lines differs from the others, in print without colour too."""

    colour: Colour
    marker: str
    dashes: Dashes


def panels(figure: Figure, number: int, *, columns: int, height: float, sharey: bool) -> list[Axes]:
    """Make a grid of panels, each ``height`` inches high, and hide those that are not needed."""
    rows = math.ceil(number / columns)
    # A panel alone, or two, are not stretched over the page.
    width = WIDTH if columns > 2 else 4.2 * columns
    figure.set_size_inches(width, rows * height + 0.55)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=sharey).ravel()
    for axis in grid[number:]:
        axis.set_visible(False)
    return list(grid[:number])


def columns_of(number: int, most: int = 4) -> int:
    """Tell how many panels stand side by side, rows evenly filled."""
    return math.ceil(number / math.ceil(number / most))


def label_left(axes: Sequence[Axes], columns: int, label: str) -> None:
    """Label the vertical axis of the first panel of each row."""
    for axis in axes[::columns]:
        axis.set_ylabel(label)


def series_colours(number: int) -> list[Colour]:
    """Give colours that most colour-blind readers tell apart."""
    if number <= MOST_COLOURS:
        # Its eighth is grey, which is for what has no colour of its own; its last takes that place.
        palette = sns.color_palette("colorblind", 10)
        return [*palette[:7], palette[9]][:number]
    # Without its last tenth, which is too light for lines on white.
    return [(r, g, b) for r, g, b, _ in mpl.colormaps["viridis"](np.linspace(0, 0.9, number))]


def styles(keys: Sequence[Name]) -> dict[Name, Style]:
    """Give each of some things a colour, a marker and a kind of line."""
    looks = zip(series_colours(len(keys)), cycle(_MARKERS), cycle(_DASHES), strict=False)
    return {key: Style(*look) for key, look in zip(keys, looks, strict=False)}


def contender_styles(view: ProtocolView) -> dict[Contender, Style]:
    """Give each contender its look.

    Of more than ``MOST_COLOURS`` the best have one, by the mean of the headline metric over
    ``clean_results`` on undamaged images; the others are grey, without a marker.
    """
    if len(view.contenders) <= MOST_COLOURS:
        return styles(view.contenders)
    means = {
        c: summarise(clean_results(view, c), view.metric, strict=False) for c in view.contenders
    }
    sign = -1 if view.headline.higher_is_better else 1
    order = sorted(
        view.contenders,
        key=lambda c: np.inf if means[c].value is None else sign * (means[c].value or 0),
    )
    best = [c for c in view.contenders if c in order[:MOST_COLOURS]]
    looks = styles(best)
    return {c: looks.get(c, Style(_OTHER, "", "-")) for c in view.contenders}


def contender_keys(view: ProtocolView) -> list[Line2D]:
    """Explain colours and markers."""
    looks = contender_styles(view)
    keys = [
        Line2D([], [], color=look.colour, marker=look.marker, markersize=5, label=contender.label)
        for contender, look in looks.items()
        if look.marker
    ]
    others = sum(not look.marker for look in looks.values())
    if others:
        keys.append(Line2D([], [], color=_OTHER, label=f"{others} others, on average worse"))
    return keys


def grey_note(view: ProtocolView) -> str:
    """Say below a figure of ``contender_styles`` why some of its lines are grey, if any are."""
    if len(view.contenders) <= MOST_COLOURS:
        return ""
    return (
        " Coloured are the detectors that are best on average (undamaged images, unseen forgeries "
        "where there are any); tables name the others."
    )


def legend(figure: Figure, keys: Sequence[Line2D]) -> None:
    """Put a legend below the panels, as many entries side by side as fit."""
    width, height = figure.get_size_inches()
    needed = [0.6 + 0.075 * len(str(key.get_label())) for key in keys]
    columns = _most_columns(needed, width)
    lines = math.ceil(len(keys) / columns)
    figure.set_size_inches(width, height + 0.2 * (lines - 1))
    figure.legend(handles=keys, loc="outside lower center", ncols=columns)


def _most_columns(needed: Sequence[float], width: float) -> int:
    """Tell how many columns of a legend fit, filled one by one, each as wide as its widest."""
    for columns in range(len(needed), 1, -1):
        short, long = divmod(len(needed), columns)
        ends = np.cumsum([short + 1] * long + [short] * (columns - long))
        widths = [max(part) for part in np.split(np.asarray(needed), ends[:-1])]
        if sum(widths) <= width:
            return columns
    return 1


def unit_ticks(*sides: Axis) -> None:
    """Write the ticks of logarithmic axes with units: matplotlib's own are formulas."""
    for side in sides:
        side.set_major_formatter(EngFormatter(sep=""))
        side.set_minor_formatter(NullFormatter())


def spread_labels(heights: Sequence[float], gap: float) -> list[float]:
    """Move labels that would collide apart.

    Args:
        heights: Where each would stand.
        gap: How far two must be from each other.

    Returns:
        Where each stands, in the order of ``heights``: the given order up the axis is kept, and
        no two are nearer than ``gap``.
    """
    order = np.argsort(heights, kind="stable")
    placed = np.asarray(heights, dtype=float)[order]
    steps = gap * np.arange(len(placed))
    # The nearest heights that keep order and gap: colliding labels are centred on what they name.
    level = isotonic_regression(placed - steps).x
    found = np.empty(len(placed))
    found[order] = level + steps
    return [float(height) for height in found]


def name_points(axis: Axes, names: Sequence[str], x: Sequence[float], y: Sequence[float]) -> None:
    """Write names in one column on the right, a faint line from each to its point.

    Call it when figure size, scales and limits of the axes are set.

    Args:
        axis: Panel with the points; its limits are widened to hold the names.
        names: What the points are; long ones are shortened.
        x: Where each point is, along the axis below.
        y: The same along the axis at the left.
    """
    room = axis.get_subplotspec().get_gridspec().nrows  # type: ignore[union-attr]
    inches = float(axis.figure.get_size_inches()[1]) / room - 1.1  # type: ignore[union-attr]
    place = axis.transData + axis.transAxes.inverted()
    at = place.transform(np.column_stack([x, y]))
    # Of two at one height the one farther right stands lower: no line crosses another.
    order = np.lexsort((-at[:, 0], at[:, 1]))
    heights = spread_labels(list(at[order, 1]), LABEL_HEIGHT / inches)
    if min(heights) < 0 or max(heights) > 1:  # too many at one height: evenly, from end to end
        heights = list(np.linspace(0, 1, len(order)))
    line = {
        "arrowstyle": "-", "color": FAINT, "linewidth": 0.5, "shrinkA": 2, "shrinkB": 4,
        "relpos": (0, 0.5),
    }  # fmt: skip
    for index, height in zip(order, heights, strict=True):
        axis.annotate(
            shorten(names[index], 30), (x[index], y[index]), xytext=(1.04, height),
            textcoords="axes fraction", va="center", fontsize=8.5, color=INK, arrowprops=line,
        )  # fmt: skip


def clean_results(view: ProtocolView, contender: Contender) -> list[Result]:
    """List the cells that speak of a contender on undamaged images: unseen ones where there are.

    Those that may be averaged (``headline_results``), under the base condition at the headline
    level, with a model and images.
    """
    found = [
        result
        for result in view.of(contender, view.base, view.level)
        if result.record and result.record.n_real + result.record.n_fake
    ]
    return headline_results([result for result in found if result.cell.seen is False] or found)


def clean_results_text(view: ProtocolView) -> str:
    """Say which cells ``clean_results`` gives."""
    return (
        "forgeries not seen in training" if view.has(seen=False) else "forgeries seen in training"
    )
