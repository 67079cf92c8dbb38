"""A figure a second time, for a paper: as wide as one column or two, its text of 7 to 8 points."""

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text

PAPER = "paper.pdf"
_ONE_COLUMN, _TWO_COLUMNS = 3.37, 7.0  # inches: 243 and 506 points
_SMALLEST, _LARGEST = 7.0, 8.0  # points
_SHRUNK = 0.82  # of a text's size; of a figure's height beside its width
_LEAST_HEIGHT = 1.6
_wanted: ContextVar[bool] = ContextVar("paper figures are wanted", default=False)


@contextmanager
def paper_figures() -> Iterator[None]:
    """Have every figure that is written within written for a paper too."""
    token = _wanted.set(True)
    try:
        yield
    finally:
        _wanted.reset(token)


def is_wanted() -> bool:
    """Tell whether figures are written for a paper too."""
    return _wanted.get()


def paper_pdf(figure: Figure, **options: Any) -> bytes:
    """Write a figure for a paper; it is changed by that.

    One column is tried first; two are taken where texts would then cover each other.

    Args:
        figure: Laid out, and written in its other forms already.
        options: Of ``savefig``.

    Returns:
        PDF.
    """
    before = _covered(figure)
    width, height = (float(inches) for inches in figure.get_size_inches())
    _shrink_texts(figure)
    for column in (_ONE_COLUMN, _TWO_COLUMNS):
        share = column / width
        tall = max(_LEAST_HEIGHT, height * share ** (_SHRUNK if share < 1 else 0))
        figure.set_size_inches(column, tall)
        _stack_legends(figure)
        figure.set_layout_engine(ConstrainedLayoutEngine(h_pad=0.03, w_pad=0.03))
        engine = figure.get_layout_engine()
        assert engine is not None
        engine.execute(figure)
        figure.set_layout_engine(None)
        if _covered(figure) <= before and _is_within(figure):
            break
    buffer = io.BytesIO()
    figure.savefig(buffer, format="pdf", **options)
    return buffer.getvalue()


def _shrink_texts(figure: Figure) -> None:
    """Bring every text to the sizes of a paper, those of ticks that are still to come too."""
    for axis in figure.axes:
        axis.tick_params(labelsize=_SMALLEST)
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        size = float(text.get_fontsize())
        text.set_fontsize(min(_LARGEST, max(_SMALLEST, size * _SHRUNK)))


def _stack_legends(figure: Figure) -> None:
    """Write the legends of a figure anew, with as few columns as fit its width."""
    room = float(figure.get_size_inches()[0]) * 72
    for legend in list(figure.legends):
        texts = [text.get_text() for text in legend.get_texts()]
        widest = max(len(text) for text in texts) * 0.55 * _SMALLEST + 36
        handles = legend.legend_handles
        legend.remove()
        columns = max(1, min(len(texts), math.floor(room / widest)))
        figure.legend(
            handles=[handle for handle in handles if handle is not None], labels=texts,
            loc="outside lower center", ncols=columns, fontsize=_SMALLEST,
        )  # fmt: skip


def _boxes(figure: Figure) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    """Give left, lower, right and upper edge of every text that is seen, shape (n, 4)."""
    figure.draw_without_rendering()  # where legends stand is known once they are drawn
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    hidden = {id(text) for text in _never_drawn(figure)}
    found = [
        text.get_window_extent(renderer).extents
        for text in figure.findobj(Text)
        if isinstance(text, Text)
        and text.get_visible()
        and text.get_text().strip()
        and id(text) not in hidden
    ]
    return np.array(found, dtype=np.float64).reshape(-1, 4)


def _never_drawn(figure: Figure) -> Iterator[Text]:
    """Give the labels of ticks that lie outside their axis, and all of axes that are off."""
    for axes in figure.axes:
        if not axes.get_visible() or not axes.axison:
            for side in (axes.xaxis, axes.yaxis):
                yield from (text for text in side.findobj(Text) if isinstance(text, Text))
            continue
        for side in (axes.xaxis, axes.yaxis):
            low, high = sorted(side.get_view_interval())
            for tick in (*side.get_major_ticks(), *side.get_minor_ticks()):
                if not low <= tick.get_loc() <= high:
                    yield from (tick.label1, tick.label2)


def _covered(figure: Figure) -> int:
    """Count the pairs of texts of which one covers a part of the other."""
    boxes = _boxes(figure)
    left, low, right, high = boxes.T
    apart = (left[:, None] >= right[None] - 1) | (low[:, None] >= high[None] - 1)
    return int((~apart & ~apart.T).sum() - len(boxes)) // 2


def _is_within(figure: Figure) -> bool:
    """Tell whether every text stands within the figure, but for a tenth of an inch."""
    boxes, (width, height) = _boxes(figure), figure.get_size_inches() * figure.dpi
    edge = 0.1 * figure.dpi
    return bool(
        (boxes[:, :2] >= -edge).all()
        and (boxes[:, 2] <= width + edge).all()
        and (boxes[:, 3] <= height + edge).all()
    )
