"""The curves of a run: robustness, ROC, training."""

import hashlib
import math
import re
from collections.abc import Sequence
from itertools import cycle
from typing import Literal

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from leaderboard.curves import mean_roc
from leaderboard.drawing import FAINT, INK, WIDTH, Picture, new_figure, picture, short
from leaderboard.view import Contender, ProtocolView, Result, summarise
from protocols import perturbations
from protocols.conditions import shown
from results.evaluation import RunContents
from results.schema import ModelFacts

_MARKERS = "osD^vPX*<>"


_Colour = tuple[float, float, float]
_Line = tuple[Literal["-", "--"], float]


def robustness_curves(view: ProtocolView) -> Picture:
    """Draw the headline metric over severity, a panel a perturbation, a line a detector."""
    names = list(dict.fromkeys(condition.name for condition in view.damaged))
    with new_figure() as figure:
        columns = _columns(len(names))
        axes = _panels(figure, len(names), columns=columns, height=2.9, sharey=True)
        for axis, name in zip(axes, names, strict=True):
            _damage_panel(axis, view, name)
        _label_left(axes, columns, view.metric)
        _legend(figure, _contender_keys(view.contenders))
        alt = f"{view.protocol.title}: {view.metric} over severity, by perturbation and detector"
        return picture(figure, f"{view.name}-curves", "curves", view.protocol.title, alt)


def roc_curves(view: ProtocolView, contents: RunContents) -> Picture | None:
    """Draw ROC curves, a panel a test set: the mean over models that did not see it, and did.

    Returns:
        None where no cell has both classes.
    """
    curves: dict[tuple[str, Contender, bool], list[Result]] = {}
    sizes: dict[str, str] = {}
    for result in view.at(view.base, view.level):
        record = result.record
        if record and record.n_real and record.n_fake:
            key = (result.test.label, result.contender, result.cell.seen)
            curves.setdefault(key, []).append(result)
            sizes[result.test.label] = f"{record.n_real} real, {record.n_fake} forged"
    tests = list(dict.fromkeys(test for test, _, _ in curves))
    if not tests:
        return None
    both = len({seen for _, _, seen in curves}) == 2
    lines: dict[bool, _Line] = {False: ("-", 1.7), True: ("--", 1.0) if both else ("-", 1.7)}
    styles = _line_styles(view.contenders)
    columns = _columns(len(tests))
    height = min(WIDTH / columns, 4) + 0.3
    with new_figure() as figure:
        axes = _panels(figure, len(tests), columns=columns, height=height, sharey=True)
        for axis, test in zip(axes, tests, strict=True):
            axis.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, linestyle=":")
            for (where, contender, seen), results in curves.items():
                if where == test:
                    fpr, tpr = mean_roc([_scored(contents, result) for result in results])
                    style, width = lines[seen]
                    colour = styles[contender][0]
                    axis.plot(fpr, tpr, color=colour, linestyle=style, linewidth=width)
            axis.set_title(short(test), loc="left")
            axis.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xticks=[0, 0.25, 0.5, 0.75, 1])
            axis.set_xticklabels(["0", "", "0.5", "", "1"])
            axis.set_box_aspect(1)
            axis.text(0.98, 0.03, sizes[test], ha="right", color=FAINT, fontsize=8)
        for axis in axes[-columns:]:
            axis.set_xlabel(f"real {view.level}s called fake")
        _label_left(axes, columns, f"forged {view.level}s called fake")
        keys = [
            Line2D([], [], color=styles[contender][0], linewidth=1.7, label=contender.label)
            for contender in view.contenders
        ]
        for seen in sorted({seen for _, _, seen in curves}):
            label = "seen in training" if seen else "not seen in training"
            style, width = lines[seen]
            keys.append(Line2D([], [], color=INK, linestyle=style, linewidth=width, label=label))
        _legend(figure, keys)
        alt = f"{view.protocol.title}: ROC curves by test set and detector"
        return picture(figure, f"{view.name}-roc", "roc", view.protocol.title, alt)


def training_curves(detector: str, models: Sequence[ModelFacts]) -> Picture:
    """Draw losses and validation AUC over steps, a panel each, a line a model.

    Args:
        detector: Its name in the catalog, which names the files.
        models: Its models; at least one has a history.
    """
    history = pd.concat(
        {model.id: pd.DataFrame(model.history) for model in models if model.history}
    )
    losses = [name for name in history.columns if name not in ("step", "val_auc")]
    losses.sort(key=lambda name: name != "total")
    shown = [*losses, *(["val_auc"] if "val_auc" in history else [])]
    labels = {model.id: f"{model.training} ({model.seed})" for model in models}
    if len({model.seed for model in models}) == 1:
        labels = {model.id: model.training for model in models}
    names = list(dict.fromkeys(labels.values()))
    palette = dict(zip(names, _colours(len(names)), strict=True))
    with new_figure() as figure:
        axes = _panels(figure, len(shown), columns=_columns(len(shown)), height=2.6, sharey=False)
        for axis, name in zip(axes, shown, strict=True):
            for model, rows in history.groupby(level=0, sort=False):
                _history_line(axis, rows, name, palette[labels[str(model)]])
            is_auc = name == "val_auc"
            axis.set_title("validation AUC" if is_auc else f"loss: {name}", loc="left")
            axis.set_xlabel("step")
            if is_auc:
                axis.set_ylim(min(0.45, axis.get_ylim()[0]), 1.01)
        keys = [Line2D([], [], color=palette[name], label=short(name)) for name in names]
        _legend(figure, keys)
        title = models[0].title
        alt = f"{title}: losses and validation AUC over training steps"
        return picture(figure, f"training-{_stem(detector)}", "training", title, alt)


def _panels(
    figure: Figure, number: int, *, columns: int, height: float, sharey: bool
) -> list[Axes]:
    """Make a grid of panels and hide those that are not needed."""
    rows = math.ceil(number / columns)
    # A panel alone, or two, are not stretched over the page.
    width = WIDTH if columns > 2 else 4.2 * columns
    figure.set_size_inches(width, rows * height + 0.55)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=sharey).ravel()
    for axis in grid[number:]:
        axis.set_visible(False)
    return list(grid[:number])


def _label_left(axes: Sequence[Axes], columns: int, label: str) -> None:
    """Label the vertical axis of the first panel of each row."""
    for axis in axes[::columns]:
        axis.set_ylabel(label)


def _damage_panel(axis: Axes, view: ProtocolView, name: str) -> None:
    """Draw one perturbation: clean, then its severities with their levels."""
    conditions = [view.base, *(c for c in view.damaged if c.name == name)]
    styles = _line_styles(view.contenders)
    for contender in view.contenders:
        means = [
            summarise(view.of(contender, condition, view.level), view.metric, strict=False).value
            for condition in conditions
        ]
        colour, marker = styles[contender]
        heights = [math.nan if mean is None else mean for mean in means]
        steps = [condition.severity for condition in conditions]
        axis.plot(steps, heights, color=colour, marker=marker, markersize=5, linewidth=1.5)
    axis.axhline(0.5, color=FAINT, linewidth=0.8, linestyle=":")
    known = perturbations()[name]
    axis.set_title(known.title, loc="left")
    axis.set_xlabel(f"severity / {known.parameter}")
    ticks = ["clean", *(f"{c.severity}\n{shown(c.value)}" for c in conditions[1:])]
    axis.set_xticks([condition.severity for condition in conditions], ticks)


def _scored(contents: RunContents, result: Result) -> tuple[np.ndarray, np.ndarray]:
    """Give labels and scores of a cell that has a model."""
    assert result.model is not None
    scored = contents.scored(result.model.id, result.cell)
    return scored.labels, scored.scores


def _history_line(axis: Axes, rows: pd.DataFrame, name: str, colour: _Colour) -> None:
    """Draw one curve; a long one faintly, with its running mean on top."""
    line = rows[["step", name]].dropna()
    if name == "val_auc" or len(line) <= 40:
        marker = "o" if len(line) <= 40 else None
        axis.plot(
            line["step"], line[name], color=colour, linewidth=1.3, marker=marker, markersize=3
        )
        return
    axis.plot(line["step"], line[name], color=colour, linewidth=0.5, alpha=0.25)
    smooth = line[name].rolling(max(5, len(line) // 20), center=True, min_periods=1).mean()
    axis.plot(line["step"], smooth, color=colour, linewidth=1.5)


def _colours(number: int) -> list[_Colour]:
    """Give colours that most colour-blind readers tell apart."""
    if number <= 8:
        return list(sns.color_palette("colorblind", 8))[:number]
    # Without its last tenth, which is too light for lines on white.
    return [(r, g, b) for r, g, b, _ in mpl.colormaps["viridis"](np.linspace(0, 0.9, number))]


def _line_styles(
    contenders: Sequence[Contender],
) -> dict[Contender, tuple[_Colour, str]]:
    """Give each contender a colour and a marker."""
    colours = _colours(len(contenders))
    return dict(zip(contenders, zip(colours, cycle(_MARKERS), strict=False), strict=True))


def _contender_keys(contenders: Sequence[Contender]) -> list[Line2D]:
    """Explain colours and markers."""
    styles = _line_styles(contenders).items()
    return [
        Line2D([], [], color=colour, marker=marker, markersize=5, label=contender.label)
        for contender, (colour, marker) in styles
    ]


def _stem(name: str) -> str:
    """Name a file after a detector; what cannot stand in a file's name is told by a hash."""
    if re.fullmatch(r"[A-Za-z0-9_-]+", name):
        return name
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name) + hashlib.sha256(name.encode()).hexdigest()[:6]


def _columns(number: int) -> int:
    """Tell how many panels stand side by side, rows evenly filled."""
    return math.ceil(number / math.ceil(number / 4))


def _legend(figure: Figure, keys: Sequence[Line2D]) -> None:
    """Put a legend below the panels, as many entries side by side as fit."""
    width, height = figure.get_size_inches()
    needed = sum(0.6 + 0.075 * len(str(key.get_label())) for key in keys)
    columns = max(1, min(len(keys), int(len(keys) * width / needed)))
    lines = math.ceil(len(keys) / columns)
    figure.set_size_inches(width, height + 0.2 * (lines - 1))
    figure.legend(handles=keys, loc="outside lower center", ncols=columns)
