"""The rows of a file of outside scores among the samples of a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmark.data.columns import OutsideScores
from benchmark.data.matching import AMBIGUOUS, UNMATCHED, Matcher
from benchmark.errors import BenchmarkError
from protocols import CLEAN
from protocols.conditions import Condition
from protocols.pool import Positions
from protocols.text import printable
from results.metrics.checking import Floats
from results.metrics.functions import auc

By = Literal["sample", "group"]
_PROVEN = 4.0  # standard errors that an AUC must be off chance to show which way up scores are


class MatchedRows(NamedTuple):
    """The rows of a file among the samples.

    Attributes:
        places: Position of each row's sample, or of the first one of its group; below 0: of none.
        why: Why a row is of no sample; "" where it is of one.
        conditions: The key of each row's condition.
        first: Whether it is the first row of its sample and condition.
    """

    places: Positions
    why: list[str]
    conditions: list[str]
    first: npt.NDArray[np.bool_]

    @property
    def repeated(self) -> int:
        """How many rows say again what a row before says."""
        return int(((self.places >= 0) & ~self.first).sum())


def matched_rows(
    given: OutsideScores,
    samples: pd.DataFrame,
    conditions: Sequence[Condition],
    *,
    by: By,
    path: Path,
) -> MatchedRows:
    """Find the sample, or the group of samples, and the condition of each row.

    Raises:
        BenchmarkError: No row is of a sample, or two rows of one say different things.
    """
    names = {condition.label: condition.key for condition in conditions}
    keys = {"": CLEAN.key, **names, **{c.key: c.key for c in conditions}}
    places = _Places(samples, "sample_id" if by == "sample" else "group")
    at = np.full(len(given.ids), UNMATCHED, dtype=np.int64)
    why = []
    for row, name in enumerate(given.ids):
        at[row], reason = places.find(name, given.roles[row])
        if given.conditions[row] not in keys:
            at[row], reason = UNMATCHED, f"the run has no condition '{given.conditions[row]}'"
        why.append(reason)
    if not (at >= 0).any():
        raise BenchmarkError(
            f"{path}: none of its {len(at)} rows is of a {by} of the data; its first is "
            f"'{printable(given.ids[0])}' ({why[0]}), the data's '{places.example}'"
        )
    said = [keys.get(condition, "") for condition in given.conditions]
    return MatchedRows(at, why, said, _first(given, at, said, path))


class _Places:
    """Where the samples or groups of a run are, by name."""

    def __init__(self, samples: pd.DataFrame, column: str) -> None:
        self._datasets, self._names = samples["dataset"].to_numpy(), samples[column].to_numpy()
        is_first = ~samples.duplicated(["dataset", column]).to_numpy()
        self._chosen = is_first & (self._names != "")
        self._known: dict[str, tuple[Positions, Matcher]] = {}
        self._column = column

    @property
    def example(self) -> str:
        """Give the first name."""
        named = self._names[self._chosen]
        return printable(str(named[0])) if len(named) else f"nothing: no {self._column} is stated"

    def find(self, name: str, role: str) -> tuple[int, str]:
        """Give the position of what is called ``name``, of a role if one is stated; or why not."""
        if role not in self._known:
            here = self._chosen & ((self._datasets == role) if role else True)
            rows = np.flatnonzero(here).astype(np.int64)
            self._known[role] = rows, Matcher(self._names[rows].tolist())
        rows, matcher = self._known[role]
        found = matcher.find(name)
        if found == AMBIGUOUS:
            return found, f"several {self._column}s of the data may be meant"
        if found == UNMATCHED:
            return found, "not in the data" if len(rows) else f"there is no dataset '{role}'"
        return int(rows[found]), ""


def _first(
    given: OutsideScores, at: Positions, conditions: list[str], path: Path
) -> npt.NDArray[np.bool_]:
    """Tell which rows are the first of their sample and condition; others must say the same."""
    table = pd.DataFrame(
        {"at": at, "condition": conditions, "value": given.logits, "status": given.status}
    )
    key = ["at", "condition"]
    is_first: npt.NDArray[np.bool_] = ~table.duplicated(key).to_numpy()
    again = table[(at >= 0) & table.duplicated(key, keep=False).to_numpy()]
    if len(again):
        same = again.fillna({"value": np.inf}).groupby(key)[["value", "status"]].nunique()
        differ = same[(same > 1).any(axis=1)]
        if len(differ):
            where, condition = differ.index[0]
            rows = again[(again["at"] == where) & (again["condition"] == condition)].index[:2]
            first, second = (int(row) + given.first_row for row in rows)
            raise BenchmarkError(
                f"{path}: rows {first} and {second} are both of '{printable(given.ids[rows[0]])}' "
                f"and say different things ({len(differ)} such): one score a sample and condition"
            )
    return is_first


def turned(
    given: OutsideScores, rows: MatchedRows, samples: pd.DataFrame, *, path: Path
) -> tuple[Floats, str]:
    """Give the logits of fake, and what says which way up they are.

    Where it is to be proven, the AUC of undamaged images must be far off chance.

    Raises:
        BenchmarkError: It cannot be shown.
    """
    if given.positive != "prove":
        said = f"greater means {given.positive}, as {given.stated} says"
        return (given.logits if given.positive == "fake" else -given.logits), said
    is_clean = np.array([condition == CLEAN.key for condition in rows.conditions])
    used = (rows.places >= 0) & rows.first & is_clean & np.isfinite(given.logits)
    labels = (samples["label"].to_numpy()[rows.places[used]] == "fake").astype(np.int64)
    fakes, reals = int(labels.sum()), int((1 - labels).sum())
    found = auc(labels, given.logits[used]) if fakes and reals else 0.5
    error = ((fakes + reals + 1) / (12 * max(fakes * reals, 1))) ** 0.5
    if abs(found - 0.5) < _PROVEN * error:
        raise BenchmarkError(
            f"{path}: which way up its scores are does not show: their AUC over {reals} real and "
            f"{fakes} forged samples is {found:.3f}; state it with --positive fake or real"
        )
    up = "fake" if found > 0.5 else "real"
    clear = max(found, 1 - found)
    said = (
        f"greater means {up}, which nobody stated: the labels show it (AUC {clear:.3f} over "
        f"{reals} real and {fakes} forged samples)"
    )
    return (given.logits if up == "fake" else -given.logits), said


def spread(
    rows: MatchedRows, values: Floats, samples: pd.DataFrame, *, by: By
) -> Mapping[str, tuple[Positions, Floats]]:
    """Give the positions and logits of samples by condition; a group's is that of all in it."""
    used = (rows.places >= 0) & rows.first & np.isfinite(values)
    conditions = np.array(rows.conditions, dtype=object)
    groups = pd.factorize(samples["dataset"] + "\x1f" + samples["group"])[0]
    found = {}
    for condition in dict.fromkeys(conditions[used]):
        here = used & (conditions == condition)
        at, logits = rows.places[here], values[here]
        if by == "group":
            of_group = np.full(groups.max() + 1, np.nan)
            of_group[groups[at]] = logits
            each = np.where(samples["group"].to_numpy() == "", np.nan, of_group[groups])
            at = np.flatnonzero(np.isfinite(each)).astype(np.int64)
            logits = each[at]
        found[str(condition)] = at, logits
    return found
