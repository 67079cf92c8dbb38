"""A schematic samples table for any protocol: what its diagram is drawn from, and tests use."""

from collections.abc import Iterator, Sequence

import pandas as pd

from protocols.samples import validate
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
    tables = [_of_role(protocol, role, count) for role in protocol.roles]
    samples = pd.concat(tables, ignore_index=True)
    return samples.sort_values(["dataset", "sample_id"], kind="stable", ignore_index=True)


def _of_role(protocol: Protocol, role: str, count: int) -> pd.DataFrame:
    """Make one dataset."""
    selections = [*protocol.train, *protocol.test]
    rows = []
    for kind in dict.fromkeys(k for s in selections for k in _kinds(s, role, protocol.roles)):
        rows += [(*kind, split, number) for split in _SPLITS for number in range(count)]
    names = ["label", "forgery", "family", "generator", "source", "split", "number"]
    table = pd.DataFrame(rows, columns=names)
    for name in ("source", "generator", "forgery", "split", "number"):
        table["sample_id"] = table.get("sample_id", "images") + "/" + table[name].astype(str)
    table["sample_id"] += ".png"
    table["sha256"] = role + "/" + table["sample_id"]
    table["width"] = table["height"] = "256"
    samples = validate(table.drop(columns="number"), f"{role}.csv")
    samples.insert(0, "dataset", role)
    return samples.assign(problem="")


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
