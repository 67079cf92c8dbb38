"""The hardest images of a cell: what a detector is most sure of, and wrong about."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes

from leaderboard.errors import LeaderboardError
from leaderboard.figures.drawing import FAINT, FigureKind, Picture, new_figure, picture, shorten
from leaderboard.view import named_tests
from protocols import Cell, Condition, UnknownNameError
from results.metrics.functions import probability
from results.rounding import rounded, signed
from results.run import RunContents
from results.schema import Entry

FORM = "PROTOCOL/TRAINING/TEST[/CONDITION]"
FALSE_ALARM, MISSED = "false alarm", "missed"
TITLES = {FALSE_ALARM: "Real images called fake", MISSED: "Forged images called real"}
_COLUMNS, _SIDE = 8, 1.3  # images side by side, and inches of each
ErrorPixels = npt.NDArray[np.uint8]


class Errors(NamedTuple):
    """The errors of one model in one cell.

    Attributes:
        entry: Which model.
        cell: Which cell; single images, whatever its level.
        table: A row an error that is shown, columns ``kind`` (``false alarm`` or ``missed``),
            ``place`` (from 1, the worst), ``dataset``, ``sample_id``, ``generator``, ``source``,
            ``logit``, ``p_fake``.
        wrong: How many errors there are of each kind.
        images: How many images of the class there are, by kind of error.
    """

    entry: Entry
    cell: Cell
    table: pd.DataFrame
    wrong: Mapping[str, int]
    images: Mapping[str, int]


def find_cell(
    contents: RunContents, name: str, detector: str | None = None, seed: int | None = None
) -> tuple[Entry, Cell]:
    """Find a cell and its model by name.

    Args:
        contents: The run.
        name: ``PROTOCOL/TRAINING/TEST``, the base condition meant, or with a condition after it
            as the records call it, or as ``suite/name@severity``. Names may hold slashes.
        detector: As the study calls it; None: the only one.
        seed: The training seed; None: the only one.

    Raises:
        UnknownNameError: A part of the name, or the detector, is not there; it tells what is.
        LeaderboardError: Several models are meant, or there is none, for the reason given.
    """
    protocol, rest = _take("protocol", name, list(contents.expansions))
    expansion = contents.expansions[protocol]
    training, rest = _take("training set", rest, contents.trainings(protocol))
    labels = {test.label: key for key, test in named_tests(expansion).items()}
    test, rest = _take("test set", rest, list(labels))
    conditions = expansion.protocol.expanded_conditions
    condition = min(conditions, key=lambda each: each.name != "clean")
    if rest:
        named = {_condition_name(each): each for each in conditions}
        known = named | {each.key: each for each in conditions}
        if rest not in known:
            raise UnknownNameError("condition", rest, named)
        condition = known[rest]
    cell = next(
        (
            cell
            for cell in expansion.cells
            if (cell.test.role, cell.test.name) == labels[test]
            and (cell.training, cell.condition) == (training, condition)
        ),
        None,
    )
    if cell is None:
        raise LeaderboardError(f"{protocol} does not test {training} on {test}: {condition.label}")
    every = contents.entries(protocol)
    own = list(dict.fromkeys(each.training for each in every if each.detector == detector))
    if own and training not in own:
        raise LeaderboardError(
            f"{detector} has no model of '{training}': name a cell like {protocol}/{own[0]}/{test}"
        )
    chosen = _chosen([each for each in every if each.training == training], detector, seed)
    if chosen.model is not None and (lacking := contents.unscored(chosen.model, cell)):
        raise LeaderboardError(f"{chosen.detector} has no numbers in {name}: {lacking}")
    return chosen, cell


def hardest(contents: RunContents, entry: Entry, cell: Cell, most: int) -> Errors:
    """List the worst errors at logit 0, the surest first.

    Args:
        contents: The run.
        entry: Whose scores; it has a model.
        cell: Of which images, under which condition.
        most: How many of each kind at most.

    Raises:
        ResultError: A score is missing.
    """
    assert entry.model is not None
    rows = cell.test.rows
    samples = contents.samples.iloc[rows]
    logits = contents.scores(entry.model).logits(cell.condition.key, rows)
    is_fake = (samples["label"] == "fake").to_numpy()
    table = samples[["dataset", "sample_id", "generator", "source"]].assign(
        kind=np.where(is_fake, MISSED, FALSE_ALARM),
        logit=logits.astype(np.float64),
        p_fake=probability(logits),
        surety=np.where(is_fake, -logits, logits),
    )
    # A logit of 0 is called real (``results.metrics.confusion``).
    errors = table[(logits > 0) != is_fake]
    ordered = errors.sort_values(
        ["kind", "surety", "sample_id"], ascending=[True, False, True], kind="stable"
    )
    shown = ordered.groupby("kind", sort=False).head(most)
    place = shown.groupby("kind").cumcount() + 1
    columns = ["kind", "place", "dataset", "sample_id", "generator", "source", "logit", "p_fake"]
    return Errors(
        entry,
        cell,
        shown.assign(place=place)[columns].reset_index(drop=True),
        {kind: int((errors["kind"] == kind).sum()) for kind in TITLES},
        {kind: int((table["kind"] == kind).sum()) for kind in TITLES},
    )


def contact_sheet(errors: Errors, images: Sequence[ErrorPixels | str]) -> Picture:
    """Draw the errors, the surest first, each with its score.

    Above a forged image stands its generator, above a real one that it is real, and its source.

    Args:
        errors: At least one.
        images: (h, w, 3) RGB of each row of ``errors.table``, or the reason why there is none.
    """
    kinds = list(dict.fromkeys(errors.table["kind"]))
    heights = [math.ceil((errors.table["kind"] == kind).sum() / _COLUMNS) for kind in kinds]
    with new_figure() as figure:
        figure.set_size_inches(
            _COLUMNS * _SIDE, sum(heights) * (_SIDE + 0.4) + 0.35 * len(kinds) + 0.2
        )
        blocks = figure.subfigures(len(kinds), 1, height_ratios=heights, squeeze=False).ravel()
        for block, kind, height in zip(blocks, kinds, heights, strict=True):
            share = f"{errors.wrong[kind]} of {errors.images[kind]}"
            block.suptitle(f"{TITLES[kind]}: {share}", x=0.01, ha="left", fontweight="bold")
            axes = block.subplots(height, _COLUMNS, squeeze=False).ravel()
            for axis in axes:
                axis.set_axis_off()
            here = errors.table[errors.table["kind"] == kind]
            for axis, at in zip(axes, here.index, strict=False):
                _tile(axis, here.loc[at], images[at])
        where = f"{errors.cell.training} → {errors.cell.test.name}, {errors.cell.condition.label}"
        title = f"Worst errors of {errors.entry.detector}: {where}"
        return picture(figure, "hardest", FigureKind("hardest"), title, title, endings=("png",))


def _tile(axis: Axes, row: "pd.Series[Any]", image: ErrorPixels | str) -> None:
    """Draw one image, or say why it is not there."""
    if isinstance(image, str):
        axis.text(0.5, 0.5, shorten(image, 24), ha="center", va="center", fontsize=7, color=FAINT)
        axis.set(xlim=(0, 1), ylim=(0, 1))
    else:
        axis.imshow(image)
    sign = signed(row["logit"], 1)
    is_real = row["kind"] == FALSE_ALARM
    name = f"real, {shorten(row['source'], 18)}" if is_real else shorten(row["generator"], 24)
    text = f"{name}\nlogit {sign}, P {rounded(row['p_fake'], 2)}"
    axis.set_title(text, fontsize=6.5, fontweight="normal")


def _condition_name(condition: Condition) -> str:
    """Name a condition so that a shell takes it as it is."""
    return f"{condition.name}@{condition.severity}" if condition.severity else condition.name


def _take(kind: str, text: str, known: Sequence[str]) -> tuple[str, str]:
    """Split a known name off the front; the longest that fits, for names may hold slashes."""
    fitting = [name for name in known if f"{text}/".startswith(f"{name}/")]
    if not text:
        raise LeaderboardError(
            f"a cell is {FORM}; the {kind} is not said, there are {', '.join(known)}"
        )
    if not fitting:
        raise UnknownNameError(kind, text.partition("/")[0], known)
    name = max(fitting, key=len)
    return name, text[len(name) + 1 :]


def _chosen(entries: Sequence[Entry], detector: str | None, seed: int | None) -> Entry:
    """Choose the one model that is meant."""
    names = list(dict.fromkeys(entry.detector for entry in entries))
    if detector is not None and detector not in names:
        raise UnknownNameError("detector of this cell", detector, names)
    seeds = list(dict.fromkeys(str(entry.seed) for entry in entries))
    if seed is not None and str(seed) not in seeds:
        raise UnknownNameError("training seed", str(seed), seeds)
    found = [
        entry
        for entry in entries
        if detector in (None, entry.detector) and seed in (None, entry.seed)
    ]
    if len(found) != 1:
        there = ", ".join(f"{entry.detector} (seed {entry.seed})" for entry in entries)
        raise LeaderboardError(
            f"{len(found)} models are meant: give --detector, and --seed where there are several; "
            f"there are {there}"
        )
    if found[0].model is None:
        raise LeaderboardError(f"{found[0].detector} has no model here: {found[0].gap}")
    return found[0]
