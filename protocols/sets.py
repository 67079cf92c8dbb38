"""What a protocol expands to: training sets, test sets and cells."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from protocols.conditions import Condition
from protocols.gaps import Gap
from protocols.pool import Positions
from protocols.schema import Level, Protocol
from protocols.selection import Reals

NO_ROWS: Positions = np.empty(0, dtype=np.int64)
ELSEWHERE = "trained elsewhere"
"""The name of the training set of models that were not trained here: nobody here knows it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Alternative:
    """The forged images of a test set with the real ones that another policy finds.

    Attributes:
        rows: Positions in the samples table, ascending.
        reals_sources: Where the real images come from.
    """

    rows: Positions
    reals_sources: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageSet:
    """Forged images and the real ones that go with them.

    Attributes:
        name: The value that was selected (a generator, say), or ``all``.
        role: The dataset; ``real_role`` that of the real images.
        rows: Positions in the samples table, ascending.
        reals: The policy that found the real images; None where none did.
        reals_sources: Where the real images come from.
        sources_without_reals: Sources of forged images here that have no real ones.
        n_missing: Samples that belong here but cannot be read.
        n_orphans: Forged images left out since their source has no real ones.
        gap: Why the set cannot be used, or None.
        alternatives: The same test with the real images of the other policies.
    """

    name: str
    role: str
    real_role: str
    rows: Positions
    reals: Reals | None
    reals_sources: tuple[str, ...]
    sources_without_reals: tuple[str, ...]
    n_missing: int
    n_orphans: int = 0
    gap: Gap | None
    alternatives: Mapping[Reals, Alternative] = field(default_factory=dict)

    @property
    def statement(self) -> str:
        """Say which real images these are, for tables."""
        if self.reals is None:
            return "no real images"
        lacking = ""
        if self.reals == "same-source" and self.sources_without_reals:
            lacking = f"; none of {', '.join(self.sources_without_reals)}"
            if self.n_orphans:
                lacking += f", whose {self.n_orphans} forged images are left out"
        return f"{self.reals} ({', '.join(self.reals_sources)}{lacking})"

    @property
    def all_rows(self) -> Positions:
        """Positions of every sample that the set needs under any policy, ascending."""
        return np.unique(np.concatenate([self.rows, *(a.rows for a in self.alternatives.values())]))


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingSet(ImageSet):
    """What one model learns from.

    Attributes:
        val: Validation samples of the same generators: model selection sees nothing else.
        val_reals: The policy that found their real images.
    """

    val: Positions
    val_reals: Reals | None


class UnknownTraining(TrainingSet):
    """What a model that was trained elsewhere learned from: no sample of it is known."""

    @property
    def statement(self) -> str:
        """Say which real images these are."""
        return "unknown"


TRAINED_ELSEWHERE = UnknownTraining(
    name=ELSEWHERE,
    role="",
    real_role="",
    rows=NO_ROWS,
    reals=None,
    reals_sources=(),
    sources_without_reals=(),
    n_missing=0,
    gap=None,
    val=NO_ROWS,
    val_reals=None,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Cell:
    """A selection over scores: one training set x test set x condition x level.

    Attributes:
        training: Name of the training set.
        test: The test set.
        seen: Whether the test's forgeries were in the training set, along the protocol's axis; None
            where that is not known, of what was trained elsewhere.
        headline: Whether it counts in summaries: both sets are whole, and its real images are of
            the same sources as its forged ones.
    """

    training: str
    test: ImageSet
    condition: Condition
    level: Level
    seen: bool | None
    headline: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Expansion:
    """All that a protocol asks of some samples.

    Attributes:
        unbound: Roles without a dataset; what needs them is a gap.
    """

    protocol: Protocol
    training_sets: tuple[TrainingSet, ...]
    cells: tuple[Cell, ...]
    unbound: tuple[str, ...] = ()

    def rows(self, training: str) -> Positions:
        """Positions of every sample that a model of ``training`` is scored on, any condition."""
        tests = {id(c.test): c.test for c in self.cells if c.training == training}
        return np.unique(np.concatenate([NO_ROWS, *(test.all_rows for test in tests.values())]))
