"""The critical-difference diagram: mean ranks over independent test sets.

scikit-posthocs draws such diagrams too, but it walks through sets of names, so that a file's bytes
change from one process to the next; what is drawn comes from it (``results.statistics.ranking``).
"""

import pandas as pd
from matplotlib.axes import Axes

from leaderboard.figures.drawing import (
    FAINT,
    INK,
    FigureKind,
    Picture,
    new_figure,
    picture,
    shorten,
)
from leaderboard.view import Context, ProtocolView
from results.errors import UndefinedError
from results.metrics.checking import Counts
from results.rounding import rounded
from results.statistics.ranking import CriticalDifference, critical_difference

_KIND = FigureKind(
    "ranks",
    caption=(
        "Mean ranks, 1 is best. A bar joins detectors that are not told apart (Nemenyi, 5 %); none "
        "are where p (Friedman) is above 0.05."
    ),
    heading="Ranks",
)
_WIDTH, _LINE = 7.0, 0.2  # inches: the figure, and a line of text


def block_table(view: ProtocolView) -> pd.DataFrame:
    """Give each detector's headline metric on each test set, the blocks of the comparison.

    A value is the mean over training sets and seeds, of unseen headline cells under the base
    condition; a training set counts where every detector has a value. What was trained elsewhere
    has no unseen cells and takes no part.

    Returns:
        A row a test set, a column a detector; test sets that have none are left out.
    """
    values: dict[tuple[str, str], dict[tuple[str, int], float]] = {}
    for result in view.at(view.base, view.level):
        value = result.value(view.metric).value
        if value is not None and result.cell.headline and result.cell.seen is False:
            key = (result.test.label, result.cell.training)
            who = (result.contender.detector, result.contender.seed)
            values.setdefault(key, {})[who] = value
    here = [who for who in view.contenders if not view.is_elsewhere(who)]
    whole = {key: found for key, found in values.items() if len(found) == len(here)}
    table = pd.DataFrame(whole).T
    if table.empty:
        return pd.DataFrame(columns=list(view.detectors.values()))
    over_seeds = table.T.groupby(level=0, sort=False).mean().T
    order = [test.label for test in view.tests if test.label in over_seeds.index]
    blocks = over_seeds.groupby(level=0, sort=False).mean().loc[order]
    return blocks.rename(columns=view.detectors)


def critical_pictures(context: Context) -> list[Picture]:
    """Draw the critical differences of a protocol.

    Raises:
        UndefinedError: As ``compare_ranks``.
    """
    return [critical_diagram(context.view, compare_ranks(context))]


def compare_ranks(context: Context) -> CriticalDifference:
    """Compare the detectors of a protocol by their ranks on ``block_table``.

    Raises:
        UndefinedError: There are fewer than 3 detectors or 8 test sets, or these share images,
            videos or persons.
    """
    view, contents = context.view, context.contents
    table = block_table(view)
    if table.empty:
        raise UndefinedError("no test set has unseen forgeries and a value of every detector")
    of_block: dict[str, Counts] = {}
    for result in view.at(view.base, view.level):
        if result.test.label in table.index:
            of_block[result.test.label] = contents.cluster_ways.of(result.cell.test.rows)
    return critical_difference(table, of_block, higher_is_better=view.headline.higher_is_better)


def critical_diagram(view: ProtocolView, found: CriticalDifference) -> Picture:
    """Draw it: the best rank on the left, a bar over those that are not told apart."""
    names = list(found.ranks)
    half = (len(names) + 1) // 2
    bars = len(found.groups)
    with new_figure() as figure:
        figure.set_size_inches(_WIDTH, _LINE * (half + bars) + 0.9)
        axis = figure.subplots()
        axis.set_axis_off()
        axis.set(xlim=(0.4, len(names) + 0.6), ylim=(-(half + bars) - 0.6, 2.6))
        axis.plot([1, len(names)], [0, 0], color=INK, linewidth=1)
        for rank in range(1, len(names) + 1):
            axis.plot([rank, rank], [0, 0.25], color=INK, linewidth=1)
            axis.text(rank, 0.4, str(rank), ha="center", va="bottom", fontsize=8.5)
        axis.plot([1, 1 + found.distance], [1.75, 1.75], color=INK, linewidth=1.5, marker="|")
        text = f"critical difference {rounded(found.distance, 2)}; "
        text += f"any difference at all: p = {found.p:.2g}"
        axis.text(1.15 + found.distance, 1.75, text, va="center", fontsize=8.5)
        for number, group in enumerate(found.groups):
            ends = [found.ranks[group[0]] - 0.04, found.ranks[group[-1]] + 0.04]
            axis.plot(ends, [-0.6 - number] * 2, color=INK, linewidth=3.5, solid_capstyle="butt")
        for place, name in enumerate(names):
            on_left = place < half
            row = place if on_left else len(names) - 1 - place
            _elbow(axis, found, name, depth=-1.0 - bars - row, on_left=on_left)
        alt = f"{view.protocol.title}: mean ranks over {found.blocks} test sets, by detector"
        title = f"{view.protocol.title}: {found.blocks} independent test sets"
        return picture(figure, f"{view.name}-ranks", _KIND, title, alt)


def _elbow(
    axis: Axes, found: CriticalDifference, name: str, *, depth: float, on_left: bool
) -> None:
    """Lead from a mean rank to the name at the side."""
    rank = found.ranks[name]
    side = 0.9 if on_left else len(found.ranks) + 0.1
    axis.plot([rank, rank, side], [0, depth, depth], color=FAINT, linewidth=0.9, zorder=1)
    axis.plot([rank], [0], marker="o", markersize=5, color=INK)
    # A bar may cross the line, so the name stands outside of all ranks.
    text = f"{shorten(name, 26)} ({rounded(rank, 2)})"
    shift, align = (-0.05, "right") if on_left else (0.05, "left")
    axis.text(side + shift, depth, text, ha=align, va="center", fontsize=8.5, clip_on=False)
