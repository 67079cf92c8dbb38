"""How training went: losses, gradients and validation AUC over steps, model by model."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from leaderboard.figures.drawing import (
    FAINT,
    WIDTH,
    FigureKind,
    Picture,
    file_stem,
    new_figure,
    panel_title,
    picture,
    shorten,
)
from leaderboard.figures.panels import (
    Style,
    columns_of,
    label_left,
    legend,
    panels,
    styles,
)
from results.run import RunContents
from results.schema import ModelFacts

_VALIDATION = FigureKind(
    "validation",
    caption=(
        "One line a model, by its training set. The panels share their vertical axis; a hundred "
        "per cent are the steps of the detector's longest training. Losses, detector by detector, "
        "are folded away below."
    ),
)
_TRAINING = FigureKind(
    "training",
    caption=(
        "One line a model. Long curves: faint as measured, bold the running mean. MFCLIP's losses: "
        "contrast is between images and texts, KL divergence is of its prediction of the text. "
        "Gradient norms are over all trained weights. Where prompts are read: the dotted line is "
        "at a cosine of 0.9, above which two different prompts are as good as one and language "
        "says little more than the class; saturated is the share of pairs of classes whose weight "
        "in the contrast is at a limit."
    ),
)
MOST_SHOWN = 4  # of one kind at once; a page folds more away
_GRADIENT, _STATE = "gradient_", "state_"
_ALIKE = 0.9
_SMALL_LINE = (0, (1, 1))  # a mean over small test sets

# What histories call losses by one or a few letters.
_LOSSES = {
    "ce": "cross-entropy",
    "cmc": "contrast",
    "kl": "KL divergence",
    "apart": "prompts alike",
}
_STATES = {
    "cosine_max": "largest cosine of prompts",
    "cosine_mean": "mean cosine of prompts",
    "scale": "factor on cosines",
    "saturated": "saturated pairs",
}


def gradient_models(contents: RunContents) -> dict[str, list[ModelFacts]]:
    """Give the models of each detector that is trained in steps, by its name in the study."""
    found: dict[str, dict[str, ModelFacts]] = {}
    for entry in contents.facts.entries:
        if entry.model and contents.models[entry.model].fit == "gradient":
            found.setdefault(entry.detector, {})[entry.model] = contents.models[entry.model]
    return {detector: list(models.values()) for detector, models in found.items()}


def training_pictures(contents: RunContents) -> list[Picture]:
    """Draw ``training_curves`` of each detector that is trained in steps."""
    return [training_curves(*item) for item in gradient_models(contents).items()]


def validation_pictures(contents: RunContents) -> list[Picture]:
    """Draw ``validation_curves`` of all detectors together."""
    every = [model for models in gradient_models(contents).values() for model in models]
    drawn = validation_curves(every)
    return [drawn] if drawn else []


def training_curves(detector: str, models: Sequence[ModelFacts]) -> Picture:
    """Draw losses, their gradients and validation AUC over steps, a panel each, a line a model.

    Args:
        detector: Its name in the catalog, which names the files.
        models: Its models; at least one has a history.
    """
    history = pd.concat(
        {model.id: pd.DataFrame(model.history) for model in models if model.history}
    )
    losses = [name for name in history.columns if name not in ("step", "val_auc")]
    losses.sort(
        key=lambda name: (name.startswith(_STATE), name.startswith(_GRADIENT), name != "total")
    )
    plotted = [*losses, *(["val_auc"] if "val_auc" in history else [])]
    labels = {model.id: f"{model.training} ({model.seed})" for model in models}
    if len({model.seed for model in models}) == 1:
        labels = {model.id: model.training for model in models}
    names = list(dict.fromkeys(labels.values()))
    looks = styles(names)
    columns = columns_of(len(plotted))
    with new_figure() as figure:
        axes = panels(figure, len(plotted), columns=columns, height=2.6, sharey=False)
        for axis, name in zip(axes, plotted, strict=True):
            for model, rows in history.groupby(level=0, sort=False):
                _history_line(axis, rows, name, looks[labels[str(model)]])
            panel_title(axis, _measured(name), figure.get_size_inches()[0] / columns - 0.4)
            axis.set_xlabel("step")
            if name == "val_auc":
                axis.set_ylim(min(0.45, axis.get_ylim()[0]), 1.01)
            if name == f"{_STATE}cosine_max":
                axis.axhline(_ALIKE, color=FAINT, linewidth=0.8, linestyle=":")
        keys = [
            Line2D([], [], color=look.colour, linestyle=look.dashes, label=shorten(name))
            for name, look in looks.items()
        ]
        legend(figure, keys)
        title = models[0].title + _warning(history)
        alt = f"{title}: losses and validation AUC over training steps"
        return picture(figure, f"training-{file_stem(detector)}", _TRAINING, title, alt)


def validation_curves(models: Sequence[ModelFacts]) -> Picture | None:
    """Draw validation AUC over the share of training, a panel a detector, a line a training set.

    Seeds of one training set share a line's look. The share is of the longest of a detector's
    trainings.

    Returns:
        The figure; None where no model was validated in training.
    """
    history = pd.concat(
        [pd.DataFrame(model.history).assign(number=i) for i, model in enumerate(models)]
    )
    if "val_auc" not in history or history["val_auc"].isna().all():
        return None
    found = history[["number", "step", "val_auc"]].dropna()
    found["detector"] = [models[number].title for number in found["number"]]
    looks = styles(list(dict.fromkeys(model.training for model in models)))
    detectors = list(dict.fromkeys(found["detector"]))
    columns = columns_of(len(detectors), most=6)
    with new_figure() as figure:
        axes = panels(figure, len(detectors), columns=columns, height=1.6, sharey=True)
        for axis, detector in zip(axes, detectors, strict=True):
            here = found[found["detector"] == detector]
            for number, line in here.groupby("number", sort=False):
                look = looks[models[int(str(number))].training]
                share = 100 * line["step"] / here["step"].max()
                axis.plot(
                    share, line["val_auc"], color=look.colour, linestyle=look.dashes,
                    linewidth=1.2, marker=look.marker, markersize=3,
                )  # fmt: skip
            axis.axhline(0.5, color=FAINT, linewidth=0.8, linestyle=":")
            axis.set(
                xlim=(0, 104), xticks=[0, 50, 100], ylim=(min(0.45, found["val_auc"].min()), 1.02)
            )
            panel_title(axis, detector, WIDTH / columns - 0.4)
        label_left(axes, columns, "validation AUC")
        for axis in axes[-columns:]:
            axis.set_xlabel("% of steps")
        legend(figure, [
            Line2D(
                [], [], color=look.colour, linestyle=look.dashes, marker=look.marker,
                markersize=3, label=shorten(name),
            )
            for name, look in looks.items()
        ])  # fmt: skip
        alt = "Validation AUC over training, by detector and training set"
        return picture(figure, "training", _VALIDATION, "All detectors", alt)


def _warning(history: pd.DataFrame) -> str:
    """Say in how many models different prompts became alike."""
    name = f"{_STATE}cosine_max"
    if name not in history:
        return ""
    most = history[name].groupby(level=0, sort=False).max()
    alike = int((most > _ALIKE).sum())
    if alike == 0:
        return ""
    return f" (warning: prompts became alike in {alike} of {len(most)} models)"


def _measured(name: str) -> str:
    """Say what a column of a history is."""
    if name == "val_auc":
        return "validation AUC"
    if name.startswith(_STATE):
        part = name.removeprefix(_STATE)
        what, _, tower = part.partition("_")
        said = {"gradient": f"gradient norm: {tower} tower", "norm": f"length: {tower}"}
        return _STATES.get(part) or said.get(what, part)
    kind, part = "loss", name
    if name.startswith(_GRADIENT):
        kind, part = "gradient norm", name.removeprefix(_GRADIENT)
    return f"{kind}: {_LOSSES.get(part, part)}"


def _history_line(axis: Axes, rows: pd.DataFrame, name: str, look: Style) -> None:
    """Draw one curve; a long one faintly, with its running mean on top."""
    line = rows[["step", name]].dropna()
    if name == "val_auc" or len(line) <= 40:
        marker = "o" if len(line) <= 40 else None
        axis.plot(
            line["step"], line[name], color=look.colour, linestyle=look.dashes, linewidth=1.3,
            marker=marker, markersize=3,
        )  # fmt: skip
        return
    axis.plot(line["step"], line[name], color=look.colour, linewidth=0.5, alpha=0.25)
    smooth = line[name].rolling(max(5, len(line) // 20), center=True, min_periods=1).mean()
    axis.plot(line["step"], smooth, color=look.colour, linestyle=look.dashes, linewidth=1.5)
