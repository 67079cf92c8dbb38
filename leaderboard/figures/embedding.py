"""Maps of embeddings: where a detector puts real images and each kind of forgery."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from leaderboard.figures.drawing import (
    FAINT,
    WIDTH,
    FigureKind,
    Picture,
    file_stem,
    new_figure,
    picture,
    shorten,
)
from results.embeddings import embedded_models, read_embeddings
from results.rounding import rounded
from results.run import RunContents

_KIND = FigureKind(
    "embedding",
    caption=(
        "t-SNE of the features of test images: neighbours are alike, distances between groups and "
        "the size of a group mean nothing. The number is measured in the space itself."
    ),
)
NEIGHBOURS = 10
_SEED = 0
_REAL = "real"
_TITLES = {
    "real": "real",
    "EFS": "entire synthesis",
    "AM": "attribute manipulation",
    "FS": "face swap",
    "FR": "reenactment",
    "unknown": "forged, kind unknown",
}

_Points = npt.NDArray[np.float32]


def embedding_pictures(contents: RunContents) -> list[Picture]:
    """Draw the embeddings that a run has, a figure a training set, a panel a model.

    Raises:
        ResultError: A file of embeddings cannot be read.
    """
    stored = set(embedded_models(contents.run))
    groups: dict[str, dict[str, str]] = {}
    several_seeds = len({entry.seed for entry in contents.facts.entries}) > 1
    for entry in contents.facts.entries:
        if entry.model in stored:
            label = f"{entry.detector}, seed {entry.seed}" if several_seeds else entry.detector
            groups.setdefault(entry.training, {}).setdefault(str(entry.model), label)
    return [_figure(contents, training, models) for training, models in groups.items()]


def neighbours_of_a_kind(features: _Points, kinds: Sequence[str]) -> float:
    """Measure how far kinds are apart, in the space itself and not on a map of it.

    Args:
        features: (n, d), n above ``NEIGHBOURS``.
        kinds: n kinds.

    Returns:
        The share of an image's ten nearest that are of its kind, averaged over the images of a
        kind and then over kinds, so that a frequent kind counts no more than a rare one.
    """
    from sklearn.neighbors import NearestNeighbors

    codes = np.unique(np.asarray(kinds), return_inverse=True)[1]
    nearest = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(features).kneighbors()[1]
    same = (codes[nearest] == codes[:, None]).mean(axis=1)
    return float(np.mean([same[codes == code].mean() for code in np.unique(codes)]))


def project(features: _Points) -> _Points:
    """Give the (n, 2) t-SNE map of (n, d) features, each scaled to unit length first.

    The start is the first two principal components and the seed is fixed, so that equal features
    give an equal map with one version of scikit-learn.
    """
    from sklearn.manifold import TSNE

    length = np.linalg.norm(features, axis=1, keepdims=True)
    unit = features / np.maximum(length, np.finfo(np.float32).tiny)
    perplexity = min(30, (len(features) - 1) / 3)
    start = "pca" if features.shape[1] > 1 else "random"
    tsne = TSNE(perplexity=perplexity, init=start, random_state=_SEED, n_jobs=1)
    points: _Points = tsne.fit_transform(unit)
    return points


def _figure(contents: RunContents, training: str, models: Mapping[str, str]) -> Picture:
    """Draw the models of one training set side by side."""
    columns = min(len(models), 3)
    rows = math.ceil(len(models) / columns)
    with new_figure() as figure:
        width = WIDTH if columns == 3 else 4.4 * columns
        figure.set_size_inches(width, rows * (width / columns) + 0.6)
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        shown: dict[str, None] = {}
        for axis, (model, label) in zip(axes, models.items(), strict=False):
            kinds = _panel(axis, contents, model, label)
            shown |= dict.fromkeys(kinds)
        for axis in axes[len(models) :]:
            axis.set_visible(False)
        palette = _palette()
        keys = [
            Line2D([], [], color=palette[kind], marker="o", linestyle="", label=_TITLES[kind])
            for kind in _TITLES
            if kind in shown
        ]
        figure.legend(handles=keys, loc="outside lower center", ncols=len(keys))
        title = f"Embeddings, trained on {training}"
        alt = f"{title}: t-SNE of test images by {', '.join(models.values())}"
        return picture(figure, f"embedding-{file_stem(training)}", _KIND, title, alt)


def _panel(axis: Axes, contents: RunContents, model: str, label: str) -> list[str]:
    """Draw one model's map; give the kinds that occur."""
    names, features = read_embeddings(contents.run, model)
    samples = contents.samples.set_index(["dataset", "sample_id"])["forgery"]
    kinds = samples.loc[list(names.itertuples(index=False, name=None))].tolist()
    points, palette = project(features), _palette()
    for kind in _TITLES:
        here = np.array([k == kind for k in kinds])
        if here.any():
            # Real images lie under the forged ones, faintly: there are the most of them.
            alpha, size = (0.45, 7) if kind == _REAL else (0.8, 9)
            axis.scatter(
                points[here, 0], points[here, 1], s=size, color=palette[kind], alpha=alpha, lw=0
            )
    axis.set(xticks=[], yticks=[])
    axis.set_box_aspect(1)
    axis.set_title(shorten(label, 34), loc="left")
    measured = neighbours_of_a_kind(features, kinds)
    axis.set_xlabel(f"of {NEIGHBOURS} nearest, of its kind: {rounded(measured, 2)}")
    return list(dict.fromkeys(kinds))


def _palette() -> dict[str, tuple[float, float, float] | str]:
    """Give each kind its colour, grey for real images."""
    colours = list(sns.color_palette("colorblind", 8))
    forged = [kind for kind in _TITLES if kind != _REAL]
    chosen = [colours[i] for i in (0, 1, 2, 4, 5)]
    return {_REAL: FAINT, **dict(zip(forged, chosen, strict=True))}
