"""Designs for the coverage of intervals that nothing in them was chosen on.

The constants of the longer arm were set while looking at ``performance.coverage.DESIGNS``. These
have other laws, cluster counts and sizes, shares of the classes and AUCs; they were written down
before any of their results was looked at, and no constant was changed after.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from results.metrics.checking import Counts, Floats

Generator = np.random.Generator
_PAIRS = 4_000_000  # that a law's shift is found from: the AUC is then right to 0.0001
_UNEVEN_MEAN = 8  # frames of a video where their number is drawn
UNEVEN = 0


class OtherDesign(NamedTuple):
    """Videos whose scores are the sum of two draws of a law, one a video and one a frame.

    Attributes:
        law: One of ``LAWS``.
        shared: Whether each video has real and forged frames; else each is of one class.
        auc: The AUC of endless data.
        real: Real videos; ``fake`` forged ones, the same where they are shared.
        frames: Of each video and class; ``UNEVEN``: geometric, 8 on average.
    """

    law: str
    shared: bool
    auc: float
    real: int
    fake: int
    frames: int


Draw = Callable[[Generator, tuple[int, ...]], Floats]
LAWS: dict[str, Draw] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "t, 3 df": lambda rng, shape: rng.standard_t(3, size=shape),
    "lognormal": lambda rng, shape: rng.lognormal(size=shape),
    "normal, forged wider": lambda rng, shape: rng.normal(size=shape),
}
# How much wider forged scores are spread than real ones.
_WIDTHS = {"normal, forged wider": 2.0}

OTHER_DESIGNS = (
    OtherDesign("t, 3 df", False, 0.97, 12, 12, 12),
    OtherDesign("t, 3 df", True, 0.97, 20, 20, 5),
    OtherDesign("t, 3 df", False, 0.995, 25, 100, 1),
    OtherDesign("t, 3 df", True, 0.995, 60, 60, UNEVEN),
    OtherDesign("lognormal", False, 0.97, 20, 20, 5),
    OtherDesign("lognormal", False, 0.97, 100, 15, UNEVEN),
    OtherDesign("lognormal", False, 0.995, 20, 20, 12),
    OtherDesign("lognormal", True, 0.995, 40, 40, 12),
    OtherDesign("normal", False, 0.97, 8, 60, 6),
    OtherDesign("normal", True, 0.97, 15, 15, UNEVEN),
    OtherDesign("normal", False, 0.995, 50, 50, 3),
    OtherDesign("normal", False, 0.995, 100, 10, 6),
    OtherDesign("normal, forged wider", False, 0.97, 20, 20, 12),
    OtherDesign("normal, forged wider", True, 0.995, 30, 30, 5),
)


@cache
def shift_of(law: str, auc: float) -> float:
    """Find by how much forged scores are greater, so that the AUC is ``auc``: by simulation."""
    rng = np.random.default_rng(20_000)
    real, fake = (LAWS[law](rng, (2, _PAIRS)).sum(axis=0) for _ in range(2))
    return float(np.quantile(real - _WIDTHS.get(law, 1.0) * fake, auc))


def drawn_other(design: OtherDesign, rng: Generator) -> tuple[Counts, Floats, Counts]:
    """Draw labels, scores and clusters, each of shape (n,)."""
    draw = LAWS[design.law]
    of_video = [draw(rng, (design.real,)), draw(rng, (design.fake,))]
    if design.shared:
        of_video[1] = of_video[0]
    labels, scores, clusters = [], [], []
    for label, known in enumerate(of_video):
        count = len(known)
        frames = (
            rng.geometric(1 / _UNEVEN_MEAN, size=count)
            if design.frames == UNEVEN
            else np.full(count, design.frames)
        )
        video = np.repeat(np.arange(count), frames)
        values = known[video] + draw(rng, (len(video),))
        if label:
            values = _WIDTHS.get(design.law, 1.0) * values + shift_of(design.law, design.auc)
        labels.append(np.full(len(video), label))
        scores.append(values)
        clusters.append(video + (0 if design.shared else label * design.real))
    return np.concatenate(labels), np.concatenate(scores), np.concatenate(clusters)
