"""Numbers that others have published, as they are in print: never measured here.

``published/literature/*.csv`` holds one number a row, ``names.csv`` beside them says which of our
protocols, sets and detectors a source's names mean; a name that could mean two is not in it.
They lie in the repository, not in the installed package.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from results.errors import ResultError
from results.metrics.registry import METRICS

_FOLDER = Path(__file__).parent / "published" / "literature"
NAMES = "names.csv"
# How the weights that were tested were chosen: by validation samples, as they were in the end, the
# best for each test set, or not said. Only the first two say how a detector does on unseen images.
WeightSelection = Literal["val", "last", "test-best", "unknown"]
_Text = Annotated[str, Field(min_length=1)]
_COMPARED = ("ACC", "AUC")
# Published, and measured by nobody here.
_ELSEWHERE = ("mIoU",)


class _Row(BaseModel):
    """A row of a file: unknown and missing columns are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Reported(_Row):
    """One published number.

    Attributes:
        model: What the source calls the detector; ``train`` and ``test`` the sets.
        level: What it is over.
        metric: One of ours that lies in [0, 1], such as ``AUC``; or ``mIoU``, of forged regions.
        value: In [0, 1], with the digits that are printed.
        selection: How the tested weights were chosen.
        source: Where it is from; ``table`` where in it.
        repeated: Whether the source prints the same numbers for another cell too, which may be a
            slip of its own.
        doubtful: Whether its AUC is below 2 ACC - 1 of the same cell, as no scores give where both
            classes are as many: a slip in print, or classes that are not.
    """

    model: _Text
    train: _Text
    test: _Text
    level: Literal["image", "video"]
    metric: str
    value: Annotated[Decimal, Field(ge=0, le=1)]
    selection: WeightSelection
    source: _Text
    table: _Text
    repeated: bool
    doubtful: bool

    @field_validator("metric")
    @classmethod
    def _known(cls, name: str) -> str:
        choices = [*(n for n, each in METRICS.items() if each.bounds == (0, 1)), *_ELSEWHERE]
        if name not in choices:
            raise ValueError(f"is '{name}', not one of {', '.join(choices)}")
        return name

    @field_validator("repeated", "doubtful", mode="before")
    @classmethod
    def _told(cls, text: str) -> bool:
        if text not in ("true", "false"):
            raise ValueError(f"is true or false, not '{text}'")
        return text == "true"


class Name(_Row):
    """What a name of a source means here.

    Attributes:
        source: Of ``Reported``; ``table`` likewise, empty where it holds for all.
        kind: What is named.
        published: The source's name.
        protocol: Our protocol; empty for a model.
        ours: Our name: a detector of the catalog, a training or a test set of the protocol.
    """

    source: _Text
    table: str
    kind: Literal["model", "train", "test"]
    published: _Text
    protocol: str
    ours: _Text


class MatchedNumber(BaseModel):
    """A published number under the names of one of our protocols.

    Attributes:
        reported: The number as it is in print.
        training: Our training set; ``test`` our test set.
        detectors: Detectors of the catalog that are meant; none where we have none.
    """

    model_config = ConfigDict(frozen=True)
    reported: Reported
    training: str
    test: str
    detectors: tuple[str, ...]


class Literature:
    """All published numbers that there are here.

    Attributes:
        numbers: In the order of the files.
        names: What their names mean.
    """

    def __init__(self, numbers: Sequence[Reported], names: Sequence[Name]) -> None:
        """Hold what was read."""
        self.numbers, self.names = tuple(numbers), tuple(names)

    def by_table(self) -> "dict[tuple[str, str], Literature]":
        """Part the numbers by source and table, in order."""
        parts = defaultdict(list)
        for number in self.numbers:
            parts[number.source, number.table].append(number)
        return {where: Literature(numbers, self.names) for where, numbers in parts.items()}

    def under(self, protocol: str) -> list[MatchedNumber]:
        """Give the numbers whose training and test set are sets of a protocol."""
        sets = {
            (name.source, name.table, name.kind, name.published): name.ours
            for name in self.names
            if name.protocol == protocol
        }
        models = defaultdict(list)
        for name in self.names:
            if name.kind == "model":
                models[name.source, name.published].append(name.ours)
        found = []
        for number in self.numbers:
            training = sets.get((number.source, number.table, "train", number.train))
            test = sets.get((number.source, number.table, "test", number.test))
            if training and test:
                detectors = tuple(models.get((number.source, number.model), ()))
                found.append(
                    MatchedNumber(
                        reported=number, training=training, test=test, detectors=detectors
                    )
                )
        return found


def is_here(folder: str | Path = _FOLDER) -> bool:
    """Tell whether the published numbers are part of this installation."""
    return (Path(folder) / NAMES).is_file()


def read_literature(folder: str | Path = _FOLDER) -> Literature:
    """Read every published number.

    Args:
        folder: Of ``names.csv`` and the files of numbers.

    Raises:
        ResultError: The folder is not there; or a file breaks its form, states a number twice, or
            does not mark the numbers that its source repeats, or that rule each other out.
    """
    folder = Path(folder)
    if not is_here(folder):
        raise ResultError(
            f"{folder}: there are no published numbers; they are part of the repository, not of "
            "the installed package"
        )
    numbers: list[Reported] = []
    for path in sorted(folder.glob("*.csv")):
        if path.name != NAMES:
            rows = _read(path, Reported)
            _check(path, rows)
            numbers += rows
    names = _read(folder / NAMES, Name)
    sources = {number.source for number in numbers}
    for name in names:
        if name.source not in sources:
            raise ResultError(f"{folder / NAMES}: no number is from '{name.source}'")
    return Literature(numbers, names)


_RowType = TypeVar("_RowType", Reported, Name)


def _read(path: Path, kind: type[_RowType]) -> list[_RowType]:
    """Read the rows of a file; the first thing wrong is named."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        columns = list(kind.model_fields)
        if reader.fieldnames != columns:
            there = ", ".join(reader.fieldnames or ["none"])
            raise ResultError(f"{path}: the columns must be {', '.join(columns)}; found {there}")
        rows = []
        for row in reader:
            try:
                rows.append(kind.model_validate(row))
            except ValidationError as error:
                first = error.errors()[0]
                key = ".".join(str(part) for part in first["loc"])
                said = first["msg"].removeprefix("Value error, ")
                said = f"'{key}' is wrong: {said[:1].lower()}{said[1:]}"
                raise ResultError(f"{path}: line {reader.line_num}: {said}") from error
    return rows


def _check(path: Path, numbers: Iterable[Reported]) -> None:
    """Hold that a number stands there once, and is marked exactly where it must be."""
    cells: dict[tuple[str, ...], dict[str, Reported]] = {}
    for number in numbers:
        names = (number.source, number.table, number.train, number.model, number.test)
        cell: tuple[str, ...] = (*names, number.level)
        of_cell = cells.setdefault(cell, {})
        if number.metric in of_cell:
            raise ResultError(f"{path}: two values of {number.metric} for {', '.join(cell[1:5])}")
        of_cell[number.metric] = number
    repeated = _repeated(cells)
    for cell, of_cell in cells.items():
        for number in of_cell.values():
            if number.repeated != (cell in repeated):
                is_so = "are" if cell in repeated else "are not"
                raise ResultError(
                    f"{path}: the numbers of {', '.join(cell[1:5])} {is_so} those of another cell "
                    f"of the source too, but 'repeated' says {str(number.repeated).lower()}"
                )
            if number.doubtful != (number.metric in _COMPARED and _is_doubtful(of_cell)):
                raise ResultError(
                    f"{path}: whether the AUC of {', '.join(cell[1:5])} is below 2 ACC - 1, which "
                    "classes of one size rule out, is not what 'doubtful' says: "
                    f"{str(number.doubtful).lower()}"
                )


def _is_doubtful(of_cell: dict[str, Reported]) -> bool:
    """Tell whether no scores give both accuracy and AUC, whatever was rounded off in print.

    A threshold of this accuracy has TPR + 1 - FPR = 2 ACC where both classes are as many; the area
    above and left of its point is TPR (1 - FPR), which is least where one of them is 1.
    """
    if not all(metric in of_cell for metric in _COMPARED):
        return False
    accuracy, area = (of_cell[metric].value for metric in _COMPARED)
    units = (Decimal(1).scaleb(int(value.as_tuple().exponent)) for value in (accuracy, area))
    of_accuracy, of_area = (unit / 2 for unit in units)
    return area + of_area < 2 * (accuracy - of_accuracy) - 1


def _repeated(cells: dict[tuple[str, ...], dict[str, Reported]]) -> set[tuple[str, ...]]:
    """Find the cells whose numbers stand in their source twice.

    Two numbers that both agree are no chance; one alone is looked for within its test set.
    """
    alike = defaultdict(list)
    for cell, of_cell in cells.items():
        values = tuple(of_cell[m].value if m in of_cell else None for m in _COMPARED)
        source, _, train, _, test, _ = cell
        if None not in values:
            alike[source, values, ""].append(cell)
        elif values != (None, None):
            alike[source, values, f"{train}, {test}"].append(cell)
    return {cell for same in alike.values() if len(same) > 1 for cell in same}
