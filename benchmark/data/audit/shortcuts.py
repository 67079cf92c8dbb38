"""How well a file tells its class without a look at the face: what a detector may learn instead."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmark.data.audit.measuring import Measures
from detectors.files import FACTS
from results.errors import UndefinedError
from results.metrics.functions import auc
from results.statistics.clusters import clusters
from results.statistics.intervals import auc_interval

_Floats = npt.NDArray[np.float32]
_Places = npt.NDArray[np.int64]

CLUES: dict[str, tuple[str, ...]] = {
    "format": ("jpeg", "png", "webp", "video"),
    "file size": ("bytes", "bits_per_pixel"),
    "JPEG tables": ("luma_step", "luma_tilt", "chroma_step", "chroma_tilt", "chroma_sampling"),
    "resolution": ("width", "height"),
}
PICTURE_CLUES = ("mean colour", "border")
# Below this lower end of the interval no detector gains much, and small samples invent nothing.
TELLING = 0.65
_FEWEST = 20  # of a class, and of clusters of a class twice the folds
_FOLDS = 5
_MOST = 2000  # of a class: more narrows no interval that matters
_RESAMPLES = 200


class ClueValue(NamedTuple):
    """How well one clue tells forged from real.

    Attributes:
        clue: One of ``CLUES`` or ``PICTURE_CLUES``.
        subject: ``all``, ``source NAME`` or ``generator NAME``.
        reals: ``same source``, ``other sources`` or ``all sources``: where real images come from.
        n_real: Real images; ``n_fake`` forged ones.
        n_fake: Forged images.
        auc: Cross-validated, of a small classifier of that clue alone; None with ``reason``.
        low: Lower end of its 95 % interval; ``high`` the upper.
        high: Upper end.
        reason: Why there is no value.
    """

    clue: str
    subject: str
    reals: str
    n_real: int
    n_fake: int
    auc: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""

    @property
    def tells(self) -> bool:
        """Whether it is a shortcut."""
        return self.low is not None and self.low > TELLING


def shortcuts(samples: pd.DataFrame, measures: Measures, *, seed: int = 0) -> list[ClueValue]:
    """Measure every clue on all images, on each source, and on each generator.

    The classifier is a tree of depth 3, for the border a linear one; what hangs together by person,
    video, pair or content is in one fold, and one observation of the interval.

    Args:
        samples: Validated, in the order of ``measures``.
        measures: Of each; images with a problem are left out.
        seed: Of what is drawn where there are more than 2000 of a class.
    """
    good = np.array([not problem for problem in measures.problems])
    together = clusters(samples.assign(sha256=measures.sha256))
    clues = _clues(measures)
    found = []
    for subject, reals, real, fake in _subjects(samples):
        rows = [_drawn(np.flatnonzero(mask & good), seed) for mask in (real, fake)]
        labels = np.repeat([0, 1], [len(rows[0]), len(rows[1])])
        places = np.concatenate(rows)
        for name, values in clues.items():
            head = ClueValue(name, subject, reals, len(rows[0]), len(rows[1]))
            found.append(_measured(head, values[places], labels, together[places], seed))
    return found


def _clues(measures: Measures) -> dict[str, _Floats]:
    """Give the numbers of each clue."""
    facts = {
        name: measures.facts[:, [FACTS.index(fact) for fact in of]] for name, of in CLUES.items()
    }
    return {**facts, "mean colour": measures.colours, "border": measures.border}


def _subjects(
    samples: pd.DataFrame,
) -> Iterator[tuple[str, str, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]]:
    """Give what is compared: a name, whose real images, and masks of real and forged ones."""
    real = (samples["label"] == "real").to_numpy()
    source, generator = samples["source"].to_numpy(), samples["generator"].to_numpy()
    sources = sorted(set(source))
    yield "all", "same source" if len(sources) == 1 else "all sources", real, ~real
    if len(sources) > 1:
        for name in sources:
            here = source == name
            if (here & real).any() and (here & ~real).any():
                yield f"source {name}", "same source", here & real, here & ~real
    for name in sorted(set(generator[~real])):
        fake = ~real & (generator == name)
        beside = real & np.isin(source, list(set(source[fake])))
        if beside.any():
            yield f"generator {name}", "same source", beside, fake
        else:
            yield f"generator {name}", "other sources", real, fake


def _drawn(places: _Places, seed: int) -> _Places:
    """Draw at most 2000."""
    if len(places) <= _MOST:
        return places
    return np.sort(np.random.default_rng(seed).choice(places, _MOST, replace=False))


def _measured(
    head: ClueValue, values: _Floats, labels: _Places, together: _Places, seed: int
) -> ClueValue:
    """Cross-validate a clue."""
    if min(head.n_real, head.n_fake) < _FEWEST:
        return head._replace(reason=f"fewer than {_FEWEST} images of a class")
    units = [len(np.unique(together[labels == label])) for label in (0, 1)]
    if min(units) < 2 * _FOLDS:
        return head._replace(reason=f"fewer than {2 * _FOLDS} unconnected images of a class")
    if not np.ptp(values, axis=0).any():
        return head._replace(auc=0.5, low=0.5, high=0.5)
    scores = _scores(head.clue, values, labels, together, seed)
    value = auc(labels, scores)
    try:
        interval = auc_interval(labels, scores, together, resamples=_RESAMPLES, seed=seed)
        low, high = interval.low, interval.high
    except UndefinedError:  # the classes are told apart without an error: the rule of three
        low, high = (value - 3 / min(units), 1.0) if value > 0.5 else (0.0, value + 3 / min(units))
    return head._replace(auc=value, low=low, high=high)


def _scores(
    clue: str, values: _Floats, labels: _Places, together: _Places, seed: int
) -> npt.NDArray[np.float64]:
    """Score each image by a classifier that has not met it, nor what hangs together with it."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.tree import DecisionTreeClassifier

    scores = np.full(len(labels), 0.5)
    folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=seed)
    for train, test in folds.split(values, labels, together):
        if len(np.unique(labels[train])) < 2:
            continue
        model = (
            make_pipeline(
                StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=500)
            )
            if clue == "border"
            else DecisionTreeClassifier(
                max_depth=3, min_samples_leaf=5, class_weight="balanced", random_state=seed
            )
        )
        model.fit(values[train], labels[train])
        scores[test] = model.predict_proba(values[test])[:, 1]
    return scores
