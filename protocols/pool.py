"""A samples table in codes: selecting is comparing integers, fast on hundreds of thousands."""

import hashlib
from collections.abc import Iterable
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

Positions = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
_NUMBER = r"(\d+)(?:\.[^./]*)?$"
FACE_BOX = r"[#&]xywh=[\d,]+$"


class Pool:
    """The samples of all bound datasets, asked by role, split and column.

    Attributes:
        samples: The table.
        fake: Which samples are forged, shape (n,).
        readable: Which samples have no problem, shape (n,).
        roles: The datasets that have samples.
    """

    def __init__(self, samples: pd.DataFrame, draw_seed: int, frames: int | None) -> None:
        """Code the table.

        Args:
            samples: As ``protocols.expand`` takes it.
            draw_seed: Of the subsets that are drawn.
            frames: Frames a group, evenly spaced; the others are not there. None: all are.
        """
        self.samples = samples
        self._codes: dict[str, tuple[Positions, npt.NDArray[np.object_]]] = {}
        self.fake = self.isin("label", ("fake",))
        self.readable = self.isin("problem", ("",))
        self.roles = frozenset(samples["dataset"].unique())
        self._draw_seed = draw_seed
        self._ids = samples["sample_id"].to_numpy()
        self._there = np.ones(len(samples), dtype=bool) if frames is None else self._spaced(frames)

    def isin(self, column: str, values: Iterable[str]) -> Mask:
        """Tell which samples have one of the values."""
        codes, names = self._coded(column)
        wanted = set(values)
        chosen: Mask = np.array([name in wanted for name in names], dtype=bool)[codes]
        return chosen

    def values(self, column: str, of: Mask) -> list[str]:
        """List the values that a column has among some samples, sorted."""
        codes, names = self._coded(column)
        return sorted(names[np.unique(codes[of])])

    def of_class(self, role: str, splits: Iterable[str], *, fake: bool) -> Mask:
        """Tell which samples are of a dataset, some splits and one class."""
        here = self.isin("dataset", (role,)) & self.isin("split", splits) & self._there
        chosen: Mask = here & (self.fake if fake else ~self.fake)
        return chosen

    def mask(self, rows: Positions) -> Mask:
        """Give positions as a mask."""
        chosen = np.zeros(len(self.fake), dtype=bool)
        chosen[rows] = True
        return chosen

    def forged(self, rows: Positions) -> Mask:
        """Tell which samples are the forged ones among some positions."""
        return self.mask(rows) & self.fake

    def counts(self, column: str, of: Mask) -> dict[str, int]:
        """Count some samples by the values of a column, in their order."""
        codes, names = self._coded(column)
        numbers = np.bincount(codes[of], minlength=len(names))
        found = {str(name): int(n) for name, n in zip(names, numbers, strict=True) if n}
        return dict(sorted(found.items()))

    def draw(self, of: Mask, count: int) -> Mask:
        """Keep ``count`` samples: those with the smallest sha256 of (seed, sample id)."""
        rows = np.flatnonzero(of)
        if len(rows) <= count:
            return of
        kept = np.zeros(len(of), dtype=bool)
        kept[rows[np.argsort(self._lots[rows], kind="stable")[:count]]] = True
        return kept

    @cached_property
    def _lots(self) -> npt.NDArray[np.bytes_]:
        """Give what each sample is drawn by: the digests, which sort as bytes."""
        prefix = f"{self._draw_seed}\x1f"
        texts = (f"{prefix}{name}".encode() for name in self._ids)
        # As hexadecimal text: NumPy would strip zero bytes from the end of a digest.
        return np.array([hashlib.sha256(text).hexdigest() for text in texts], dtype="S64")

    def _coded(self, column: str) -> tuple[Positions, npt.NDArray[np.object_]]:
        """Give a column as codes and the values they stand for."""
        if column not in self._codes:
            codes, names = pd.factorize(self.samples[column].to_numpy(dtype=object))
            self._codes[column] = codes.astype(np.int64), names
        return self._codes[column]

    def _spaced(self, count: int) -> Mask:
        """Tell which samples are among the evenly spaced frames of their video.

        Frames are ordered by the number that ends their name. Of n frames, those at
        floor(i (n - 1) / (count - 1) + 1/2) for i from 0 to count - 1 are kept; of count = 1, the
        middle one.
        """
        names = self.samples["sample_id"].str.replace(FACE_BOX, "", regex=True)
        frame = names.str.extract(_NUMBER, expand=False).fillna("0")
        keys = ["dataset", "split", "label", "group"]
        order = self.samples[keys].assign(frame=frame.astype("float64"), id=self._ids)
        order = order.sort_values([*keys, "frame", "id"], kind="stable")
        videos = order.groupby(keys, sort=False)["frame"]
        rank = videos.cumcount().to_numpy()
        last = videos.transform("size").to_numpy() - 1
        if count == 1:
            chosen = rank == (last + 1) // 2
        else:
            # The one i whose rounded place may be this rank, all in integers.
            i = -((1 - 2 * rank) * (count - 1) // (2 * np.maximum(last, 1)))
            i = np.clip(i, 0, count - 1)
            place = (2 * i * last + count - 1) // (2 * (count - 1))
            chosen = (last < count) | (place == rank)
        there = np.empty(len(order), dtype=bool)
        there[order.index.to_numpy()] = chosen
        return there
