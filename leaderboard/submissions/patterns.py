"""Scores that no detector gives: each rule looks at one model's logits and says what is wrong."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from scipy.stats import rankdata

from protocols import CLEAN, Cell
from results.errors import UndefinedError
from results.metrics.checking import Floats
from results.metrics.functions import auc
from results.run import RunContents

LARGEST_LOGIT = 1e4
FEWEST_VALUES = 20
FEWEST_SCORES = 100
MOST_OF_ONE_VALUE = 0.5
ORDERED = 0.999
COPIED = 1 - 1e-9
MOST_ABOVE_VALIDATION = 0.08
UPSIDE_DOWN = 0.4


@dataclass(frozen=True, kw_only=True)
class SubmittedScores:
    """What the rules see of one model.

    Attributes:
        logits: Of every scored sample without damage, shape (n,), by position in the samples.
        positions: Those positions, shape (n,).
        labels: 1 is fake, shape (n,).
        damaged: By condition the logits of those samples; NaN where one was not scored.
        cells: The model's undamaged cells of single images.
        validation: Positions of its validation samples.
    """

    model: str
    contents: RunContents
    positions: npt.NDArray[np.int64]
    logits: Floats
    labels: npt.NDArray[np.int64]
    damaged: dict[str, Floats]
    cells: tuple[Cell, ...]
    validation: npt.NDArray[np.int64]

    def auc_on(self, rows: npt.NDArray[np.int64]) -> float | None:
        """Give the AUC of some samples; None where it has none."""
        logits = self.contents.scores(self.model).logits(CLEAN.key, rows)
        labels = (self.contents.samples["label"].iloc[rows] == "fake").to_numpy()
        try:
            return auc(labels.astype(np.int64), logits)
        except UndefinedError:
            return None

    def classes(self) -> Iterator[Floats]:
        """Give the logits of each class that has enough, in the order of the samples."""
        for label in (0, 1):
            found = self.logits[self.labels == label]
            if len(found) >= FEWEST_SCORES // 2:
                yield found


def out_of_range(scores: SubmittedScores) -> str | None:
    """Refuse logits that no network gives."""
    largest = float(np.abs(scores.logits).max(initial=0))
    return f"a logit of {largest:g}, beyond {LARGEST_LOGIT:g}" if largest > LARGEST_LOGIT else None


def constant(scores: SubmittedScores) -> str | None:
    """Refuse one value for most samples."""
    if len(scores.logits) == 0:
        return None
    values, counts = np.unique(scores.logits, return_counts=True)
    share = float(counts.max() / counts.sum())
    if share <= MOST_OF_ONE_VALUE:
        return None
    return f"{share:.0%} of the scores are {values[counts.argmax()]:g}"


def quantised(scores: SubmittedScores) -> str | None:
    """Refuse a handful of values: decisions, not scores."""
    number = len(np.unique(scores.logits))
    if len(scores.logits) < FEWEST_SCORES or number >= FEWEST_VALUES:
        return None
    return f"{len(scores.logits):,} scores have {number} different values"


def are_labels(scores: SubmittedScores) -> str | None:
    """Refuse scores that are the labels with some noise: classes apart by far more than spread."""
    parts = list(scores.classes())
    if len(parts) < 2:
        return None
    real, fake = parts
    apart = abs(float(fake.mean() - real.mean()))
    spread = max(float(real.std()), float(fake.std()))
    gap = max(fake.min() - real.max(), real.min() - fake.max())
    if gap > 0 and apart > 10 * spread:
        return "the classes are apart by more than ten times their spread: scores made of labels"
    return None


def ordered(scores: SubmittedScores) -> str | None:
    """Refuse scores that follow the order of the samples, or the reverse, within a class."""
    for logits in scores.classes():
        ranks, places = rankdata(logits), np.arange(len(logits))
        if ranks.std() > 0 and abs(np.corrcoef(ranks, places)[0, 1]) > ORDERED:
            return "within a class, scores follow the order of the samples"
    return None


def ignores_damage(scores: SubmittedScores) -> str | None:
    """Refuse scores of damaged images that are those of the undamaged ones."""
    for condition, logits in scores.damaged.items():
        both = np.isfinite(logits)
        if both.sum() >= FEWEST_SCORES and np.array_equal(logits[both], scores.logits[both]):
            return f"the scores under {condition} are those of the undamaged images"
    return None


def upside_down(scores: SubmittedScores) -> str | None:
    """Refuse scores that are higher for real images: P(real) in place of P(fake)."""
    found = scores.auc_on(scores.validation)
    if found is None or found >= UPSIDE_DOWN or len(scores.validation) < FEWEST_SCORES:
        return None
    return f"AUC {found:.3f} on its own validation samples: greater must mean fake"


def too_good(scores: SubmittedScores) -> str | None:
    """Refuse what is better on forgeries it never saw than on its own validation samples."""
    own = scores.auc_on(scores.validation)
    unseen = [cell.test.rows for cell in scores.cells if cell.headline and not cell.seen]
    found = [value for rows in unseen if (value := scores.auc_on(rows)) is not None]
    if own is None or not found or len(scores.validation) < FEWEST_SCORES:
        return None
    mean = float(np.mean(found))
    fakes = (scores.contents.samples["label"].iloc[scores.validation] == "fake").sum()
    fewest = min(fakes, len(scores.validation) - fakes)
    # No AUC of so many samples of a class is less certain than this.
    error = float(np.sqrt(own * (1 - own) / fewest))
    if mean <= own + MOST_ABOVE_VALIDATION + 2 * error:
        return None
    return f"mean AUC {mean:.3f} on unseen forgeries, {own:.3f} on its own validation samples"


PATTERNS: dict[str, Callable[[SubmittedScores], str | None]] = {
    "scores-range": out_of_range,
    "scores-constant": constant,
    "scores-quantised": quantised,
    "scores-are-labels": are_labels,
    "scores-in-order": ordered,
    "scores-ignore-damage": ignores_damage,
    "scores-upside-down": upside_down,
    "scores-too-good": too_good,
}


def copied_from(contents: RunContents, model: str, accepted: list[Path]) -> str | None:
    """Name the accepted scores that a model's are the same as, or an affine function of."""
    path = contents.run / "scores" / f"{model}.parquet"
    mine = _by_sample(path)
    for other in accepted:
        theirs = _by_sample(other)
        shared = mine.keys() & theirs.keys()
        if len(shared) < FEWEST_SCORES or len(shared) < 0.9 * len(mine):
            continue
        pairs = np.array([(mine[key], theirs[key]) for key in sorted(shared)])
        if pairs.std(axis=0).min() == 0:
            continue
        correlation = float(np.corrcoef(pairs.T)[0, 1])
        if abs(correlation) > COPIED:
            same = np.array_equal(pairs[:, 0], pairs[:, 1])
            how = "are those" if same else "are an affine function of those"
            return f"the scores {how} of the accepted entry {other.parent.name}"
    return None


def _by_sample(path: Path) -> dict[tuple[str, str], float]:
    """Give the logits of undamaged images by dataset and sample."""
    table = pq.read_table(path).to_pandas()
    table = table[table["condition"] == CLEAN.key]
    keys = zip(table["dataset"], table["sample_id"], strict=True)
    return dict(zip(keys, table["logit"].astype(float), strict=True))
