"""From a protocol and samples to training sets and cells: the one code that selects samples.

Planning, scoring, reporting and the checking of submissions all call ``expand``, so they cannot
disagree about which image belongs to which number.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from protocols.conditions import Condition
from protocols.errors import ProtocolError
from protocols.schema import Level, Protocol, Reals, Selection

Rows = npt.NDArray[np.int64]
EVERYTHING = "all"
_NONE: Rows = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageSet:
    """Forged images and the real ones that go with them.

    Attributes:
        name: The value that was selected (a generator, say), or ``all``.
        role: The dataset.
        rows: Positions in the samples table, ascending.
        reals: The policy that found the real images; None where none did.
        reals_sources: Where the real images come from.
        sources_without_reals: Sources of forged images here that have no real ones.
        n_missing: Samples that belong here but cannot be read.
        gap: Why the set cannot be used, or None.
    """

    name: str
    role: str
    rows: Rows
    reals: Reals | None
    reals_sources: tuple[str, ...]
    sources_without_reals: tuple[str, ...]
    n_missing: int
    gap: str | None

    @property
    def statement(self) -> str:
        """Say which real images these are, for tables."""
        if self.reals is None:
            return "no real images"
        lacking = ""
        if self.reals == "same-source" and self.sources_without_reals:
            lacking = f"; none of {', '.join(self.sources_without_reals)}"
        return f"{self.reals} ({', '.join(self.reals_sources)}{lacking})"


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingSet(ImageSet):
    """What one model learns from.

    Attributes:
        val: Validation samples of the same generators: model selection sees nothing else.
    """

    val: Rows


@dataclass(frozen=True, kw_only=True, eq=False)
class Cell:
    """A selection over scores: one training set x test set x condition x level.

    Attributes:
        training: Name of the training set.
        test: The test set.
        seen: Whether the test's forgeries were in the training set, along the protocol's axis.
    """

    training: str
    test: ImageSet
    condition: Condition
    level: Level
    seen: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Expansion:
    """All that a protocol asks of some samples."""

    protocol: Protocol
    training_sets: tuple[TrainingSet, ...]
    cells: tuple[Cell, ...]

    def rows(self, training: str) -> Rows:
        """Positions of every sample that a model of ``training`` is scored on, any condition."""
        parts = [c.test.rows for c in self.cells if c.training == training]
        return np.unique(np.concatenate([_NONE, *parts]))


def expand(protocol: Protocol, samples: pd.DataFrame) -> Expansion:
    """Select the samples of every training set and cell.

    Args:
        protocol: What to select.
        samples: The validated samples of all bound datasets, in one table: the columns of
            ``protocols.samples.COLUMNS``, ``dataset`` (the role), and ``problem``: "" or why the
            sample cannot be read. A sample with a problem is selected nowhere, and counted.

    Returns:
        Pure and deterministic: equal tables give equal expansions.

    Raises:
        ProtocolError: A role has no samples, or there is nothing to train or test on.
    """
    for role in protocol.roles:
        if not (samples["dataset"] == role).any():
            bound = ", ".join(sorted(samples["dataset"].unique())) or "none"
            raise ProtocolError(
                f"{protocol.name}: no dataset is bound to role '{role}' (bound: {bound})"
            )
    training_sets = tuple(
        training_set for selection in protocol.train for training_set in _train(selection, samples)
    )
    _refuse_repeated(protocol, training_sets)
    cells = tuple(_cells(protocol, samples, training_sets))
    if not training_sets or not cells:
        what = "train" if not training_sets else "test"
        raise ProtocolError(f"{protocol.name}: the manifest has no forged images to {what} on")
    return Expansion(protocol=protocol, training_sets=training_sets, cells=cells)


def _train(selection: Selection, samples: pd.DataFrame) -> Iterator[TrainingSet]:
    """Give a training set for each value of the selection's column."""
    names = _values(selection, samples, ("train", "val", "test"))
    # All but the only one is nothing.
    for name in names if not selection.all_but or len(names) > 1 else []:
        train = _image_set(selection, name, samples, "train", ())
        val = _image_set(selection, name, samples, "val", ())
        gap = train.gap or val.gap
        yield TrainingSet(**{**vars(train), "gap": gap}, val=val.rows)


def _cells(
    protocol: Protocol, samples: pd.DataFrame, training_sets: tuple[TrainingSet, ...]
) -> Iterator[Cell]:
    """Give every cell, training set by training set."""
    axes = {selection.role: selection.each for selection in protocol.train}
    for training in training_sets:
        axis = axes[training.role]
        for selection in protocol.test:
            for name in _values(selection, samples, ("test",)):
                test = _image_set(selection, name, samples, "test", training.reals_sources)
                seen = _is_seen(axis or selection.each, training, test, samples)
                for condition in protocol.expanded_conditions:
                    for level in protocol.levels:
                        yield Cell(
                            training=training.name,
                            test=test,
                            condition=condition,
                            level=level,
                            seen=seen,
                        )


def _values(selection: Selection, samples: pd.DataFrame, splits: tuple[str, ...]) -> list[str]:
    """List the values that the selection makes sets of, sorted."""
    here = (samples["dataset"] == selection.role) & samples["split"].isin(splits)
    if selection.each != "source":
        # A source of real images alone is a set of its own: a stated gap, not a silent absence.
        here &= samples["label"] == "fake"
    if not here.any():
        return []
    return sorted(samples.loc[here, selection.each].unique()) if selection.each else [EVERYTHING]


def _image_set(
    selection: Selection,
    name: str,
    samples: pd.DataFrame,
    split: str,
    training_sources: tuple[str, ...],
) -> ImageSet:
    """Select the forged images called ``name``, or all others, in ``split`` and their real ones."""
    here = (samples["dataset"] == selection.role) & (samples["split"] == split)
    fake = here & (samples["label"] == "fake")
    if selection.each is not None:
        here_named = samples[selection.each] == name
        fake &= ~here_named if selection.all_but else here_named
    real = here & (samples["label"] == "real")
    readable = samples["problem"] == ""
    # A source may hold real images alone, then they are what stands under its name.
    sources = set(samples.loc[fake, "source"]) or ({name} if selection.each == "source" else set())
    policies: Mapping[Reals, pd.Series[bool]] = {
        "same-source": real & samples["source"].isin(sources),
        "training-source": real & samples["source"].isin(training_sources),
        "pooled": real,
    }
    policy = next((p for p in selection.reals if (policies[p] & readable).any()), None)
    chosen = fake | policies[policy] if policy else fake
    usable = chosen & readable
    labels = set(samples.loc[usable, "label"])
    gap = None
    if labels != {"real", "fake"}:
        absent = "forged" if "fake" not in labels else "real"
        gap = f"no {absent} images in split {split}"
    found = samples.loc[usable & real, "source"].unique()
    return ImageSet(
        name=f"all but {name}" if selection.all_but else name,
        role=selection.role,
        rows=np.flatnonzero(usable).astype(np.int64),
        reals=policy,
        reals_sources=tuple(sorted(found)),
        sources_without_reals=tuple(sorted(sources - set(samples.loc[real & readable, "source"]))),
        n_missing=int((chosen & ~readable).sum()),
        gap=gap,
    )


def _is_seen(
    axis: str | None, training: TrainingSet, test: ImageSet, samples: pd.DataFrame
) -> bool:
    """Tell whether any forged test image shares its axis value with a forged training image."""
    if training.role != test.role:
        return False
    if axis is None:
        return True

    def values(image_set: ImageSet) -> set[str]:
        rows = samples.iloc[image_set.rows]
        return set(rows.loc[rows["label"] == "fake", axis])

    return bool(values(training) & values(test))


def _refuse_repeated(protocol: Protocol, training_sets: tuple[TrainingSet, ...]) -> None:
    """Raise where two training sets would go under one name."""
    names = [training_set.name for training_set in training_sets]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ProtocolError(
            f"{protocol.name}: two training sets are called '{repeated[0]}'; "
            "give the roles generators of different names"
        )
