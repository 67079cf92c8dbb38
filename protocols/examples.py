"""A schematic samples table for any protocol: what its diagram is drawn from, and tests use."""

from collections.abc import Iterator, Sequence
from itertools import product

import pandas as pd

from protocols.samples import COLUMNS
from protocols.schema import Protocol
from protocols.selection import Selection

# What stands in a manifest of which a protocol states no names.
_KINDS = {
    "StyleGAN3": ("EFS", "GAN", "FFHQ"),
    "StarGAN": ("AM", "GAN", "CelebA"),
    "StarGANv2": ("AM", "GAN", "CelebA"),
    "DDPM": ("EFS", "diffusion", "FFHQ"),
    "DiffFace": ("FS", "diffusion", "CelebA"),
}
_SPLITS = ("train", "val", "test")


def example_samples(protocol: Protocol, count: int = 12) -> pd.DataFrame:
    """Make the smallest samples that give every set of a protocol.

    Where a protocol names values, the samples have them; where it takes what the manifest holds,
    there are five generators of two families and three kinds, from two sources.

    Args:
        protocol: Any that is valid.
        count: Images of each kind in each split; each image is its own video.

    Returns:
        A table as ``protocols.expand`` takes it, with the columns ``width`` and ``height``.
    """
    rows = [row for role in protocol.roles for row in _of_role(protocol, role, count)]
    # Laid out as ``protocols.validate`` does, which takes too long for a list of all protocols.
    return pd.DataFrame(sorted(rows), columns=["dataset", *COLUMNS, "width", "height", "problem"])


def _of_role(protocol: Protocol, role: str, count: int) -> Iterator[tuple[str, ...]]:
    """Make the rows of one dataset."""
    selections = [*protocol.train, *protocol.test]
    kinds = dict.fromkeys(k for s in selections for k in _kinds(s, role, protocol.roles))
    for (label, forgery, family, generator, source), split in product(kinds, _SPLITS):
        for number in range(count):
            name = f"images/{source}/{generator}/{forgery}/{split}/{number}.png"
            kind = (label, forgery, family, generator, split, source)
            yield role, name, *kind, name, "", "", f"{role}/{name}", "256", "256", ""


def _kinds(
    selection: Selection, role: str, roles: Sequence[str]
) -> Iterator[tuple[str, str, str, str, str]]:
    """Give (label, forgery, family, generator, source) of what a selection needs of a dataset."""
    of_forged = list(_forged(selection, roles))
    if role == selection.role:
        for forgery, family, generator, source in of_forged:
            yield "fake", forgery, family, generator, source
    if role == selection.real_role:
        for source in dict.fromkeys([*(k[3] for k in of_forged), *selection.real_sources]):
            yield "real", "real", "real", "camera", source


def _forged(selection: Selection, roles: Sequence[str]) -> Iterator[tuple[str, str, str, str]]:
    """Give (forgery, family, generator, source) of the forged images of a selection."""
    values = list(selection.only) or [v for group in selection.where.values() for v in group]
    column = selection.each if selection.only else next(iter(selection.where), None)
    if not values or column is None:
        for generator, (forgery, family, source) in _KINDS.items():
            # Over several datasets the sources must be those of the real images' dataset.
            yield forgery, family, generator, source if len(roles) == 1 else "one"
        return
    for value in values:
        kind = {"forgery": "EFS", "family": "unknown", "generator": value, "source": "one"}
        if column == "family":
            kind["generator"] = f"a {value}"
        elif column == "forgery":
            kind["generator"] = f"some {value}"
        kind[column] = value
        yield kind["forgery"], kind["family"], kind["generator"], kind["source"]
