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

from leaderboard.drawing import WIDTH
from leaderboard.view import Contender, ProtocolView, Result, counted

Colour = tuple[float, float, float]
Dashes = Literal["-", "--", "-.", ":"]
_MARKERS = "osD^vPX*<>"
_DASHES: tuple[Dashes, ...] = ("-", "--", "-.", ":")
Key = TypeVar("Key", bound=Hashable)


class Style(NamedTuple):
    """How one of several lines is told from the others, in print without colour too."""

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


def colours(number: int) -> list[Colour]:
    """Give colours that most colour-blind readers tell apart."""
    if number <= 8:
        return list(sns.color_palette("colorblind", 8))[:number]
    # Without its last tenth, which is too light for lines on white.
    return [(r, g, b) for r, g, b, _ in mpl.colormaps["viridis"](np.linspace(0, 0.9, number))]


def styles(keys: Sequence[Key]) -> dict[Key, Style]:
    """Give each of some things a colour, a marker and a kind of line."""
    looks = zip(colours(len(keys)), cycle(_MARKERS), cycle(_DASHES), strict=False)
    return {key: Style(*look) for key, look in zip(keys, looks, strict=False)}


def contender_keys(contenders: Sequence[Contender], *, line: bool = True) -> list[Line2D]:
    """Explain colours and markers, on a line or alone."""
    return [
        Line2D(
            [], [], color=look.colour, marker=look.marker, markersize=5, label=contender.label,
            linestyle="-" if line else "",
        )
        for contender, look in styles(contenders).items()
    ]  # fmt: skip


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


def apart(heights: Sequence[float], gap: float) -> list[float]:
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


def measured(view: ProtocolView, contender: Contender) -> list[Result]:
    """List the cells that speak of a contender on undamaged images: unseen ones where there are.

    Those that may be averaged (``counted``), under the base condition at the headline level, with
    a model and images.
    """
    found = [
        result
        for result in view.of(contender, view.base, view.level)
        if result.record and result.record.n_real + result.record.n_fake
    ]
    return counted([result for result in found if not result.cell.seen] or found)


def which(view: ProtocolView) -> str:
    """Say which cells ``measured`` gives."""
    return (
        "forgeries not seen in training" if view.has(seen=False) else "forgeries seen in training"
    )
