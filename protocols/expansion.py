"""From a protocol and samples to training sets and cells: the one code that selects samples.

Planning, scoring, reporting and the checking of submissions all call ``expand``, so they cannot
disagree about which image belongs to which number.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace

import pandas as pd

from protocols.budgets import apply_budget
from protocols.errors import ProtocolError
from protocols.gaps import Unbound
from protocols.pool import Pool
from protocols.schema import Protocol
from protocols.selecting import Named, Selector, named_sets, unbound_set
from protocols.selection import Selection
from protocols.sets import (
    ELSEWHERE,
    TRAINED_ELSEWHERE,
    Alternative,
    Cell,
    Expansion,
    ImageSet,
    TrainingSet,
)

__all__ = [
    "ELSEWHERE",
    "Alternative",
    "Cell",
    "Expansion",
    "ImageSet",
    "TrainingSet",
    "expand",
]


def expand(
    protocol: Protocol,
    samples: pd.DataFrame,
    unbound: Collection[str] = (),
    *,
    trained: bool = True,
    elsewhere: bool = False,
) -> Expansion:
    """Select the samples of every training set and cell.

    Args:
        protocol: What to select.
        samples: The validated samples of all bound datasets, in one table: the columns of
            ``protocols.samples.COLUMNS``, ``dataset`` (the role), and ``problem``: "" or why the
            sample cannot be read. A sample with a problem is selected nowhere, and counted.
        unbound: Roles that may have no samples: all that needs them is a stated gap.
        trained: Whether any model is trained; otherwise there is nothing to train on.
        elsewhere: Whether there are models that were trained elsewhere: after the training sets
            stands that of theirs, ``ELSEWHERE``, of which no sample is known, with cells of its
            own.

    Returns:
        Pure and deterministic: equal tables give equal expansions.

    Raises:
        ProtocolError: A role has no samples, or there is nothing to train or test on.
    """
    pool = Pool(samples.reset_index(drop=True), protocol.draw_seed, protocol.frames_per_video)
    for role in protocol.roles:
        if role not in pool.roles and role not in unbound:
            bound = ", ".join(sorted(pool.roles)) or "none"
            raise ProtocolError(f"{protocol.name}: {Unbound(role=role)} (bound: {bound})")
    training_sets = _training_sets(protocol, pool) if trained else ()
    if elsewhere:
        training_sets = (*training_sets, TRAINED_ELSEWHERE)
    _refuse_repeated(protocol, [training.name for training in training_sets])
    cells = tuple(_cells(protocol, pool, training_sets))
    if not training_sets or not cells:
        raise ProtocolError(f"{protocol.name}: {_nothing(protocol, pool, training_sets)}")
    return Expansion(
        protocol=protocol,
        training_sets=training_sets,
        cells=cells,
        unbound=tuple(role for role in protocol.roles if role not in pool.roles),
    )


def _training_sets(protocol: Protocol, pool: Pool) -> tuple[TrainingSet, ...]:
    """Give all that models are trained on, drawn down to the budget."""
    found = [pair for selection in protocol.train for pair in _train(selection, pool)]
    return tuple(apply_budget(protocol, found, pool))


def _train(selection: Selection, pool: Pool) -> Iterator[tuple[TrainingSet, Selection]]:
    """Give a training set for each value of the selection's column."""
    for named in _named(selection, pool, ("train", "val", "test")):
        gap = _lacking(selection, pool)
        if gap is not None:
            empty = unbound_set(selection, named, gap)
            yield TrainingSet(**vars(empty), val=empty.rows, val_reals=None), selection
            continue
        selector = Selector(pool, selection, named)
        train = selector.training("train")
        # Who does not train takes no part in choosing a step either.
        val = selector.training("val", pool.values("generator", pool.forged(train.rows)))
        whole = replace(train, gap=train.gap or val.gap)
        yield TrainingSet(**vars(whole), val=val.rows, val_reals=val.reals), selection


def _cells(
    protocol: Protocol, pool: Pool, training_sets: tuple[TrainingSet, ...]
) -> Iterator[Cell]:
    """Give every cell, training set by training set."""
    axis = next((selection.each for selection in protocol.train if selection.each), None)
    tests = [
        (selection, named)
        for selection in protocol.test
        for named in _named(selection, pool, ("test",))
    ]
    _refuse_repeated(protocol, [f"{named.name} ({s.role})" for s, named in tests], "test")
    known: dict[object, ImageSet] = {}
    for training in training_sets:
        for number, (selection, named) in enumerate(tests):
            # Only what depends on the training set is selected anew for each.
            depends = "training-source" in (*selection.reals, *selection.also)
            key = (number, (training.real_role, training.reals_sources) if depends else None)
            if key not in known:
                known[key] = _test(selection, named, pool, training)
            test = known[key]
            seen = _is_seen(axis or selection.each or "generator", training, test, pool)
            comparable = training.gap is None and test.gap is None and test.reals == "same-source"
            for condition in protocol.expanded_conditions:
                for level in protocol.levels:
                    yield Cell(
                        training=training.name,
                        test=test,
                        condition=condition,
                        level=level,
                        seen=seen,
                        headline=comparable,
                    )


def _test(selection: Selection, named: Named, pool: Pool, training: TrainingSet) -> ImageSet:
    """Select one test set."""
    gap = _lacking(selection, pool)
    if gap is not None:
        return unbound_set(selection, named, gap)
    return Selector(pool, selection, named).test(training)


def _named(selection: Selection, pool: Pool, splits: tuple[str, ...]) -> list[Named]:
    """List the sets of a selection; all but the only one is nothing."""
    names = named_sets(selection, pool, splits)
    return names if not selection.all_but or len(names) > 1 else []


def _lacking(selection: Selection, pool: Pool) -> Unbound | None:
    """State which dataset of a selection is not there, or None."""
    absent = [role for role in selection.roles if role not in pool.roles]
    return Unbound(role=absent[0]) if absent else None


def _is_seen(axis: str, training: TrainingSet, test: ImageSet, pool: Pool) -> bool | None:
    """Tell whether any forged test image shares its axis value with a forged training image."""
    if training is TRAINED_ELSEWHERE:
        return None
    if training.role != test.role:
        return False

    here, there = (pool.values(axis, pool.forged(s.rows)) for s in (training, test))
    return not set(here).isdisjoint(there)


def _nothing(protocol: Protocol, pool: Pool, training_sets: tuple[TrainingSet, ...]) -> str:
    """Say why there is nothing to train or to test on."""
    if not training_sets:
        for selection in protocol.train:
            left_out = named_sets(selection, pool, ("train", "val", "test"))
            if selection.all_but and left_out:
                name = left_out[0].value_name
                return f"every forged image is of '{name}', so without it none is left to train on"
    what = "test" if training_sets else "train"
    return f"the manifest has no forged images to {what} on"


def _refuse_repeated(protocol: Protocol, names: list[str], what: str = "training") -> None:
    """Raise where two sets would go under one name."""
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ProtocolError(
            f"{protocol.name}: two {what} sets are called '{repeated[0]}'; "
            "give the roles generators of different names"
        )
