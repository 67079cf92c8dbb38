"""Folds: every image tested once, and nobody on two sides."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmark.data.facts import write_facts
from benchmark.data.manifest import Manifest, from_columns
from benchmark.errors import BenchmarkError
from results.files import atomic_write, check_regular
from results.statistics.clusters import clusters

FEWEST = 3  # one each to test, to select on and to train on


@dataclass(frozen=True, kw_only=True)
class Fold:
    """One of the folds of a dataset: ``number`` of ``of``, counted from 0."""

    number: int
    of: int

    def __post_init__(self) -> None:
        """Raise BenchmarkError where there is no such fold."""
        if self.of < FEWEST:
            raise BenchmarkError(
                f"{self.of} folds: at least {FEWEST} are needed, one each to test, to select the "
                "best step on and to train on"
            )
        if not 0 <= self.number < self.of:
            raise BenchmarkError(
                f"there is no fold {self.number}: {self.of} folds are 0 to {self.of - 1}"
            )


def fold_manifest(manifest: Manifest, fold: Fold, out: Path) -> Manifest:
    """Write a manifest of the same images and facts whose splits are those of one fold.

    Args:
        manifest: Its own splits play no part.
        fold: Its images test, those of the next fold select the best step, the others train.
        out: The .csv file to write, in the folder of ``manifest``, which its paths start from.

    Raises:
        BenchmarkError: ``out`` lies elsewhere or holds something else, or so do facts beside it.
    """
    if out.suffix != ".csv" or out.parent.resolve() != manifest.path.parent.resolve():
        raise BenchmarkError(
            f"{out}: the fold of a manifest is a .csv file in its folder, {manifest.path.parent}, "
            "since paths start from there"
        )
    if out.resolve() == manifest.path.resolve():
        raise BenchmarkError(f"{out}: is the manifest itself; choose another name")
    table = folded(manifest.samples, fold).rename(columns={"sample_id": "path"})
    text = table.to_csv(index=False, lineterminator="\n")
    if out.exists() and not _holds(out, text):
        raise BenchmarkError(f"{out}: holds something else; choose another name or remove it")
    write_facts(out, manifest.facts)
    atomic_write(out, text)
    columns = {str(name): table[name].astype(str).tolist() for name in table.columns}
    return from_columns(columns, out, facts=manifest.facts)


def _holds(path: Path, text: str) -> bool:
    """Tell whether a file is a text and nothing else."""
    data = text.encode()
    return check_regular(path) == len(data) and path.read_bytes() == data


def folded(samples: pd.DataFrame, fold: Fold) -> pd.DataFrame:
    """Give the samples with the splits of one fold.

    Args:
        samples: Validated samples of one dataset.
        fold: Which.

    Returns:
        A new table, ``split`` replaced.
    """
    each = assign(samples, fold.of)
    selects = (fold.number + 1) % fold.of
    split = np.where(each == fold.number, "test", np.where(each == selects, "val", "train"))
    return samples.assign(split=split)


def assign(samples: pd.DataFrame, folds: int) -> npt.NDArray[np.int64]:
    """Give each sample its fold.

    What shares a group, a pair, a content, or a person of one source is never parted, not even
    through a third image. Within that, the folds have sources and generators in equal shares as
    nearly as can be (scikit-learn's ``StratifiedGroupKFold``).

    Args:
        samples: Validated samples of one dataset, sorted by id.
        folds: How many.

    Returns:
        int64 (n,), from 0 to ``folds - 1``; the same for equal tables.

    Raises:
        BenchmarkError: There are fewer unconnected sets of images than folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    together = clusters(samples)
    if (n := len(np.unique(together))) < folds:
        raise BenchmarkError(
            f"{folds} folds of {n} unconnected sets of images (by person, group and pair) cannot "
            "be made: ask for fewer"
        )
    strata = pd.factorize(samples["source"] + "\x1f" + samples["generator"])[0]
    each = np.full(len(samples), -1, dtype=np.int64)
    with warnings.catch_warnings():
        # A rare generator cannot be in every fold; its gaps stand in the tables.
        warnings.filterwarnings("ignore", message="The least populated class")
        parts = StratifiedGroupKFold(folds).split(strata, strata, together)
        for number, (_, test) in enumerate(parts):
            each[test] = number
    return each
