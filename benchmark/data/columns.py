"""What the columns of outside scores mean: which is the id, which the score, and which way up.

Nothing is guessed. What a name says is taken; what it does not say, the user states; and which way
up a score is may be proven against the labels, which is told.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmark.data.outside import OutsideTable
from benchmark.errors import BenchmarkError
from protocols.files import plain_number
from protocols.text import printable
from results.store import MOST_LOGIT

_Kind = Literal["logit", "probability"]
Positive = Literal["fake", "real", "prove"]
_Floats = npt.NDArray[np.float64]

_IDS = (
    "sample_id", "path", "file", "files", "filename", "file_name", "filepath", "file_path", "image",
    "images", "image_path", "image path", "img", "img_path", "frame_path", "video", "video_path",
    "id", "name",
)  # fmt: skip
_STATUS, _CONDITION, _ROLE, _FRAME = "status", "condition", "dataset", "frame"
_DONE = ("", "ok", "done", "success", "scored")
_NEUTRAL = (
    "score", "scores", "logit", "logits", "prob", "probs", "probability", "pred", "preds",
    "prediction", "predictions", "output", "outputs", "p",
)  # fmt: skip
_WORDS = {"logit": "logit", "logits": "logit", "prob": "probability", "p": "probability"}
_WORDS |= {"probs": "probability", "probability": "probability", "softmax": "probability"}
_WHOLE = re.compile("[0-9]{1,9}")  # a frame's number, as manifests have it
_SHOWN = 40  # signs of a wrong value
# A probability of 0 or 1 has no logit: it is taken as this far from it, or closer if others are.
_EDGE = 1e-9
_TOO_LARGE = f"is no logit within {MOST_LOGIT:g} of 0"
_SUM = 0.01  # what two rounded probabilities may be off 1


@dataclass(frozen=True, kw_only=True)
class Stated:
    """What the user states of the columns; what is None follows from their names.

    Attributes:
        id: The column of the ids.
        score: The column of the scores.
        fake: With ``real``, the two columns of a score a class.
        kind: Whether they are logits or probabilities.
        positive: Which class a greater score means, or ``prove``.
    """

    id: str | None = None
    score: str | None = None
    fake: str | None = None
    real: str | None = None
    kind: _Kind | None = None
    positive: Positive | None = None


class OutsideScores(NamedTuple):
    """Scores of a file, row by row.

    Attributes:
        ids: What the file calls the images or videos.
        roles: The role each row states; "" where it states none.
        conditions: The condition each row states; "" where it states none.
        logits: Logits, greater for what ``positive`` is; NaN where a row has no score.
        status: Why a row has no score; "" where it has one.
        positive: ``fake``, ``real``, or ``prove`` where that is still to be shown.
        kind: What they were.
        stated: Who says which way up they are: ``the user``, ``the column's name``, or whose
            evaluation it is.
        clipped: Probabilities of exactly 0 or 1.
        first_row: Number of the first row.
    """

    ids: list[str]
    roles: list[str]
    conditions: list[str]
    logits: _Floats
    status: list[str]
    positive: Positive
    kind: str
    stated: str
    clipped: int
    first_row: int


def scores_of(table: OutsideTable, stated: Stated, path: Path) -> OutsideScores:
    """Find what the columns mean and turn the scores to logits.

    Raises:
        BenchmarkError: A column is not there or several may be meant, a value is no number, or
            what is not stated does not follow from the names.
    """
    named = _Named(table, path)
    ids = named.column(stated.id) if stated.id else named.only("an id", _IDS, "--id COLUMN")
    ids = _with_frames(ids, named.optional(_FRAME), path, table.first_row)
    status = [value.lower() for value in named.optional(_STATUS)]
    raw, kind, positive, said = _raw(named, stated, table.source)
    given = [done if done not in _DONE else "" for done in status]
    values, given, clipped = _logits(raw, kind, given, named, table.first_row)
    roles, conditions = named.optional(_ROLE), named.optional(_CONDITION)
    return OutsideScores(
        ids, roles, conditions, values, given, positive, kind, said, clipped, table.first_row
    )


class _Named:
    """The columns of a file by name, whatever the case."""

    def __init__(self, table: OutsideTable, path: Path) -> None:
        self._table, self.path = table, path
        self._lower = {name.lower(): name for name in table.columns}
        other = next((n for n in table.columns if self._lower[n.lower()] != n), None)
        if other is not None:
            both = f"'{printable(other)}' and '{printable(self._lower[other.lower()])}'"
            raise BenchmarkError(f"{path}: the columns {both} differ by case alone: rename one")

    @property
    def told(self) -> str:
        """List the columns."""
        return ", ".join(printable(name) for name in self._table.columns)

    def has(self, name: str) -> bool:
        """Tell whether there is a column of that name."""
        return name.lower() in self._lower

    def column(self, name: str) -> list[str]:
        """Give a column that is stated."""
        if not self.has(name):
            raise BenchmarkError(f"{self.path}: there is no column '{name}'; there are {self.told}")
        return self._table.columns[self._lower[name.lower()]]

    def optional(self, name: str) -> list[str]:
        """Give a column, or empty cells."""
        return self.column(name) if self.has(name) else [""] * len(self._table)

    def only(self, what: str, names: tuple[str, ...], option: str) -> list[str]:
        """Give the only column of some names."""
        return self.column(self.name(what, names, option))

    def name(self, what: str, names: tuple[str, ...], option: str) -> str:
        """Name the only column of some names.

        Raises:
            BenchmarkError: There is none, or there are several.
        """
        found = [name for name in names if self.has(name)]
        if len(found) != 1:
            which = f"several columns may be {what}: {', '.join(found)}"
            none = f"no column is known to be {what}; there are {self.told}"
            raise BenchmarkError(f"{self.path}: {which if found else none}; say which: {option}")
        return found[0]

    def classes(self) -> dict[str, list[str]]:
        """Name the columns whose names say of which class they are, by class."""
        found: dict[str, list[str]] = {"fake": [], "real": []}
        for name in self._lower:
            words = name.replace("-", "_").replace(" ", "_").split("_")
            for label, others in (("fake", ("fake", "forged")), ("real", ("real",))):
                if set(words) & set(others) and set(words) - set(others) <= {*_NEUTRAL, "softmax"}:
                    found[label].append(name)
        return found


def _with_frames(ids: list[str], frames: list[str], path: Path, first_row: int) -> list[str]:
    """Add the frame of a video to its id, as manifests do."""
    for row, frame in enumerate(frames, start=first_row):
        if frame and not _WHOLE.fullmatch(frame):
            shown = printable(frame)[:_SHOWN]
            raise BenchmarkError(
                f"{path}, row {row}: 'frame' is not a whole number from 0, but '{shown}'"
            )
    return [f"{i}#frame={int(f)}" if f else i for i, f in zip(ids, frames, strict=True)]


def _raw(
    named: _Named, stated: Stated, source: str
) -> tuple[tuple[list[str], list[str] | None], _Kind, Positive, str]:
    """Find the scores: one column, or one of fakes and one of reals; their kind; which way up."""
    if source == "GenD":
        return _gend(named)
    if stated.fake or stated.real:
        if not (stated.fake and stated.real) or stated.score:
            raise BenchmarkError("--fake and --real go together: a column each, without --score")
        both = named.column(stated.fake), named.column(stated.real)
        return both, _kind(named, stated, stated.fake), "fake", "the user"
    classes = named.classes()
    if stated.score is None:
        if len(classes["fake"]) == 1 and named.has("logit"):  # as `forgerybench score` writes it
            return (named.column("logit"), None), "logit", "fake", "the column's name"
        if [len(some) for some in classes.values()] == [1, 1]:
            (fake,), (real,) = classes.values()
            both = named.column(fake), named.column(real)
            return both, _kind(named, stated, fake), "fake", "the column's name"
    known = (*classes["fake"], *classes["real"], *_NEUTRAL)
    name = stated.score or named.name("the score", known, "--score COLUMN, or --fake and --real")
    column = named.column(name)
    of = [label for label, some in classes.items() if name.lower() in some]
    said = source or "the column's name"
    if stated.positive is None and not of:
        raise BenchmarkError(
            f"{named.path}: column '{name}' does not say which class a greater score means: say "
            "--positive fake or --positive real, or let the labels show it: --positive prove"
        )
    if stated.positive in ("fake", "real") and of and of[0] != stated.positive:
        raise BenchmarkError(
            f"{named.path}: column '{name}' is called after the {of[0]} class, and --positive says "
            f"{stated.positive}: rename it, or say --positive {of[0]}"
        )
    positive: Positive = stated.positive or ("fake" if of[0] == "fake" else "real")
    return (column, None), _kind(named, stated, name), positive, said if of else "the user"


def _gend(named: _Named) -> tuple[tuple[list[str], list[str] | None], _Kind, Positive, str]:
    """Take GenD's classes: 0 is real, all others are fakes of some kind."""
    real = named.column("prob_class_0")
    fake = [_rest(value) for value in real]
    if named.has("prob_class_1") and not named.has("prob_class_2"):
        fake = named.column("prob_class_1")
    return (fake, real), "probability", "fake", "GenD"


def _rest(value: str) -> str:
    """Give the other class's probability; what is no number stays, to be told with its row."""
    try:
        return repr(1 - plain_number(value))
    except ValueError:
        return value


def _kind(named: _Named, stated: Stated, name: str) -> _Kind:
    """Tell logits from probabilities: as stated, else as the column's name says."""
    if stated.kind is not None:
        return stated.kind
    words = name.lower().replace("-", "_").replace(" ", "_").split("_")
    found = {_WORDS[word] for word in words if word in _WORDS}
    if len(found) != 1:
        raise BenchmarkError(
            f"{named.path}: column '{name}' does not say whether it holds logits or probabilities: "
            "say --kind logit or --kind probability"
        )
    return "logit" if found == {"logit"} else "probability"


def _logits(
    raw: tuple[list[str], list[str] | None],
    kind: _Kind,
    status: list[str],
    named: _Named,
    first_row: int,
) -> tuple[_Floats, list[str], int]:
    """Turn scores to logits; an empty one, or one of a row that says it failed, is none."""
    first, second = raw
    empty = [not value or bool(why) for value, why in zip(first, status, strict=True)]
    told = [why or ("no score" if none else "") for why, none in zip(status, empty, strict=True)]
    given = ~np.array(empty, dtype=bool)
    values = _numbers(first, given, named.path, first_row)
    other = None if second is None else _numbers(second, given, named.path, first_row)
    if kind == "logit":
        with np.errstate(over="ignore"):  # what overflows is refused
            logits = values if other is None else values - other
        _refuse(given & ~(np.abs(logits) <= MOST_LOGIT), logits, _TOO_LARGE, named, first_row)
        return logits, told, 0
    for each in (values, *(() if other is None else (other,))):
        _refuse(given & ~((each >= 0) & (each <= 1)), each, "is no probability", named, first_row)
    if other is not None:
        off = np.abs(values + other - 1) > _SUM
        _refuse(given & off, values + other, "is the sum of both, not 1", named, first_row)
    rest = 1 - values if other is None else other
    inside = values[given], rest[given]
    edges = [min(_EDGE, float(part[part > 0].min(initial=1)) / 2) for part in inside]
    clipped = sum(int((part == 0).sum()) for part in inside)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.log(np.maximum(values, edges[0])) - np.log(np.maximum(rest, edges[1]))
    return np.where(given, found, np.nan), told, clipped


def _numbers(texts: list[str], given: npt.NDArray[np.bool_], path: Path, first_row: int) -> _Floats:
    """Read the numbers of the rows that have one."""
    values = np.full(len(texts), np.nan)
    for row in np.flatnonzero(given).tolist():
        try:
            values[row] = plain_number(texts[row])
        except ValueError as error:
            raise BenchmarkError(f"{path}, row {row + first_row}: {error}") from error
    wrong = given & ~np.isfinite(values)
    if wrong.any():
        at = int(wrong.argmax())
        shown, rows = texts[at][:_SHOWN], int(wrong.sum())
        raise BenchmarkError(
            f"{path}, row {at + first_row}: {shown} is no finite number ({rows} such rows); leave "
            "the cell empty, or say why in a column 'status'"
        )
    return values


def _refuse(
    wrong: npt.NDArray[np.bool_], values: _Floats, what: str, named: _Named, first_row: int
) -> None:
    """Raise BenchmarkError where a row is wrong."""
    if wrong.any():
        at = int(wrong.argmax())
        raise BenchmarkError(
            f"{named.path}, row {at + first_row}: {values[at]:g} {what} ({int(wrong.sum())} such "
            "rows)" + ("" if what == _TOO_LARGE else "; if these are logits, say --kind logit")
        )
