"""Rows of a manifest that is being made, for millions of images."""

from collections.abc import Callable, Iterator, Mapping
from sys import intern


class Rows(Mapping[str, dict[str, str]]):
    """Sample id -> its columns; samples whose columns are equal share them in memory.

    A dataset of 10^6 images has a few thousand distinct rows, so what is kept for an image is its
    id and a reference. A row that was got is a copy: ``put`` changes it.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        """Begin without a row.

        Args:
            names: The columns to begin with, in order; others follow as they come.
        """
        self._names = dict.fromkeys(names)
        self._rows: dict[str, tuple[str, ...]] = {}
        self._known: dict[tuple[str, ...], tuple[str, ...]] = {}

    def put(self, sample_id: str, row: Mapping[str, str]) -> None:
        """Set the columns of a sample; one that is left out is empty."""
        self._names.update(dict.fromkeys(row))
        values = tuple(intern(row.get(name, "")) for name in self._names)
        self._rows[sample_id] = self._known.setdefault(values, values)

    def change(self, made: Callable[[dict[str, str]], Mapping[str, str]]) -> None:
        """Change all rows by a function of the row alone; of equal rows one is asked."""
        changed: dict[tuple[str, ...], tuple[str, ...]] = {}
        for values in set(self._rows.values()):
            row = made(self._row(values))
            self._names.update(dict.fromkeys(row))
            new = tuple(intern(row.get(name, "")) for name in self._names)
            changed[values] = self._known.setdefault(new, new)
        for sample_id, values in self._rows.items():
            self._rows[sample_id] = changed[values]

    def drop(self, sample_id: str) -> None:
        """Forget a sample."""
        del self._rows[sample_id]

    def column(self, name: str) -> list[str]:
        """Give a column of all samples, in the order in which they came."""
        place = list(self._names).index(name)
        return [row[place] if place < len(row) else "" for row in self._rows.values()]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns there are."""
        return tuple(self._names)

    def __getitem__(self, sample_id: str) -> dict[str, str]:
        return self._row(self._rows[sample_id])

    def _row(self, values: tuple[str, ...]) -> dict[str, str]:
        return dict.fromkeys(self._names, "") | dict(zip(self._names, values, strict=False))

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)
