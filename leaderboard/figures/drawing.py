"""How the figures of this house look, and how they become files."""

import hashlib
import io
import re
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from fontTools.ttLib import TTFont
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontEntry, fontManager
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, FuncFormatter
from PIL import Image

from leaderboard.figures.paper import PAPER, is_wanted, paper_pdf
from protocols.text import printable

WIDTH = 10.5  # inches; shown at about 1000 CSS pixels, so 9 points are read as about 12 pixels
_DPI = 150
_SHOWN = 102  # CSS pixels an inch on the page
_BOLD = 0.0094  # inches that a bold letter takes for each point of its size, on average
INK, FAINT = "#222222", "#8a8a8a"
_FACES = {"normal": "DejaVuSans.ttf", "bold": "DejaVuSans-Bold.ttf"}
# What only complex scripts and formulas need; a PDF's fonts take three times as long with it.
_UNUSED = ("GSUB", "GPOS", "GDEF", "MATH")
_STYLE = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.labelsize": 9,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.grid": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.5,
    "svg.hashsalt": "forgerybench",
    "pdf.fonttype": 42,  # whole outlines: publishers refuse Type 3
    "text.parse_math": False,
}
# Nothing of the clock or the software goes into a file.
_FORMATS: Mapping[str, Mapping[str, Any]] = {
    "png": {"dpi": _DPI, "metadata": {"Software": None}},
    "svg": {"metadata": {"Date": None, "Creator": None}},
    "pdf": {"metadata": {"CreationDate": None, "Creator": None, "Producer": None}},
}
# How a figure is written unless it says otherwise.
FORMS: Sequence[str] = tuple(_FORMATS)


class FigureKind(NamedTuple):
    """What all figures of one kind have in common.

    Attributes:
        name: What the kind is called, in the page's style too.
        caption: How to read it; empty where no page shows it.
        heading: What stands above it where it is folded away.
    """

    name: str
    caption: str = ""
    heading: str = ""


class Spot(NamedTuple):
    """A part of a figure that says more when a reader points at it.

    Attributes:
        axis: The panel that it lies in.
        left: Its left edge in the panel's own numbers; ``low`` its lower edge.
        text: What it says.
    """

    axis: Axes
    left: float
    low: float
    width: float
    height: float
    text: str


class Picture(NamedTuple):
    """A figure as files.

    Attributes:
        name: Stem of its files.
        kind: Name of its ``Kind``.
        heading: Its kind's.
        title: What this one is of.
        caption: What stands below it: its kind's, with what holds for this one alone.
        alt: What it shows, in words.
        files: Bytes by ending: ``png`` (150 dots an inch), ``svg``, ``pdf`` and, where that is
            wanted, ``paper.pdf``.
        width: How large the page shows it, in CSS pixels; ``height`` too.
        spots: Left edge, upper edge, width and height of each ``Spot``, as shares of the figure's
            size from its upper left corner, and its text.
    """

    name: str
    kind: str
    heading: str
    title: str
    caption: str
    alt: str
    files: Mapping[str, bytes]
    width: int
    height: int
    spots: tuple[tuple[float, float, float, float, str], ...] = ()

    @property
    def png(self) -> bytes:
        """The file that the page shows."""
        return self.files["png"]

    @property
    def svg(self) -> bytes:
        """The file of lines and letters, for the web."""
        return self.files["svg"]


def shorten(name: str, length: int = 22) -> str:
    """Shorten a name in its middle to fit a figure; tables have it whole."""
    if len(name) <= length:
        return name
    tail = (length - 1) // 2
    return f"{name[: length - 1 - tail]}…{name[-tail:]}"


def panel_title(axis: Axes, name: str, inches: float) -> None:
    """Write a panel's title into so many inches: smaller where it is long, then shortened."""
    room = inches / _BOLD  # letters of one point
    size = min(10.0, max(8.0, room / len(name))) if name else 10.0
    axis.set_title(shorten(name, max(10, int(room / size))), loc="left", fontsize=size)


def file_stem(name: str) -> str:
    """Name a file after something; what is long or cannot stand in it has a hash instead."""
    if re.fullmatch(r"[A-Za-z0-9_-]{1,60}", name):
        return name
    safe = re.sub(r"[^A-Za-z0-9_-]+", "-", name)[:60]
    return safe + hashlib.sha256(name.encode()).hexdigest()[:6]


@contextmanager
def new_figure() -> Iterator[Figure]:
    """Give a figure of this house's style, which holds within and is nobody else's."""
    with mpl.rc_context({**_STYLE, "font.family": _family()}):  # type: ignore[dict-item]
        engine = ConstrainedLayoutEngine(h_pad=0.08, w_pad=0.06)
        yield Figure(figsize=(WIDTH, 3), layout=engine)


@cache
def _family() -> str:
    """Make DejaVu Sans known without the tables that nothing here uses; give its name.

    A PDF embeds every table of its fonts, and the unused ones take most of the time to write it.
    matplotlib finds fonts in one list of the whole process and in no other way, so the smaller
    font is added there once, under a name of its own: no figure but ours is drawn with it.
    """
    folder = tempfile.TemporaryDirectory(prefix="forgerybench-fonts-")
    weakref.finalize(fontManager, folder.cleanup)
    name = "ForgeryBench DejaVu Sans"
    for weight, file in _FACES.items():
        font = TTFont(Path(mpl.get_data_path(), "fonts", "ttf", file), recalcTimestamp=False)
        for table in _UNUSED:
            if table in font:
                del font[table]
        path = Path(folder.name, file)
        font.save(path, reorderTables=False)
        entry = FontEntry(fname=str(path), name=name, weight=weight, size="scalable")
        fontManager.ttflist.append(entry)
    return name


def picture(
    figure: Figure,
    name: str,
    kind: FigureKind,
    title: str,
    alt: str,
    *,
    note: str = "",
    endings: Sequence[str] | None = None,
    spots: Sequence[Spot] = (),
) -> Picture:
    """Write a figure without date and software.

    Args:
        figure: The figure, drawn within ``new_figure``.
        name: Stem of its files.
        kind: What it is.
        title: What this one is of.
        alt: What it shows, in words.
        note: What follows its kind's caption.
        endings: Some of ``FORMS``, PNG among them; None: all.
        spots: What says more when a reader points at it.
    """
    _spell_out(figure)
    # Laid out once. An engine left in place, even an idle one, has every file drawn twice.
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.execute(figure)
    figure.set_layout_engine(None)
    files = {}
    for ending in endings or FORMS:
        buffer = io.BytesIO()
        figure.savefig(buffer, format=ending, **_FORMATS[ending])
        files[ending] = buffer.getvalue()
    if not any(axis.images for axis in figure.axes):
        files["png"] = _few_colours(files["png"])
    width, height = (round(inches * _SHOWN) for inches in figure.get_size_inches())
    placed = tuple(_placed(figure, spot) for spot in spots)
    if "pdf" in files and is_wanted():
        files[PAPER] = paper_pdf(figure, **_FORMATS["pdf"])
    return Picture(
        name=name,
        kind=kind.name,
        heading=kind.heading,
        title=title,
        caption=kind.caption + note,
        alt=alt,
        files=files,
        width=width,
        height=height,
        spots=placed,
    )


def _placed(figure: Figure, spot: Spot) -> tuple[float, float, float, float, str]:
    """Find a spot in a figure that is laid out."""
    corners = [(spot.left, spot.low), (spot.left + spot.width, spot.low + spot.height)]
    place = spot.axis.transData + figure.transFigure.inverted()
    (left, one), (right, other) = place.transform(corners)
    top, height = 1 - max(one, other), abs(other - one)
    shares = (round(float(share), 4) for share in (left, top, right - left, height))
    return (*shares, spot.text)  # type: ignore[return-value]


def drawable(text: str) -> str:
    """Give a text in which every letter has a shape; ``U+6A21`` stands for one that has none.

    The figures' font is the same on every machine and has no Chinese, Japanese or Korean letters:
    a box would stand for each, and two names of them would look alike.
    """
    return "".join(
        sign if sign in "\n\t" or _has_shape(sign) else f"U+{ord(sign):04X}" for sign in text
    )


def _has_shape(sign: str) -> bool:
    """Tell whether a sign is drawn: marks of direction have an empty shape and would stay."""
    return ord(sign) in _shapes() and printable(sign) == sign


@cache
def _shapes() -> frozenset[int]:
    """List the letters that both weights of the figures' font have."""
    known = []
    for file in _FACES.values():
        with TTFont(Path(mpl.get_data_path(), "fonts", "ttf", file)) as font:
            known.append(frozenset(font.getBestCmap()))
    return frozenset.intersection(*known)


def _spell_out(figure: Figure) -> None:
    """Make every text of a figure one that can be drawn, those of ticks too."""
    for axis in (each for axes in figure.axes for each in (axes.xaxis, axes.yaxis)):
        for formatter in (axis.get_major_formatter(), axis.get_minor_formatter()):
            if isinstance(formatter, FixedFormatter):
                formatter.seq = [drawable(text) for text in formatter.seq]
            elif isinstance(formatter, FuncFormatter):
                formatter.func = _then_drawable(formatter.func)
    for text in figure.findobj(Text):
        text.set_text(drawable(text.get_text()))


def _then_drawable(label: Callable[[float, int | None], str]) -> Callable[[float, int | None], str]:
    """Give the labels of some ticks, made drawable."""

    def shown(value: float, position: int | None = None) -> str:
        return drawable(label(value, position))

    return shown


def _few_colours(png: bytes) -> bytes:
    """Write a drawing of lines and letters with 256 colours, a third as large."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        few = image.convert("RGB").quantize(
            256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
        )
    few.save(buffer, format="png", dpi=(_DPI, _DPI))
    return buffer.getvalue()
