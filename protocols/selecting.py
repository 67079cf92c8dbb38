"""One set of a selection: which forged images, and which real ones go with them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from protocols.gaps import Gap, Label, NoImages
from protocols.pool import Mask, Pool
from protocols.selection import Reals, Selection, together
from protocols.sets import NO_ROWS, Alternative, ImageSet, TrainingSet

EVERYTHING = "all"


@dataclass(frozen=True)
class Named:
    """A set's name, and the values of the selection's column that it stands for.

    Attributes:
        values: None: whatever there is.
    """

    name: str
    values: tuple[str, ...] | None

    @property
    def value_name(self) -> str:
        """What its values are called together."""
        return together(self.values or ())


def named_sets(selection: Selection, pool: Pool, splits: Sequence[str]) -> list[Named]:
    """List the sets of a selection: stated values in their order, else those there are, sorted."""
    if selection.each is None:
        if (
            selection.role in pool.roles
            and not pool.of_class(selection.role, splits, fake=True).any()
        ):
            return []
        return [Named(selection.name or EVERYTHING, None)]
    values = list(selection.only) or _values(selection, pool, splits)
    if not values and selection.role not in pool.roles:
        return [Named(selection.role, ())]
    return [_as_named(selection, group) for group in _siblings(selection.siblings, values)]


def unbound_set(selection: Selection, named: Named, gap: Gap) -> ImageSet:
    """Stand in for a set whose dataset is not there."""
    return ImageSet(
        name=named.name,
        role=selection.role,
        real_role=selection.real_role,
        rows=NO_ROWS,
        reals=None,
        reals_sources=(),
        sources_without_reals=(),
        n_missing=0,
        gap=gap,
    )


def _values(selection: Selection, pool: Pool, splits: Sequence[str]) -> list[str]:
    """List the values of the selection's column in the manifest, sorted."""
    assert selection.each is not None
    here = _where(selection, pool, splits)
    if selection.each == "source":
        # A source of real images alone is a set of its own: a stated gap, not a silent absence.
        here = here | pool.of_class(selection.role, splits, fake=False)
    return pool.values(selection.each, here)


def _where(selection: Selection, pool: Pool, splits: Sequence[str]) -> Mask:
    """Tell which forged images a selection speaks of."""
    here = pool.of_class(selection.role, splits, fake=True)
    for column, values in selection.where.items():
        here = here & pool.isin(column, values)
    return here


def _siblings(patterns: Sequence[Sequence[str]], values: Sequence[str]) -> list[tuple[str, ...]]:
    """Put values that one group of patterns matches together, in the place of the first.

    Groups that share a value are one.
    """
    groups = [[value] for value in values]
    for family in patterns:
        alike = [group for group in groups if any(_matches(value, family) for value in group)]
        for group in alike[1:]:
            alike[0] += group
            groups.remove(group)
    places = {value: place for place, value in enumerate(values)}
    return [tuple(sorted(group, key=places.__getitem__)) for group in groups]


def _matches(value: str, patterns: Sequence[str]) -> bool:
    """Tell whether a value fits a pattern, in which * is anything; case does not count."""
    texts = [".*".join(re.escape(part) for part in pattern.split("*")) for pattern in patterns]
    return any(re.fullmatch(text, value, re.IGNORECASE) for text in texts)


def _as_named(selection: Selection, values: tuple[str, ...]) -> Named:
    """Name the set of some values."""
    name = together(values)
    return Named(f"all but {name}" if selection.all_but else name, values)


class Selector:
    """Selects one named set of a selection."""

    def __init__(self, pool: Pool, selection: Selection, named: Named) -> None:
        """Bind the set to its samples."""
        self._pool, self._selection, self._named = pool, selection, named

    def forged(self, split: str) -> Mask:
        """Tell which forged images of a split belong to the set, readable or not."""
        selection, values = self._selection, self._named.values
        here = _where(selection, self._pool, (split,))
        if selection.each is None or values is None:
            return here
        if selection.only:
            here = here & self._pool.isin(selection.each, selection.only)
        named = self._pool.isin(selection.each, values)
        return here & (~named if selection.all_but else named)

    def reals(
        self, policy: Reals, split: str, forged: Mask, training: TrainingSet | None = None
    ) -> Mask:
        """Tell which real images a policy finds for some forged ones, readable or not."""
        pool = self._pool
        real = pool.of_class(self._selection.real_role, (split,), fake=False)
        if policy == "same-source":
            return real & pool.isin("source", self._sources(forged))
        if policy == "stated":
            return real & pool.isin("source", self._selection.real_sources)
        if policy == "training-source":
            assert training is not None
            real = pool.of_class(training.real_role, (split,), fake=False)
            return real & pool.isin("source", training.reals_sources)
        return real

    def training(self, split: str, generators: Sequence[str] | None = None) -> ImageSet:
        """Select a split of a training set, capped and balanced as stated.

        Args:
            split: ``train`` or ``val``.
            generators: Whose forged images may be in it; None: all that the selection speaks of.
        """
        forged = self.forged(split)
        if generators is not None:
            forged = forged & self._pool.isin("generator", generators)
        policy = self._first(split, forged)
        real = self.reals(policy, split, forged) if policy else np.zeros_like(forged)
        for generator, cap in self._selection.caps.items():
            of_it = self._pool.isin("generator", (generator,))
            most = cap.train if split == "train" else cap.val
            kept = self._pool.draw(forged & of_it & self._pool.readable, most)
            forged = (forged & ~of_it) | kept
        return self._made(split, forged, real, policy, trained=generators)

    def test(self, training: TrainingSet) -> ImageSet:
        """Select a test set, and the same forged images with the real ones of other policies."""
        forged = self.forged("test")
        found: dict[Reals, ImageSet] = {}
        selection = self._selection
        for policy in (*selection.reals, *selection.also):
            real = self.reals(policy, "test", forged, training)
            if (real & self._pool.readable).any():
                kept = self._with_reals(forged, real) if policy == "same-source" else forged
                made = self._made("test", kept, real, policy, sources=self._sources(forged))
                found[policy] = replace(made, n_orphans=int((forged & ~kept).sum()))
        shown = next((found[policy] for policy in selection.reals if policy in found), None)
        if shown is None:
            shown = self._made("test", forged, np.zeros_like(forged), None)
        alternatives = {
            policy: Alternative(rows=made.rows, reals_sources=made.reals_sources)
            for policy, made in found.items()
            if made is not shown and made.gap is None
        }
        return replace(shown, alternatives=alternatives)

    def _first(self, split: str, forged: Mask) -> Reals | None:
        """Give the first policy that finds readable real images."""
        for policy in self._selection.reals:
            if (self.reals(policy, split, forged) & self._pool.readable).any():
                return policy
        return None

    def _sources(self, forged: Mask) -> list[str]:
        """List the sources of forged images.

        A source may hold real images alone, then they are what stands under its name.
        """
        alone = self._named.values if self._selection.each == "source" else None
        return self._pool.values("source", forged) or list(alone or ())

    def _with_reals(self, forged: Mask, real: Mask) -> Mask:
        """Leave out the forged images whose source has no readable real ones."""
        sources = self._pool.values("source", real & self._pool.readable)
        return forged & self._pool.isin("source", sources)

    def _made(
        self,
        split: str,
        forged: Mask,
        real: Mask,
        policy: Reals | None,
        *,
        sources: Sequence[str] | None = None,
        trained: Sequence[str] | None = None,
    ) -> ImageSet:
        """Put the two classes together."""
        pool, selection = self._pool, self._selection
        usable_fake, usable_real = forged & pool.readable, real & pool.readable
        if selection.balanced and policy is not None:
            count = int(min(usable_fake.sum(), usable_real.sum()))
            usable_fake, usable_real = pool.draw(usable_fake, count), pool.draw(usable_real, count)
        gap = None
        if not (usable_fake.any() and usable_real.any()):
            gap = self._absent("real" if usable_fake.any() else "fake", split, trained)
        of_reals = pool.values("source", usable_real)
        known = set(pool.values("source", real & pool.readable))
        wanted = self._sources(forged) if sources is None else sources
        return ImageSet(
            name=self._named.name,
            role=selection.role,
            real_role=selection.real_role,
            rows=np.flatnonzero(usable_fake | usable_real).astype(np.int64),
            reals=policy,
            reals_sources=tuple(of_reals),
            sources_without_reals=tuple(sorted(set(wanted) - known)),
            n_missing=int(((forged | real) & ~pool.readable).sum()),
            gap=gap,
        )

    def _absent(self, label: Label, split: str, trained: Sequence[str] | None) -> NoImages:
        """State that a split has nothing of a class; ``trained``: whose forged images may be in."""
        pool, selection = self._pool, self._selection
        there: Sequence[str] = ()
        if label == "fake" and trained is not None:
            forged = pool.of_class(selection.role, (split,), fake=True) & pool.readable
            there = pool.values("generator", forged)
        of_some = selection.each is not None and not selection.all_but
        return NoImages(
            label=label,
            split=split,
            role=selection.role if label == "fake" else selection.real_role,
            column=selection.each if of_some else None,
            values=(self._named.values or ()) if of_some else (),
            # Of a training generator there may be some that are not the set's, by source say.
            untrained=tuple(there) if set(there).isdisjoint(trained or ()) else (),
        )
