"""Part of a dataset: the rows of some columns' values, and a sample of a stated size of them."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from benchmark.data.manifest import Manifest, check_target
from benchmark.data.splitting import write_changed
from benchmark.errors import ManifestError

_MOST_NAMED = 12


def selected(
    samples: pd.DataFrame,
    where: Mapping[str, Sequence[str]],
    *,
    at_most: int | None = None,
    per: Sequence[str] = ("split", "label"),
    among: Mapping[str, Sequence[str]] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Keep the samples that hold given values, and at most so many of each kind.

    A sample is drawn by the SHA-256 of the seed and its id: those with the lowest stay. So a sample
    of 20 is part of one of 50, and the order of rows and other rows change nothing.

    Args:
        samples: Validated samples.
        where: Column to the values that stay; all columns must agree.
        at_most: How many of each kind; None: all.
        per: Columns whose values together are a kind.
        among: As ``where``: ``at_most`` is applied to these rows, all others stay; None: to all.
        seed: Of the sample.

    Returns:
        A new table in the old order.

    Raises:
        ManifestError: There is no such column or value, ``at_most`` is below 1, or nothing is left.
    """
    kept = samples[_holding(samples, where)]
    if kept.empty:
        raise ManifestError("no sample holds all of these values")
    if at_most is None:
        return kept
    if at_most < 1:
        raise ManifestError(f"at most {at_most} of each kind: 1 or more are needed")
    _check_columns(kept, per)
    limited = kept[_holding(kept, among or {})]
    drawn = limited.assign(
        drawn=[hashlib.sha256(f"{seed}\x1f{name}".encode()).digest() for name in limited.sample_id]
    ).sort_values("drawn")
    over = drawn.groupby(list(per), sort=False).cumcount() >= at_most
    return kept.drop(index=over.index[over])


def select_manifest(
    manifest: Manifest,
    out: Path,
    where: Mapping[str, Sequence[str]],
    *,
    at_most: int | None = None,
    per: Sequence[str] = ("split", "label"),
    among: Mapping[str, Sequence[str]] | None = None,
    seed: int = 0,
) -> Manifest:
    """Write a manifest of part of a dataset; no image is copied.

    Args:
        manifest: The whole.
        out: A .csv or .parquet file that is not there yet; elsewhere, the .json file beside it
            states the folder of the images.
        where: As ``selected``.
        at_most: As ``selected``.
        per: As ``selected``.
        among: As ``selected``.
        seed: As ``selected``.

    Raises:
        ManifestError: As ``selected``; or the file is there, or cannot be written.
    """
    check_target(out)
    table = selected(manifest.samples, where, at_most=at_most, per=per, among=among, seed=seed)
    return write_changed(manifest, table, out)


def _holding(samples: pd.DataFrame, where: Mapping[str, Sequence[str]]) -> "pd.Series[bool]":
    """Say which samples hold the values, each of which at least one must hold."""
    _check_columns(samples, list(where))
    kept = pd.Series(data=True, index=samples.index)
    for column, values in where.items():
        there = sorted(samples[column].unique())
        for value in values:
            if value not in there:
                some = ", ".join(there[:_MOST_NAMED]) + (
                    f" and {len(there) - _MOST_NAMED} more" if len(there) > _MOST_NAMED else ""
                )
                raise ManifestError(f"no sample has the {column} '{value}'; there are {some}")
        kept &= samples[column].isin(list(values))
    return kept


def _check_columns(samples: pd.DataFrame, names: Sequence[str]) -> None:
    """Raise ManifestError if there is no such column."""
    for name in names:
        if name not in samples.columns:
            there = ", ".join(map(str, samples.columns))
            raise ManifestError(f"there is no column '{name}'; there are {there}")
