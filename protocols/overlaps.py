"""What stands on two sides of a split: a person, a video, a pair or a file."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from protocols.pool import Positions
from protocols.sets import Expansion

# Values that name nothing: no such fact is known of the sample.
_UNKNOWN = ("", "missing")
_SEPARATOR = "\x1f"
KINDS = ("sha256", "identity", "pair", "group")


class Overlap(NamedTuple):
    """Values that two sides of one cell share.

    Attributes:
        training: The training set.
        side: ``train`` or ``val``: which of its splits.
        other: The test set, or ``val``.
        kind: ``sha256`` (one file), ``identity`` (a person within a source), ``pair`` (an edit
            and its original) or ``group`` (a video), the latter two within a dataset.
        number: How many values.
        first: The first of them.
    """

    training: str
    side: str
    other: str
    kind: str
    number: int
    first: str


def overlaps(expansion: Expansion, samples: pd.DataFrame) -> list[Overlap]:
    """Find everything that a model could have met in training and meets again in a test.

    Args:
        expansion: Of ``samples``.
        samples: As ``expand`` takes it.

    Returns:
        By training set, then side, test set and kind; validation against training comes first.
    """
    coded = {kind: _coded(samples, kind) for kind in KINDS}
    tests: dict[str, dict[tuple[str, str], Positions]] = {}
    for cell in expansion.cells:
        tests.setdefault(cell.training, {})[cell.test.role, cell.test.name] = cell.test.rows
    found = []
    for training in expansion.training_sets:
        others = {"val": training.val} | {
            name if len(expansion.protocol.roles) == 1 else f"{name} ({role})": rows
            for (role, name), rows in tests[training.name].items()
        }
        for side, rows in (("train", training.rows), ("val", training.val)):
            for other, other_rows in others.items():
                if other == side:
                    continue
                for kind, (codes, names) in coded.items():
                    shared = _shared(codes, len(names), rows, other_rows)
                    if len(shared):
                        first = str(min(names[shared])).rpartition(_SEPARATOR)[2]
                        found.append(Overlap(training.name, side, other, kind, len(shared), first))
    return found


def unstated(samples: pd.DataFrame) -> list[str]:
    """List the kinds of overlap that cannot be found, since no sample states such a value."""
    known = {kind: ~samples[kind].isin(_UNKNOWN) for kind in KINDS}
    known["group"] &= samples["group"] != samples["sample_id"]
    return [kind for kind in KINDS if not known[kind].any()]


def _coded(samples: pd.DataFrame, kind: str) -> tuple[Positions, npt.NDArray[np.object_]]:
    """Number the values of a column; -1 where nothing is known."""
    values = samples[kind]
    if kind == "identity":
        values = samples["source"] + _SEPARATOR + values
    elif kind in ("pair", "group"):
        values = samples["dataset"] + _SEPARATOR + values
    codes, names = pd.factorize(values.to_numpy(dtype=object))
    unknown = samples[kind].isin(_UNKNOWN).to_numpy()
    return np.where(unknown, -1, codes).astype(np.int64), names


def _shared(codes: Positions, count: int, left: Positions, right: Positions) -> Positions:
    """Give the numbers that stand on both sides, ascending."""
    there = np.zeros((2, count + 1), dtype=bool)  # the last place is that of -1
    there[0, codes[left]] = True
    there[1, codes[right]] = True
    return np.flatnonzero(there[:, :-1].all(axis=0)).astype(np.int64)


def overlap_sentences(expansion: Expansion, samples: pd.DataFrame) -> list[str]:
    """Say what stands on two sides of a protocol, or in both classes: one sentence a kind.

    Args:
        expansion: Of ``samples``.
        samples: As ``expand`` takes it.
    """
    by_kind: dict[str, list[Overlap]] = {}
    for each in overlaps(expansion, samples):
        by_kind.setdefault(each.kind, []).append(each)
    title = expansion.protocol.title
    said = []
    for kind, found in by_kind.items():
        most = max(found, key=lambda each: each.number)
        said.append(
            f"{title}: {most.number} values of {kind} ('{most.first[:40]}' first) stand in "
            f"{most.side} of '{most.training}' and in {most.other}"
            + (f", and others on {len(found) - 1} more pairs of sides" if len(found) > 1 else "")
        )
    return said + _in_both_classes(samples)


def _in_both_classes(samples: pd.DataFrame) -> list[str]:
    """Say which files of the same bytes are called real and forged."""
    known = samples.loc[~samples["sha256"].isin(_UNKNOWN), ["sample_id", "sha256", "label"]]
    known = known[known["sha256"].duplicated(keep=False)]
    # Frames of one video share its bytes, and parts of it may be forged.
    if known.empty:
        return []
    files = known.assign(file=known["sample_id"].map(lambda text: text.partition("#")[0]))
    each = files.groupby("sha256")[["label", "file"]].nunique()
    both = each.index[(each["label"] > 1) & (each["file"] > 1)]
    if both.empty:
        return []
    first = files[files["sha256"] == both[0]].drop_duplicates("label")["sample_id"]
    return [
        f"{len(both)} contents are called both real and forged: '{first.iloc[0]}' and "
        f"'{first.iloc[1]}' are the same bytes"
    ]
