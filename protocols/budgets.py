"""Equal budgets: every training set as many real as forged images, equally many a generator."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from protocols.errors import ProtocolError
from protocols.gaps import OverBudget, TooFewForged, TooFewReal, TooManyGenerators
from protocols.pool import Pool, Positions
from protocols.schema import Protocol
from protocols.selecting import Named, Selector
from protocols.selection import SMALLEST, Selection
from protocols.sets import TrainingSet


def apply_budget(
    protocol: Protocol, found: Sequence[tuple[TrainingSet, Selection]], pool: Pool
) -> Iterator[TrainingSet]:
    """Draw every training set down to the protocol's budget; one that falls short is a gap.

    Raises:
        ProtocolError: The budget is ``smallest``, and no generator could train alone.
    """
    if protocol.budget is None:
        yield from (training for training, _ in found)
        return
    sizes = {split: _size(protocol, split, pool) for split in ("train", "val")}
    for training, _ in found:
        if training.gap is not None:
            yield training
            continue
        drawn: dict[str, Positions] = {}
        short: OverBudget | None = None
        for split, rows in (("train", training.rows), ("val", training.val)):
            drawn[split], lacking = _drawn(pool, rows, split, sizes[split])
            short = short or lacking
        sources = pool.values("source", pool.mask(drawn["train"]) & ~pool.fake)
        yield replace(
            training,
            rows=drawn["train"],
            val=drawn["val"],
            reals_sources=tuple(sources),
            gap=short,
        )


def _size(protocol: Protocol, split: str, pool: Pool) -> int:
    """Give the images a class in a split."""
    assert protocol.budget is not None
    stated = protocol.budget.train if split == "train" else protocol.budget.val
    if stated != SMALLEST:
        return int(stated)
    sizes = [size for s in protocol.train for size in _alone(s, split, pool) if size]
    if not sizes:
        raise ProtocolError(
            f"{protocol.name}: no generator has real and forged images in split {split}, so there "
            "is no smallest budget"
        )
    return min(sizes)


def _alone(selection: Selection, split: str, pool: Pool) -> Iterator[int]:
    """Give what each generator of a selection could train with if it were alone."""
    if not set(selection.roles) <= pool.roles:
        return
    whole = Selector(pool, selection.model_copy(update={"all_but": False}), Named("", None))
    forged = whole.forged(split)
    if selection.each and selection.only:
        forged = forged & pool.isin(selection.each, selection.only)
    for generator in pool.values("generator", forged):
        of_it = forged & pool.isin("generator", (generator,))
        found = (whole.reals(policy, split, of_it) & pool.readable for policy in selection.reals)
        n_real = next((int(reals.sum()) for reals in found if reals.any()), 0)
        yield min(int((of_it & pool.readable).sum()), n_real)


def _drawn(
    pool: Pool, rows: Positions, split: str, size: int
) -> tuple[Positions, OverBudget | None]:
    """Draw ``size`` images of each class, and say what there is too little of, if anything."""
    chosen = pool.mask(rows)
    forged, real = chosen & pool.fake, chosen & ~pool.fake
    if real.sum() < size:
        return rows, TooFewReal(split=split, size=size, there=int(real.sum()))
    kept = pool.draw(real, size)
    counts = pool.counts("generator", forged)
    if len(counts) > size:
        return rows, TooManyGenerators(split=split, size=size, generators=len(counts))
    for number, (generator, count) in enumerate(counts.items()):
        share = size // len(counts) + (number < size % len(counts))
        if count < share:
            return rows, TooFewForged(
                split=split, size=size, generator=generator, there=count, share=share
            )
        kept = kept | pool.draw(forged & pool.isin("generator", (generator,)), share)
    return np.flatnonzero(kept).astype(np.int64), None
